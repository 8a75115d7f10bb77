//! One value of a row, and a row as JSON.

use std::{cmp::Ordering, ops::Add};

use serde_json::Value;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    /// An int64, or the milliseconds of a timestamp.
    Int(i64),
    Float(f64),
    /// Text, or bytes in hexadecimal.
    Text(String),
}

/// A value for each column.
pub(super) type Row = Vec<Cell>;

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Add for Cell {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Self::Int(a + b),
            (Self::Float(a), Self::Float(b)) => Self::float(a + b),
            (a, b) => panic!("{a:?} + {b:?}"),
        }
    }
}

impl Cell {
    /// There is one NaN, whatever the processor makes.
    pub(super) fn float(f: f64) -> Self {
        Self::Float(if f.is_nan() { f64::NAN } else { f })
    }

    pub(super) fn int(&self) -> i64 {
        match self {
            Self::Int(n) => *n,
            other => panic!("{other:?} is no int"),
        }
    }

    /// The order of `sort`, `min` and `max` among values that are there.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            // NaN is positive here: above every number.
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (a, b) => panic!("{a:?} and {b:?} have no order"),
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => (*b).into(),
            Self::Int(n) => (*n).into(),
            Self::Float(f) if f.is_nan() => "NaN".into(),
            Self::Float(f) if f.is_infinite() => match f.is_sign_positive() {
                true => "Infinity".into(),
                false => "-Infinity".into(),
            },
            Self::Float(f) => (*f).into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

/// The same text for the same cells: two NaN are one key, and so are 0.0 and -0.0.
pub(super) fn key(cells: &[Cell]) -> String {
    let cells = cells.iter().map(|cell| match cell {
        Cell::Float(f) => Cell::Float(f + 0.0),
        other => other.clone(),
    });
    format!("{:?}", cells.collect::<Vec<_>>())
}

/// A row as a sink shows it. The names say what it is: a plain value, a pair or a record.
pub(super) fn json(names: &[&str], row: &Row) -> Value {
    let cells = names.iter().copied().zip(row);
    let parts = parts(cells.collect());
    let heads: Vec<&str> = parts.iter().map(|(head, _)| head.as_str()).collect();
    match heads[..] {
        ["value"] => parts[0].1.clone(),
        ["key", "value"] => parts.into_iter().map(|(_, part)| part).collect(),
        _ => Value::Object(parts.into_iter().collect()),
    }
}

/// What stands before the first dots, with what is below it: a cell, a tuple or a record.
fn parts(cells: Vec<(&str, &Cell)>) -> Vec<(String, Value)> {
    let mut parts: Vec<(&str, Vec<(&str, &Cell)>)> = Vec::new();
    for (name, cell) in cells {
        let (head, rest) = name.split_once('.').unwrap_or((name, ""));
        match parts.iter_mut().find(|(known, _)| *known == head) {
            Some((_, below)) => below.push((rest, cell)),
            None => parts.push((head, vec![(rest, cell)])),
        }
    }
    let parts = parts.into_iter().map(|(head, below)| {
        let part = match below[..] {
            [("", cell)] => cell.json(),
            [("0", _), ..] => self::parts(below).into_iter().map(|(_, p)| p).collect(),
            _ => Value::Object(self::parts(below).into_iter().collect()),
        };
        (head.to_owned(), part)
    });
    parts.collect()
}

/// JSON without what does not count: whether a zero has a sign, and how a number is written.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => int.to_string(),
            (None, Some(float)) => format!("{:?}", float + 0.0),
            (None, None) => number.to_string(),
        },
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|(n, v)| format!("{n:?}:{}", canonical(v)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        other => other.to_string(),
    }
}
