//! What comes back from a guest, checked.
//!
//! Nothing is clipped or repaired: a buffer of the wrong length, an offset that runs backwards or
//! past its data, text that is not UTF-8, a null where there may be none, a wrong kind or number of
//! columns is [`PluginFault::BadOutput`], naming the column. Buffers that pass become Arrow's
//! without being copied.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch,
    RecordBatchOptions, StringArray, TimestampMillisecondArray,
};
use arrow_buffer::{
    ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer,
};
use arrow_schema::DataType;

use super::{
    abi::{BatchOut, ColumnOut, FieldOut, Kind as AbiKind, NestingOut, Rejected},
    fault::{PluginFault, printable},
    outcome::RejectedRow,
};
use crate::model::{Field, Kind, Schema};

/// Bytes of a reason that are kept.
const LONGEST_REASON: usize = 1_000;

/// A batch with the columns of `schema`.
pub(super) fn batch(out: BatchOut, schema: &Schema) -> Result<RecordBatch, PluginFault> {
    let fields = schema.fields();
    if out.columns.len() != fields.len() {
        return broken(format!(
            "{} columns came back, {} were declared ({schema})",
            out.columns.len(),
            fields.len()
        ));
    }
    let rows = usize::try_from(out.rows).unwrap_or(usize::MAX);
    if rows > i32::MAX as usize {
        return broken(format!("{rows} rows are more than a batch can hold"));
    }
    let columns = out
        .columns
        .into_iter()
        .zip(fields)
        .map(|(column, field)| self::column(column, field, rows))
        .collect::<Result<Vec<_>, _>>()?;
    lists_agree(&columns, fields)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.to_arrow(), columns, &options)
        .or_else(|error| broken(error.to_string()))
}

/// A batch without columns, for functions that declared none.
pub(super) fn no_columns(out: &BatchOut) -> Result<(), PluginFault> {
    if out.columns.is_empty() {
        Ok(())
    } else {
        broken(format!(
            "{} columns came back, none was declared",
            out.columns.len()
        ))
    }
}

/// A bitmap of `rows` bits.
pub(super) fn bitmap(bits: Vec<u8>, rows: usize, what: &str) -> Result<BooleanBuffer, PluginFault> {
    if bits.len() != rows.div_ceil(8) {
        return broken(format!(
            "{what} has {} bytes; {rows} rows take {}",
            bits.len(),
            rows.div_ceil(8)
        ));
    }
    Ok(BooleanBuffer::new(Buffer::from_vec(bits), 0, rows))
}

/// Row numbers, one for each of `rows`, all below `below`, and never decreasing if `rising`.
pub(super) fn origins(
    bytes: Vec<u8>,
    rows: usize,
    below: usize,
) -> Result<ScalarBuffer<u32>, PluginFault> {
    let origins = numbers::<u32>(bytes, "origins")?;
    if origins.len() != rows {
        return broken(format!("{} origins for {rows} rows", origins.len()));
    }
    if let Some(wrong) = origins.iter().find(|&&o| o as usize >= below) {
        return broken(format!("origin {wrong} names no row; there are {below}"));
    }
    Ok(origins)
}

/// Rejected rows, in rising order and below `rows`.
pub(super) fn rejected(out: Vec<Rejected>, rows: usize) -> Result<Vec<RejectedRow>, PluginFault> {
    let mut last = None;
    out.into_iter()
        .map(|Rejected { row, reason }| {
            if row as usize >= rows {
                return broken(format!("rejected row {row} is none; there are {rows}"));
            }
            if last.is_some_and(|last| row <= last) {
                return broken(format!(
                    "rejected rows are not in rising order at row {row}"
                ));
            }
            last = Some(row);
            Ok(RejectedRow {
                row,
                reason: printable(&reason, LONGEST_REASON),
            })
        })
        .collect()
}

/// A declared schema; none if it has no columns.
pub(super) fn schema(fields: Vec<FieldOut>) -> Result<Option<Schema>, PluginFault> {
    if fields.is_empty() {
        return Ok(None);
    }
    let fields = fields.into_iter().map(|field| Field {
        name: field.name,
        kind: kind(field.kind),
        nullable: field.nullable,
        listed: field.listed,
    });
    Schema::new(fields.collect())
        .map(Some)
        .or_else(|error| broken(printable(&error.to_string(), LONGEST_REASON)))
}

