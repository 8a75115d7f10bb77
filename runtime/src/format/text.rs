//! Rows as people read them; the table is in the [module above](super).

use std::ops::Range;

use arrow_array::RecordBatch;

use super::{
    WrongColumns,
    cells::{Cell, Cells},
    layout::Node,
    number::{write_float, write_int},
    timestamp::write_timestamp,
};
use crate::model::Schema;

/// Writes rows of one schema as text.
#[derive(Debug, Clone)]
pub struct RowText {
    schema: Schema,
    row: Node,
}

impl RowText {
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
            write_node(&self.row, &columns, row, out);
            out.push(b'\n');
        }
        Ok(())
    }
}

/// `at` is a row, or under a list the place of an item.
fn write_node(node: &Node, columns: &[Cells], at: usize, out: &mut Vec<u8>) {
    match node {
        Node::Column(column) if columns[*column].is_listed() => {
            let column = &columns[*column];
            write_list(column.list(at), out, |item, out| {
                write_cell(column.get(item), out);
            });
        }
        Node::Column(column) | Node::Item(column) => write_cell(columns[*column].get(at), out),
        Node::Tuple(parts) => {
            out.push(b'(');
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_node(part, columns, at, out);
            }
            out.push(b')');
        }
        Node::Record(parts) => {
            out.push(b'{');
            for (place, (name, part)) in parts.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
                write_node(part, columns, at, out);
            }
            out.push(b'}');
        }
        Node::List(item_node) => {
            let items = shared_list(item_node, columns, at);
            write_list(items, out, |item, out| {
                write_node(item_node, columns, item, out);
            });
        }
        Node::Optional { present, node } => {
            if columns[*present].get(at) == Cell::Boolean(true) {
                out.extend_from_slice(b"Some(");
                write_node(node, columns, at, out);
                out.push(b')');
            } else {
                out.extend_from_slice(b"None");
            }
        }
    }
}

/// The items of a list of records: the range that all its columns have. Their offsets are equal by
/// contract; the shortest wins, so that no column is read outside of its row.
pub(super) fn shared_list(item: &Node, columns: &[Cells], row: usize) -> Option<Range<usize>> {
    let mut shared = None;
    narrow(item, columns, row, &mut shared)?;
    shared
}

/// Leaves of `shared` what the columns under `item` have, too; none if one has no list.
fn narrow(
    item: &Node,
    columns: &[Cells],
    row: usize,
    shared: &mut Option<Range<usize>>,
) -> Option<()> {
    match item {
        Node::Column(column) | Node::Item(column) => {
            let range = columns[*column].list(row)?;
            *shared = Some(match shared.take() {
                None => range,
                Some(other) if other.start == range.start => other.start..other.end.min(range.end),
                Some(other) => other.start..other.start,
            });
            Some(())
        }
        Node::Tuple(parts) => parts
            .iter()
            .try_for_each(|part| narrow(part, columns, row, shared)),
        Node::Record(parts) => parts
            .iter()
            .try_for_each(|(_, part)| narrow(part, columns, row, shared)),
        Node::List(node) => narrow(node, columns, row, shared),
        Node::Optional { present, node } => {
            narrow(&Node::Item(*present), columns, row, shared)?;
            narrow(node, columns, row, shared)
        }
    }
}

fn write_list(
    items: Option<Range<usize>>,
    out: &mut Vec<u8>,
    write_item: impl Fn(usize, &mut Vec<u8>),
) {
    let Some(items) = items else {
        return out.extend_from_slice(b"null");
    };
    out.push(b'[');
    for item in items.clone() {
        if item > items.start {
            out.extend_from_slice(b", ");
        }
        write_item(item, out);
    }
    out.push(b']');
}

fn write_cell(cell: Cell, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Int64(value) => write_int(value, out),
        Cell::Float64(value) => write_float(value, out),
        Cell::Utf8(value) => out.extend_from_slice(value.as_bytes()),
        Cell::Binary(value) => write_hex(value, out),
        Cell::Timestamp(value) => write_timestamp(value, out),
    }
}

fn write_hex(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * value.len(), 0);
    // Fails only where the room is not exactly this.
    let _ = hex::encode_to_slice(value, &mut out[start..]);
}
