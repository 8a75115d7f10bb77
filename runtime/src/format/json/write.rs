//! Rows to JSON, by schema.

use std::ops::Range;

use arrow_array::RecordBatch;
use serde::{Serialize, Serializer, ser::Error};
use serde_json::Value;

use crate::{
    format::{
        WrongColumns,
        cells::{Cell, Cells},
        layout::Node,
        text::shared_list,
        timestamp::write_timestamp,
    },
    model::Schema,
};

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    /// `"2026-01-01T00:00:00.000Z"`.
    Iso,
    /// Milliseconds since the epoch.
    Millis,
}

/// Writes rows of one schema as lines of JSON.
#[derive(Debug, Clone)]
pub struct RowJson {
    schema: Schema,
    row: Node,
}

impl RowJson {
    /// For rows of this schema.
    pub fn new(schema: &Schema) -> Self {
        Self {
            schema: schema.clone(),
            row: Node::of_row(schema),
        }
    }

    /// Appends these rows of `chunk` to `out`, each with a newline behind it.
    ///
    /// # Errors
    /// When the chunk has not the schema's columns.
    pub fn write(
        &self,
        chunk: &RecordBatch,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), WrongColumns> {
        let columns = Cells::of(&self.schema, chunk)?;
        let end = rows.end.min(chunk.num_rows());
        for row in rows.start..end {
            let part = Part::row(&self.row, &columns, row, Times::Iso);
            // Writing to memory cannot fail, and every key is text.
            let _ = serde_json::to_writer(&mut *out, &part);
            out.push(b'\n');
        }
        Ok(())
    }
}

/// The rows of a chunk as JSON values; times are milliseconds.
///
/// # Errors
/// When the chunk has not the schema's columns.
pub fn rows_to_json(chunk: &RecordBatch, schema: &Schema) -> Result<Vec<Value>, WrongColumns> {
    let columns = Cells::of(schema, chunk)?;
    let node = Node::of_row(schema);
    let rows = (0..chunk.num_rows()).map(|row| {
        let part = Part::row(&node, &columns, row, Times::Millis);
        serde_json::to_value(part).unwrap_or(Value::Null)
    });
    Ok(rows.collect())
}

/// A part of a row, or of an item of a list.
struct Part<'a> {
    node: &'a Node,
    columns: &'a [Cells<'a>],
    at: usize,
    times: Times,
}

impl<'a> Part<'a> {
    fn row(node: &'a Node, columns: &'a [Cells<'a>], at: usize, times: Times) -> Self {
        Self {
            node,
            columns,
            at,
            times,
        }
    }

    fn with(&self, node: &'a Node, at: usize) -> Self {
        Self { node, at, ..*self }
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.node {
            Node::Column(column) if self.columns[*column].is_listed() => {
                match self.columns[*column].list(self.at) {
                    None => to.serialize_none(),
                    Some(items) => to.collect_seq(items.map(|item| Item {
                        cell: self.columns[*column].get(item),
                        times: self.times,
                    })),
                }
            }
            Node::Column(column) | Node::Item(column) => Item {
                cell: self.columns[*column].get(self.at),
                times: self.times,
            }
            .serialize(to),
            Node::Tuple(parts) => to.collect_seq(parts.iter().map(|part| self.with(part, self.at))),
            Node::Record(parts) => {
                let parts = parts.iter();
                to.collect_map(parts.map(|(name, part)| (name, self.with(part, self.at))))
            }
            Node::List(item) => match shared_list(item, self.columns, self.at) {
                None => to.serialize_none(),
                Some(items) => to.collect_seq(items.map(|at| self.with(item, at))),
            },
            Node::Optional { present, node } => {
                if self.columns[*present].get(self.at) == Cell::Boolean(true) {
                    self.with(node, self.at).serialize(to)
                } else {
                    to.serialize_none()
                }
            }
        }
    }
}

struct Item<'a> {
    cell: Cell<'a>,
    times: Times,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.cell {
            Cell::Null => to.serialize_none(),
            Cell::Boolean(value) => to.serialize_bool(value),
            Cell::Int64(value) => to.serialize_i64(value),
            Cell::Float64(value) if value.is_nan() => to.serialize_str("NaN"),
            Cell::Float64(value) if value == f64::INFINITY => to.serialize_str("Infinity"),
            Cell::Float64(value) if value == f64::NEG_INFINITY => to.serialize_str("-Infinity"),
            Cell::Float64(value) => to.serialize_f64(value),
            Cell::Utf8(value) => to.serialize_str(value),
            Cell::Binary(value) => to.serialize_str(&hex::encode(value)),
            Cell::Timestamp(value) if self.times == Times::Millis => to.serialize_i64(value),
            Cell::Timestamp(value) => {
                let mut text = Vec::with_capacity(24);
                write_timestamp(value, &mut text);
                to.serialize_str(std::str::from_utf8(&text).map_err(S::Error::custom)?)
            }
        }
    }
}