/// The kind of the interface as the kind of the model.
pub(super) fn kind(kind: AbiKind) -> Kind {
    match kind {
        AbiKind::Boolean => Kind::Boolean,
        AbiKind::Int64 => Kind::Int64,
        AbiKind::Float64 => Kind::Float64,
        AbiKind::Utf8 => Kind::Utf8,
        AbiKind::Binary => Kind::Binary,
        AbiKind::Timestamp => Kind::Timestamp,
    }
}

fn column(column: ColumnOut, field: &Field, rows: usize) -> Result<ArrayRef, PluginFault> {
    let checked = match (column.lists, field.listed) {
        (None, false) => items(
            column.kind,
            column.offsets,
            column.data,
            column.validity,
            field,
            rows,
        ),
        (Some(nesting), true) => list(
            nesting,
            (column.kind, column.offsets, column.data, column.validity),
            field,
            rows,
        ),
        (Some(_), false) => broken("a list came back where plain values were declared".into()),
        (None, true) => broken("plain values came back where a list was declared".into()),
    };
    checked.map_err(|fault| match fault {
        PluginFault::BadOutput(why) => {
            PluginFault::BadOutput(format!("column `{}`: {why}", field.name))
        }
        other => other,
    })
}

type Items = (AbiKind, Vec<u8>, Vec<u8>, Option<Vec<u8>>);

fn list(
    nesting: NestingOut,
    (kind, offsets, data, validity): Items,
    field: &Field,
    rows: usize,
) -> Result<ArrayRef, PluginFault> {
    let ends = self::offsets(nesting.offsets, rows, None, "list offsets")?;
    if let Some(lists) = nesting.validity {
        let lists = bitmap(lists, rows, "list validity")?;
        if lists.count_set_bits() != rows {
            return broken("a list is null".into());
        }
    }
    let count = usize::try_from(*ends.inner().last().unwrap_or(&0)).unwrap_or(0);
    let items = items(kind, offsets, data, validity, field, count)?;
    let item = arrow_schema::Field::new_list_field(field.kind.data_type(), field.nullable);
    ListArray::try_new(Arc::new(item), ends, items, None)
        .map(|list| Arc::new(list) as ArrayRef)
        .or_else(|error| broken(error.to_string()))
}

fn items(
    kind: AbiKind,
    offsets: Vec<u8>,
    data: Vec<u8>,
    validity: Option<Vec<u8>>,
    field: &Field,
    n: usize,
) -> Result<ArrayRef, PluginFault> {
    if self::kind(kind) != field.kind {
        return broken(format!(
            "{} came back, {} was declared",
            self::kind(kind),
            field.kind
        ));
    }
    let nulls = nulls(validity, field, n)?;
    let variable = matches!(kind, AbiKind::Utf8 | AbiKind::Binary);
    if !variable && !offsets.is_empty() {
        return broken(format!("{} takes no offsets", field.kind));
    }
    Ok(match kind {
        AbiKind::Boolean => Arc::new(BooleanArray::new(bitmap(data, n, "data")?, nulls)),
        AbiKind::Int64 => Arc::new(Int64Array::new(fixed(data, n)?, nulls)),
        AbiKind::Float64 => Arc::new(Float64Array::new(fixed(data, n)?, nulls)),
        AbiKind::Timestamp => {
            let DataType::Timestamp(_, zone) = field.kind.data_type() else {
                return broken("no timestamp".into());
            };
            let values = TimestampMillisecondArray::new(fixed(data, n)?, nulls);
            Arc::new(values.with_timezone_opt(zone))
        }
        AbiKind::Utf8 => {
            let offsets = self::offsets(offsets, n, Some(data.len()), "offsets")?;
            let text = StringArray::try_new(offsets, Buffer::from_vec(data), nulls);
            Arc::new(text.or_else(|_| broken("text is not UTF-8".into()))?)
        }
        AbiKind::Binary => {
            let offsets = self::offsets(offsets, n, Some(data.len()), "offsets")?;
            let bytes = BinaryArray::try_new(offsets, Buffer::from_vec(data), nulls);
            Arc::new(bytes.or_else(|error| broken(error.to_string()))?)
        }
    })
}

