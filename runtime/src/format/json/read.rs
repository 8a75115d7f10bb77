//! JSON to rows, by schema. Total: any value gives rows or a [`RowError`].

use std::fmt;

use arrow_array::RecordBatch;
use serde_json::Value;

use crate::{
    format::{
        cells::Cell,
        columns::{Column, Columns, TooMuch},
        layout::Node,
        timestamp::parse_timestamp,
    },
    model::{Field, Kind, Schema},
};

/// A value that is no row of the schema: `row 3: [1]: expected int64, got "x"`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {}: {misfit}", row + 1)]
pub struct RowError {
    /// Which of the rows, from 0.
    row: usize,
    misfit: Misfit,
}

/// Where in a value what was found instead of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// From the inside out.
    path: Vec<String>,
    problem: String,
}

impl Misfit {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            problem: problem.into(),
        }
    }

    fn expected(what: &str, got: &Value) -> Self {
        Self::new(format!("expected {what}, got {}", excerpt(got)))
    }

    fn within(mut self, step: String) -> Self {
        self.path.push(step);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.path.iter().rev() {
            f.write_str(step)?;
        }
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{colon}{}", self.problem)
    }
}

impl From<TooMuch> for Misfit {
    fn from(TooMuch: TooMuch) -> Self {
        Self::new("more than 2 GiB in one column")
    }
}

/// Rows of `schema` from JSON, each as its shape says: a scalar for a plain stream, `[key, value]`
/// for a pair, `[key, [left, right]]` for a join, an object for a record.
///
/// # Errors
/// The first value that is no such row.
pub fn rows_from_json(schema: &Schema, rows: &[Value]) -> Result<RecordBatch, RowError> {
    let node = Node::of_row(schema);
    let mut columns = Columns::new(schema, rows.len());
    for (row, value) in rows.iter().enumerate() {
        read_row(&node, value, &mut columns, Unknown::Refused)
            .map_err(|misfit| RowError { row, misfit })?;
    }
    columns.finish().map_err(|error| RowError {
        row: rows.len().saturating_sub(1),
        misfit: Misfit::new(error.to_string()),
    })
}

/// What becomes of an object's fields that no column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are skipped.
    Ignored,
    /// They are an error.
    Refused,
}

/// Appends one row, or nothing.
pub(crate) fn read_row(
    node: &Node,
    value: &Value,
    columns: &mut Columns,
    unknown: Unknown,
) -> Result<(), Misfit> {
    let read = read_node(node, Some(value), columns, unknown);
    if let Err(misfit) = read {
        columns.rollback();
        return Err(misfit);
    }
    if columns.end_row() {
        Ok(())
    } else {
        columns.rollback();
        Err(Misfit::new(
            "a column of the schema is in no part of its rows",
        ))
    }
}

/// `value` is none where an object lacks the field; a null then stands in if it may.
fn read_node(
    node: &Node,
    value: Option<&Value>,
    columns: &mut Columns,
    unknown: Unknown,
) -> Result<(), Misfit> {
    match node {
        Node::Column(at) => match value {
            Some(value) => read_column(columns.column(*at), value),
            None if columns.column(*at).field().nullable && !columns.column(*at).field().listed => {
                Ok(columns.column(*at).push(Cell::Null)?)
            }
            None => Err(Misfit::new("missing")),
        },
        Node::Item(at) => read_cell(columns.column(*at), value.unwrap_or(&Value::Null)),
        Node::Tuple(parts) => match value {
            Some(Value::Array(values)) if values.len() == parts.len() => {
                for (at, (part, value)) in parts.iter().zip(values).enumerate() {
                    read_node(part, Some(value), columns, unknown)
                        .map_err(|misfit| misfit.within(format!("[{at}]")))?;
                }
                Ok(())
            }
            Some(other) => Err(Misfit::expected(
                &format!("a list of {}", parts.len()),
                other,
            )),
            None => Err(Misfit::new("missing")),
        },
        Node::Record(parts) => match value {
            Some(Value::Object(fields)) => {
                for (name, part) in parts {
                    read_node(part, fields.get(name), columns, unknown)
                        .map_err(|misfit| misfit.within(format!(".{name}")))?;
                }
                let known = |name: &String| parts.iter().any(|(part, _)| part == name);
                match fields.keys().find(|name| !known(name)) {
                    Some(name) if unknown == Unknown::Refused => {
                        Err(Misfit::new(format!("no column {}", quoted(name))))
                    }
                    _ => Ok(()),
                }
            }
            Some(other) => Err(Misfit::expected("an object", other)),
            None => Err(Misfit::new("missing")),
        },
        Node::List(item) => match value {
            Some(Value::Array(values)) => {
                for (at, value) in values.iter().enumerate() {
                    read_node(item, Some(value), columns, unknown)
                        .map_err(|misfit| misfit.within(format!("[{at}]")))?;
                }
                for column in item.columns() {
                    columns.column(column).end_list(true)?;
                }
                Ok(())
            }
            Some(other) => Err(Misfit::expected("a list", other)),
            None => Err(Misfit::new("missing")),
        },
        Node::Optional { present, node } => match value {
            None | Some(Value::Null) => {
                read_absent(node, columns)?;
                Ok(columns.column(*present).push(Cell::Boolean(false))?)
            }
            Some(value) => {
                read_node(node, Some(value), columns, unknown)?;
                Ok(columns.column(*present).push(Cell::Boolean(true))?)
            }
        },
    }
}

