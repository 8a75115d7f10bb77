//! A chunk as typed cells, for those who write rows.

use std::ops::Range;

use arrow_array::{
    Array, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMillisecondArray, cast::AsArray,
};

use crate::model::{Kind, Schema};

/// A chunk that has not the columns of its stream's schema. Whoever made it broke its contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a chunk has columns ({found}) where its stream has ({expected})")]
pub struct WrongColumns {
    expected: String,
    found: String,
}

/// One item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    Int64(i64),
    Float64(f64),
    Utf8(&'a str),
    Binary(&'a [u8]),
    Timestamp(i64),
}

/// A column's items.
#[derive(Debug)]
enum Items<'a> {
    Boolean(&'a BooleanArray),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Utf8(&'a StringArray),
    Binary(&'a BinaryArray),
    Timestamp(&'a TimestampMillisecondArray),
}

/// A column of a chunk.
#[derive(Debug)]
pub(crate) struct Cells<'a> {
    lists: Option<&'a ListArray>,
    items: Items<'a>,
}

impl<'a> Cells<'a> {
    /// The columns of `chunk`, which must be those of `schema`.
    pub(crate) fn of(schema: &Schema, chunk: &'a RecordBatch) -> Result<Vec<Self>, WrongColumns> {
        let wrong = || WrongColumns {
            expected: schema.to_string(),
            found: describe(chunk),
        };
        if chunk.num_columns() != schema.fields().len() {
            return Err(wrong());
        }
        let columns = schema.fields().iter().zip(chunk.columns());
        columns
            .map(|(field, array)| {
                let array = array.as_ref();
                let lists = if field.listed {
                    Some(array.as_list_opt::<i32>().ok_or_else(wrong)?)
                } else {
                    None
                };
                let items = lists.map_or(array, |lists| lists.values().as_ref());
                let items = Items::of(field.kind, items).ok_or_else(wrong)?;
                Ok(Self { lists, items })
            })
            .collect()
    }

    /// The items of row `row` of a listed column; none where the list is null.
    pub(crate) fn list(&self, row: usize) -> Option<Range<usize>> {
        let lists = self.lists?;
        if lists.is_null(row) {
            return None;
        }
        let offset = |at: usize| usize::try_from(lists.value_offsets()[at]).unwrap_or(0);
        Some(offset(row)..offset(row + 1))
    }

    /// Rows are lists.
    pub(crate) fn is_listed(&self) -> bool {
        self.lists.is_some()
    }

    /// The item at `at`: a row's number, or one of the range that [`Self::list`] gives.
    pub(crate) fn get(&self, at: usize) -> Cell<'a> {
        macro_rules! cell {
            ($array:expr, $cell:ident) => {
                if $array.is_null(at) {
                    Cell::Null
                } else {
                    Cell::$cell($array.value(at))
                }
            };
        }
        match self.items {
            Items::Boolean(array) => cell!(array, Boolean),
            Items::Int64(array) => cell!(array, Int64),
            Items::Float64(array) => cell!(array, Float64),
            Items::Utf8(array) => cell!(array, Utf8),
            Items::Binary(array) => cell!(array, Binary),
            Items::Timestamp(array) => cell!(array, Timestamp),
        }
    }
}

impl<'a> Items<'a> {
    fn of(kind: Kind, array: &'a dyn Array) -> Option<Self> {
        Some(match kind {
            Kind::Boolean => Items::Boolean(array.as_boolean_opt()?),
            Kind::Int64 => Items::Int64(array.as_primitive_opt()?),
            Kind::Float64 => Items::Float64(array.as_primitive_opt()?),
            Kind::Utf8 => Items::Utf8(array.as_string_opt()?),
            Kind::Binary => Items::Binary(array.as_binary_opt()?),
            Kind::Timestamp => Items::Timestamp(array.as_primitive_opt()?),
        })
    }
}

fn describe(chunk: &RecordBatch) -> String {
    let schema = chunk.schema();
    let fields = schema.fields().iter();
    let fields = fields.map(|field| format!("{}: {}", field.name(), field.data_type()));
    fields.collect::<Vec<_>>().join(", ")
}
