//! A line of CSV to a row.
//!
//! A field in double quotes may hold the separator, and a quote as two quotes. An empty field
//! without quotes is null where the column may be null.
//!
//! Fields are not split by csv-core: it takes a quote that is not closed and text behind a closing
//! one for good, tells `""` from nothing no more, and drops a byte order mark wherever it starts
//! to read.

use std::borrow::Cow;

use crate::{
    format::{
        cells::Cell,
        columns::{Column, Columns},
        timestamp::parse_timestamp,
    },
    model::{Kind, Schema},
};

/// Reads lines whose fields stand in the order of the schema.
#[derive(Debug)]
pub(super) struct CsvParser {
    separator: u8,
    names: Vec<String>,
}

impl CsvParser {
    pub(super) fn new(schema: &Schema, separator: u8) -> Self {
        Self {
            separator,
            names: schema.fields().iter().map(|f| f.name.clone()).collect(),
        }
    }

    /// Appends the row that `line` holds, or nothing.
    ///
    /// # Errors
    /// Why it holds none.
    pub(super) fn read(&self, line: &[u8], columns: &mut Columns) -> Result<(), String> {
        let read = self.fields(line, columns);
        if read.is_ok() && columns.end_row() {
            return Ok(());
        }
        columns.rollback();
        read
    }

    fn fields(&self, line: &[u8], columns: &mut Columns) -> Result<(), String> {
        let line = std::str::from_utf8(line)
            .map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to()))?;
        let mut rest = Some(line);
        for (at, name) in self.names.iter().enumerate() {
            let Some(text) = rest else {
                return Err(format!("expected {} fields, got {at}", self.names.len()));
            };
            let field = next_field(text, self.separator)?;
            rest = field.rest;
            push(columns.column(at), &field).map_err(|problem| format!("{name}: {problem}"))?;
        }
        match rest {
            None => Ok(()),
            Some(_) => Err(format!("expected {} fields, got more", self.names.len())),
        }
    }
}

/// A field and what is behind its separator; none if it was the last.
struct Field<'a> {
    text: Cow<'a, str>,
    quoted: bool,
    rest: Option<&'a str>,
}

fn next_field(line: &str, separator: u8) -> Result<Field<'_>, String> {
    if line.starts_with('"') {
        return quoted_field(line, separator);
    }
    // The separator is ASCII, so both sides are whole characters.
    let (text, rest) = match memchr::memchr(separator, line.as_bytes()) {
        Some(end) if separator.is_ascii() => (&line[..end], Some(&line[end + 1..])),
        _ => (line, None),
    };
    Ok(Field {
        text: Cow::Borrowed(text),
        quoted: false,
        rest,
    })
}

fn quoted_field(line: &str, separator: u8) -> Result<Field<'_>, String> {
    let mut text = Cow::Borrowed("");
    let mut from = 1;
    loop {
        let Some(length) = memchr::memchr(b'"', &line.as_bytes()[from..]) else {
            return Err("a quote is not closed on its line".to_owned());
        };
        let end = from + length;
        if text.is_empty() && matches!(text, Cow::Borrowed(_)) {
            text = Cow::Borrowed(&line[from..end]);
        } else {
            text.to_mut().push_str(&line[from..end]);
        }
        from = end + 1;
        let rest = match line.as_bytes().get(from) {
            None => None,
            Some(byte) if *byte == separator => Some(&line[from + 1..]),
            Some(b'"') => {
                text.to_mut().push('"');
                from += 1;
                continue;
            }
            Some(_) => return Err("text follows a closing quote".to_owned()),
        };
        return Ok(Field {
            text,
            quoted: true,
            rest,
        });
    }
}

fn push(column: &mut Column, field: &Field) -> Result<(), String> {
    let kind = column.field().kind;
    let text = field.text.as_ref();
    let misfit = || {
        let shown: String = text.chars().take(60).collect();
        format!("expected {kind}, got {shown:?}")
    };
    if column.field().listed {
        return Err("CSV cannot hold a list".to_owned());
    }
    let bytes;
    let cell = match kind {
        _ if text.is_empty() && !field.quoted && column.field().nullable => Cell::Null,
        Kind::Utf8 => Cell::Utf8(text),
        Kind::Int64 => Cell::Int64(text.parse().map_err(|_| misfit())?),
        Kind::Float64 => Cell::Float64(text.parse().map_err(|_| misfit())?),
        Kind::Boolean => Cell::Boolean(text.parse().map_err(|_| misfit())?),
        Kind::Timestamp => Cell::Timestamp(parse_timestamp(text).ok_or_else(misfit)?),
        Kind::Binary => {
            bytes = hex::decode(text).map_err(|_| misfit())?;
            Cell::Binary(&bytes)
        }
    };
    column
        .push(cell)
        .map_err(|_| "more than 2 GiB in one column".to_owned())
}
