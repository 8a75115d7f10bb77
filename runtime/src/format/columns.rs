//! Columns that grow cell by cell, for those who read rows. A row that goes wrong half-way is taken
//! back whole.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType};

use super::cells::Cell;
use crate::model::{Field, Kind, Schema};

/// More bytes or items than 32-bit offsets can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// The columns of a chunk that is being made.
#[derive(Debug)]
pub(crate) struct Columns {
    schema: Schema,
    arrays: Vec<Column>,
    rows: usize,
}

impl Columns {
    /// No rows yet; room for `rows`.
    pub(crate) fn new(schema: &Schema, rows: usize) -> Self {
        let columns = schema.fields().iter().map(|field| Column::new(field, rows));
        Self {
            arrays: columns.collect(),
            schema: schema.clone(),
            rows: 0,
        }
    }

    /// The column at `at`.
    pub(crate) fn column(&mut self, at: usize) -> &mut Column {
        &mut self.arrays[at]
    }

    /// The row is complete if every column got exactly one item or list more; else the columns stay
    /// as they are, for the caller to [roll back](Self::rollback).
    pub(crate) fn end_row(&mut self) -> bool {
        let complete = self.arrays.iter().all(|c| c.rows() == self.rows + 1);
        self.rows += usize::from(complete);
        complete
    }

    /// Takes back everything since the last complete row.
    pub(crate) fn rollback(&mut self) {
        for column in &mut self.arrays {
            column.truncate(self.rows);
        }
    }

    /// The complete rows as a chunk.
    pub(crate) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        self.rollback();
        let arrays: Result<Vec<_>, _> = self.arrays.into_iter().map(Column::finish).collect();
        RecordBatch::try_new(self.schema.to_arrow(), arrays?)
    }
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    field: Field,
    /// Bits of the items that are there.
    valid: BooleanBufferBuilder,
    booleans: BooleanBufferBuilder,
    /// Of integers and timestamps.
    ints: Vec<i64>,
    floats: Vec<f64>,
    /// Of utf8 and binary.
    data: Vec<u8>,
    offsets: Vec<i32>,
    /// Where each row's items end, and whether it is a list at all.
    lists: Option<(Vec<i32>, BooleanBufferBuilder)>,
}

impl Column {
    fn new(field: &Field, rows: usize) -> Self {
        let room = |kinds: &[Kind]| {
            if kinds.contains(&field.kind) { rows } else { 0 }
        };
        let mut offsets = Vec::with_capacity(room(&[Kind::Utf8, Kind::Binary]) + 1);
        offsets.push(0);
        Self {
            valid: BooleanBufferBuilder::new(rows),
            booleans: BooleanBufferBuilder::new(room(&[Kind::Boolean])),
            ints: Vec::with_capacity(room(&[Kind::Int64, Kind::Timestamp])),
            floats: Vec::with_capacity(room(&[Kind::Float64])),
            data: Vec::new(),
            offsets,
            lists: field
                .listed
                .then(|| (vec![0], BooleanBufferBuilder::new(rows))),
            field: field.clone(),
        }
    }

    /// What it is.
    pub(crate) fn field(&self) -> &Field {
        &self.field
    }

    fn rows(&self) -> usize {
        match &self.lists {
            Some((ends, _)) => ends.len() - 1,
            None => self.valid.len(),
        }
    }

    /// Appends an item: a row's, or one of the list that [`Self::end_list`] closes. A cell of
    /// another kind, and null where none may be, are the kind's zero: callers check first.
    pub(crate) fn push(&mut self, cell: Cell) -> Result<(), TooMuch> {
        match self.field.kind {
            Kind::Boolean => self.booleans.append(matches!(cell, Cell::Boolean(true))),
            Kind::Int64 | Kind::Timestamp => self.ints.push(match cell {
                Cell::Int64(value) | Cell::Timestamp(value) => value,
                _ => 0,
            }),
            Kind::Float64 => self.floats.push(match cell {
                Cell::Float64(value) => value,
                _ => 0.0,
            }),
            Kind::Utf8 | Kind::Binary => {
                let bytes = match cell {
                    Cell::Utf8(text) => text.as_bytes(),
                    // Bytes that are no text must not get into text.
                    Cell::Binary(bytes) if self.field.kind == Kind::Binary => bytes,
                    _ => &[],
                };
                let end = i32::try_from(self.data.len() + bytes.len()).map_err(|_| TooMuch)?;
                self.data.extend_from_slice(bytes);
                self.offsets.push(end);
            }
        }
        self.valid
            .append(cell != Cell::Null || !self.field.nullable);
        Ok(())
    }

    /// Closes a row of a listed column; `present` is false where the list is null.
    pub(crate) fn end_list(&mut self, present: bool) -> Result<(), TooMuch> {
        let end = i32::try_from(self.valid.len()).map_err(|_| TooMuch)?;
        if let Some((ends, valid)) = &mut self.lists {
            ends.push(end);
            valid.append(present);
        }
        Ok(())
    }

    /// Appends a row without a value, for a side of a join that is absent.
    pub(crate) fn push_absent(&mut self) -> Result<(), TooMuch> {
        if self.lists.is_some() {
            self.end_list(false)
        } else {
            self.push(Cell::Null)
        }
    }

    fn truncate(&mut self, rows: usize) {
        let items = match &mut self.lists {
            Some((ends, valid)) => {
                ends.truncate(rows + 1);
                valid.truncate(rows);
                ends.last()
                    .map_or(0, |end| usize::try_from(*end).unwrap_or(0))
            }
            None => rows,
        };
        self.valid.truncate(items);
        self.booleans.truncate(items);
        self.ints.truncate(items);
        self.floats.truncate(items);
        self.offsets.truncate(items + 1);
        let end = self
            .offsets
            .last()
            .map_or(0, |end| usize::try_from(*end).unwrap_or(0));
        self.data.truncate(end);
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = Some(NullBuffer::new(self.valid.finish())).filter(|n| n.null_count() > 0);
        let offsets = |offsets: Vec<i32>| OffsetBuffer::new(ScalarBuffer::from(offsets));
        let items: ArrayRef = match self.field.kind {
            Kind::Boolean => Arc::new(BooleanArray::new(self.booleans.finish(), nulls)),
            Kind::Int64 => Arc::new(Int64Array::try_new(self.ints.into(), nulls)?),
            Kind::Timestamp => {
                let array = TimestampMillisecondArray::try_new(self.ints.into(), nulls)?;
                Arc::new(array.with_timezone_opt(zone(self.field.kind)))
            }
            Kind::Float64 => Arc::new(Float64Array::try_new(self.floats.into(), nulls)?),
            Kind::Utf8 => Arc::new(StringArray::try_new(
                offsets(self.offsets),
                Buffer::from_vec(self.data),
                nulls,
            )?),
            Kind::Binary => Arc::new(BinaryArray::try_new(
                offsets(self.offsets),
                Buffer::from_vec(self.data),
                nulls,
            )?),
        };
        let Some((ends, mut valid)) = self.lists else {
            return Ok(items);
        };
        let item =
            arrow_schema::Field::new_list_field(self.field.kind.data_type(), self.field.nullable);
        let nulls = Some(NullBuffer::new(valid.finish())).filter(|n| n.null_count() > 0);
        let lists = ListArray::try_new(Arc::new(item), offsets(ends), items, nulls)?;
        Ok(Arc::new(lists))
    }
}

/// The zone in the kind's Arrow type.
fn zone(kind: Kind) -> Option<Arc<str>> {
    match kind.data_type() {
        DataType::Timestamp(_, zone) => zone,
        _ => None,
    }
}