/// Nothing, in every column of a side of a join.
fn read_absent(node: &Node, columns: &mut Columns) -> Result<(), TooMuch> {
    match node {
        Node::Column(at) => columns.column(*at).push_absent(),
        Node::Item(at) => columns.column(*at).push(Cell::Null),
        Node::Tuple(parts) => parts.iter().try_for_each(|part| read_absent(part, columns)),
        Node::Record(parts) => parts
            .iter()
            .try_for_each(|(_, part)| read_absent(part, columns)),
        Node::List(item) => item
            .columns()
            .into_iter()
            .try_for_each(|at| columns.column(at).push_absent()),
        Node::Optional { present, node } => {
            read_absent(node, columns)?;
            columns.column(*present).push(Cell::Boolean(false))
        }
    }
}

/// One row of a column: an item, or a list of items.
fn read_column(column: &mut Column, value: &Value) -> Result<(), Misfit> {
    if !column.field().listed {
        return read_cell(column, value);
    }
    let Value::Array(values) = value else {
        return Err(Misfit::expected(&column.field().type_text(), value));
    };
    for (at, value) in values.iter().enumerate() {
        read_cell(column, value).map_err(|misfit| misfit.within(format!("[{at}]")))?;
    }
    Ok(column.end_list(true)?)
}

/// One item.
fn read_cell(column: &mut Column, value: &Value) -> Result<(), Misfit> {
    let field = column.field();
    let misfit = |field: &Field| Misfit::expected(expectation(field.kind), value);
    let cell = match (field.kind, value) {
        (_, Value::Null) if field.nullable => Cell::Null,
        (Kind::Boolean, Value::Bool(value)) => Cell::Boolean(*value),
        (Kind::Int64, Value::Number(number)) => {
            Cell::Int64(number.as_i64().ok_or_else(|| misfit(field))?)
        }
        (Kind::Float64, Value::Number(number)) => {
            Cell::Float64(number.as_f64().ok_or_else(|| misfit(field))?)
        }
        (Kind::Float64, Value::String(text)) => {
            Cell::Float64(named_float(text).ok_or_else(|| misfit(field))?)
        }
        (Kind::Utf8, Value::String(text)) => Cell::Utf8(text),
        (Kind::Binary, Value::String(text)) => {
            let bytes = hex::decode(text).map_err(|_| misfit(field))?;
            return Ok(column.push(Cell::Binary(&bytes))?);
        }
        (Kind::Timestamp, Value::Number(number)) => {
            Cell::Timestamp(number.as_i64().ok_or_else(|| misfit(field))?)
        }
        (Kind::Timestamp, Value::String(text)) => {
            Cell::Timestamp(parse_timestamp(text).ok_or_else(|| misfit(field))?)
        }
        _ => return Err(misfit(field)),
    };
    Ok(column.push(cell)?)
}

/// Floats that are no JSON numbers.
pub(super) fn named_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn expectation(kind: Kind) -> &'static str {
    match kind {
        Kind::Binary => "binary (hexadecimal text)",
        Kind::Timestamp => "timestamp (milliseconds, or text as 2026-01-01T00:00:00Z)",
        other => other.name(),
    }
}

/// The value, or as much of it as fits on a line.
fn excerpt(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("a list of {}", values.len()),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => quoted(text),
        other => other.to_string().chars().take(60).collect(),
    }
}

fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().nth(MOST).is_none() {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start:?}...")
}
