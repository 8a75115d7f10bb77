//! Arrow arrays as the plugin interface wants them.
//!
//! An array that was never sliced is lent as it is. A slice whose offsets do not start with 0, or
//! whose bits do not start at a byte, is copied first.

use std::borrow::Cow;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, ListArray, RecordBatch, StringArray,
    cast::AsArray,
    types::{Float64Type, Int64Type, TimestampMillisecondType},
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType;

use super::{
    abi::{BatchIn, ColumnIn, Kind, NestingIn},
    fault::PluginFault,
};

/// A chunk ready to be lent to a guest.
pub(super) struct Staged<'a> {
    rows: u32,
    columns: Vec<StagedColumn<'a>>,
}

struct StagedColumn<'a> {
    kind: Kind,
    offsets: Cow<'a, [u8]>,
    data: Cow<'a, [u8]>,
    validity: Option<Cow<'a, [u8]>>,
    lists: Option<StagedLists<'a>>,
}

struct StagedLists<'a> {
    offsets: Cow<'a, [u8]>,
    validity: Option<Cow<'a, [u8]>>,
}

impl<'a> Staged<'a> {
    /// The columns at `picked`, in that order.
    ///
    /// # Errors
    /// When a column has a type that streams do not have, or is 2 GiB or longer.
    pub(super) fn new(rows: &'a RecordBatch, picked: &[usize]) -> Result<Self, PluginFault> {
        let columns = picked.iter().map(|&index| rows.column(index));
        Self::of(rows.num_rows(), columns)
    }

    /// These columns, all of `rows` rows.
    ///
    /// # Errors
    /// As [`Staged::new`].
    pub(super) fn of(
        rows: usize,
        columns: impl Iterator<Item = &'a ArrayRef>,
    ) -> Result<Self, PluginFault> {
        Ok(Self {
            rows: u32::try_from(rows)
                .map_err(|_| PluginFault::Host(format!("{rows} rows are too many for a call")))?,
            columns: columns.map(stage).collect::<Result<_, _>>()?,
        })
    }

    /// As parameters of a call.
    pub(super) fn lower(&self) -> Vec<ColumnIn<'_>> {
        self.columns.iter().map(StagedColumn::lower).collect()
    }

    /// The batch that these columns make.
    pub(super) fn batch<'b>(&self, columns: &'b [ColumnIn<'b>]) -> BatchIn<'b> {
        BatchIn {
            rows: self.rows,
            columns,
        }
    }
}

impl StagedColumn<'_> {
    fn lower(&self) -> ColumnIn<'_> {
        ColumnIn {
            kind: self.kind,
            offsets: &self.offsets,
            data: &self.data,
            validity: self.validity.as_deref(),
            lists: self.lists.as_ref().map(|lists| NestingIn {
                offsets: &lists.offsets,
                validity: lists.validity.as_deref(),
            }),
        }
    }
}

fn stage(array: &ArrayRef) -> Result<StagedColumn<'_>, PluginFault> {
    if let DataType::List(_) = array.data_type() {
        return stage_list(array.as_list());
    }
    let (kind, offsets, data) = match array.data_type() {
        DataType::Boolean => (
            Kind::Boolean,
            Cow::Borrowed(&[][..]),
            bits(array.as_boolean()),
        ),
        DataType::Int64 => {
            let values = array.as_primitive::<Int64Type>().values();
            (
                Kind::Int64,
                Cow::Borrowed(&[][..]),
                Cow::Borrowed(values.inner().as_slice()),
            )
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            (
                Kind::Float64,
                Cow::Borrowed(&[][..]),
                Cow::Borrowed(values.inner().as_slice()),
            )
        }
        DataType::Timestamp(..) => {
            let values = array.as_primitive::<TimestampMillisecondType>().values();
            (
                Kind::Timestamp,
                Cow::Borrowed(&[][..]),
                Cow::Borrowed(values.inner().as_slice()),
            )
        }
        DataType::Utf8 => {
            let text: &StringArray = array.as_string();
            let (offsets, data) = variable(text.offsets(), text.value_data());
            (Kind::Utf8, offsets, Cow::Borrowed(data))
        }
        DataType::Binary => {
            let bytes: &BinaryArray = array.as_binary();
            let (offsets, data) = variable(bytes.offsets(), bytes.value_data());
            (Kind::Binary, offsets, Cow::Borrowed(data))
        }
        other => {
            return Err(PluginFault::Host(format!(
                "no stream has columns of {other}"
            )));
        }
    };
    Ok(StagedColumn {
        kind,
        offsets,
        data,
        validity: array.nulls().and_then(validity),
        lists: None,
    })
}

fn stage_list(list: &ListArray) -> Result<StagedColumn<'_>, PluginFault> {
    // Slices of a list array keep all its items: pass only those of these rows.
    let first = list.offsets()[0];
    let last = list.offsets()[list.len()];
    let (first_item, items) = (index(first), index(last - first));
    let whole = first_item == 0 && items == list.values().len();
    if !whole {
        // Rare (only sliced lists): the items are copied out, so nothing is borrowed from a slice.
        let items = list.values().slice(first_item, items);
        let staged = stage(&items)?;
        let item = StagedColumn {
            kind: staged.kind,
            offsets: Cow::Owned(staged.offsets.into_owned()),
            data: Cow::Owned(staged.data.into_owned()),
            validity: staged.validity.map(|v| Cow::Owned(v.into_owned())),
            lists: None,
        };
        return Ok(nest(item, list));
    }
    let item = stage(list.values())?;
    Ok(nest(item, list))
}

fn nest<'a>(item: StagedColumn<'a>, list: &'a ListArray) -> StagedColumn<'a> {
    StagedColumn {
        lists: Some(StagedLists {
            offsets: rebased(list.offsets()),
            validity: list.nulls().and_then(validity),
        }),
        ..item
    }
}

/// Offsets that start with 0, and the data they speak of.
fn variable<'a>(offsets: &'a OffsetBuffer<i32>, data: &'a [u8]) -> (Cow<'a, [u8]>, &'a [u8]) {
    let first = index(offsets[0]);
    let last = index(offsets[offsets.len() - 1]);
    (rebased(offsets), &data[first..last])
}

fn rebased(offsets: &OffsetBuffer<i32>) -> Cow<'_, [u8]> {
    let first = offsets[0];
    if first == 0 {
        return Cow::Borrowed(offsets.inner().inner().as_slice());
    }
    Cow::Owned(
        offsets
            .iter()
            .flat_map(|offset| (offset - first).to_le_bytes())
            .collect(),
    )
}

fn bits(array: &BooleanArray) -> Cow<'_, [u8]> {
    packed(array.values())
}

/// A bitmap from its first bit; none if nothing is null.
fn validity(nulls: &NullBuffer) -> Option<Cow<'_, [u8]>> {
    (nulls.null_count() > 0).then(|| packed(nulls.inner()))
}

fn packed(bits: &BooleanBuffer) -> Cow<'_, [u8]> {
    if bits.offset() == 0 {
        Cow::Borrowed(&bits.values()[..bits.len().div_ceil(8)])
    } else {
        Cow::Owned(bits.sliced().as_slice()[..bits.len().div_ceil(8)].to_vec())
    }
}

/// An Arrow offset; Arrow keeps them from being negative.
fn index(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}