fn nulls(
    validity: Option<Vec<u8>>,
    field: &Field,
    n: usize,
) -> Result<Option<NullBuffer>, PluginFault> {
    let Some(bits) = validity else {
        return Ok(None);
    };
    let nulls = NullBuffer::new(bitmap(bits, n, "validity")?);
    if nulls.null_count() == 0 {
        return Ok(None);
    }
    if !field.nullable {
        return broken("a null came back where none may be".into());
    }
    Ok(Some(nulls))
}

fn fixed<T: ArrowNativeType>(data: Vec<u8>, n: usize) -> Result<ScalarBuffer<T>, PluginFault> {
    let values = numbers::<T>(data, "data")?;
    if values.len() == n {
        Ok(values)
    } else {
        broken(format!("{} values for {n} items", values.len()))
    }
}

/// `n + 1` entries, the first 0, never decreasing, the last `end` (or anything, if none is given).
fn offsets(
    bytes: Vec<u8>,
    n: usize,
    end: Option<usize>,
    what: &str,
) -> Result<OffsetBuffer<i32>, PluginFault> {
    let entries = numbers::<i32>(bytes, what)?;
    if entries.len() != n + 1 {
        return broken(format!(
            "{what} have {} entries for {n} items",
            entries.len()
        ));
    }
    if entries[0] != 0 {
        return broken(format!("{what} start with {}, not 0", entries[0]));
    }
    // No early exit, so that the loop is vectorised. As the first is 0, none is negative.
    let rising = entries
        .windows(2)
        .fold(true, |ok, pair| ok & (pair[0] <= pair[1]));
    if !rising {
        return broken(format!("{what} decrease"));
    }
    let last = usize::try_from(entries[n]).unwrap_or(usize::MAX);
    if end.is_some_and(|end| end != last) {
        return broken(format!(
            "{what} end with {last}, the data with {}",
            end.unwrap_or(0)
        ));
    }
    Ok(OffsetBuffer::new(entries))
}

/// Little-endian numbers in a byte buffer. Not copied, unless the allocator misaligned it.
fn numbers<T: ArrowNativeType>(bytes: Vec<u8>, what: &str) -> Result<ScalarBuffer<T>, PluginFault> {
    let size = size_of::<T>();
    if !bytes.len().is_multiple_of(size) {
        return broken(format!(
            "{what}: {} bytes are no whole numbers",
            bytes.len()
        ));
    }
    if bytes.is_empty() {
        return Ok(Vec::new().into()); // an empty byte vector points at 1, which is misaligned
    }
    let buffer = Buffer::from_vec(bytes);
    let aligned = buffer.as_ptr().align_offset(align_of::<T>()) == 0;
    Ok(ScalarBuffer::from(if aligned {
        buffer
    } else {
        Buffer::from_slice_ref(buffer.as_slice())
    }))
}

/// List columns that share their name up to the last dot are one list of records.
fn lists_agree(columns: &[ArrayRef], fields: &[Field]) -> Result<(), PluginFault> {
    let lists: Vec<(&str, &str, &ListArray)> = columns
        .iter()
        .zip(fields)
        .filter_map(|(column, field)| {
            let (parent, _) = field.name.rsplit_once('.')?;
            let list = column.as_any().downcast_ref::<ListArray>()?;
            Some((parent, field.name.as_str(), list))
        })
        .collect();
    for pair in lists.windows(2) {
        let [(parent, name, list), (next_parent, next_name, next)] = pair else {
            continue;
        };
        if parent == next_parent && list.offsets() != next.offsets() {
            return broken(format!(
                "`{name}` and `{next_name}` are one list of records but differ in length"
            ));
        }
    }
    Ok(())
}

fn broken<T>(why: String) -> Result<T, PluginFault> {
    Err(PluginFault::BadOutput(why))
}

#[cfg(test)]
mod tests;
