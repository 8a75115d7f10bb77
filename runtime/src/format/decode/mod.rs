//! Lines to chunks.
//!
//! A row is a line: a CSV field in quotes may hold separators and quotes, but no newline. Lines
//! end with `\n`; a `\r` before it is no part of the line, except in `binary`. Blank lines of JSON
//! and CSV are no rows. Good lines keep their order; each bad one goes where `on-invalid` says.

mod csv;
mod line;
mod rejected;
mod splitter;
mod text;

use arrow_array::{BinaryArray, RecordBatch};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use self::{csv::CsvParser, rejected::Rejected};
pub use self::{line::Lines, splitter::LineSplitter};
use super::{columns::Columns, json::LineParser};
use crate::{
    model::Schema,
    topology::{Decoder, Format, OnInvalid},
};

/// A line that is none, where `on-invalid` is `fail`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {} is not valid: {reason}", line + 1)]
pub struct InvalidLine {
    /// Its place among the lines decoded, from 0.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl InvalidLine {
    /// The same, with `lines` counted before it.
    #[must_use]
    pub fn after(self, lines: usize) -> Self {
        Self {
            line: self.line + lines,
            ..self
        }
    }
}

/// Why lines gave no chunk.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A line is none, and such lines fail.
    #[error(transparent)]
    Line(#[from] InvalidLine),
    /// The columns are wrong: a fault of the host.
    #[error("the columns do not make a chunk: {0}")]
    Chunk(#[from] ArrowError),
}

/// What became of some lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The good ones, in order.
    pub rows: RecordBatch,
    /// The bad ones and why; none if there were none.
    pub rejected: Option<RecordBatch>,
    /// Lines in which broken UTF-8 was replaced.
    pub replaced: usize,
}

/// Decodes lines of one format. Keeps nothing between calls.
#[derive(Debug)]
pub struct LineDecoder {
    schema: Schema,
    rejected: Schema,
    on_invalid: OnInvalid,
    max_line: usize,
    parser: Parser,
}

#[derive(Debug)]
enum Parser {
    Text,
    Binary,
    Json(LineParser),
    Csv { parser: CsvParser, header: bool },
}

impl LineDecoder {
    /// For rows of `schema`; what is rejected has the schema `rejected`.
    pub fn new(schema: &Schema, rejected: &Schema, decoder: &Decoder) -> Self {
        Self {
            schema: schema.clone(),
            rejected: rejected.clone(),
            on_invalid: decoder.on_invalid,
            max_line: decoder.max_line.get(),
            parser: match decoder.format {
                Format::Text => Parser::Text,
                Format::Binary => Parser::Binary,
                Format::Json => Parser::Json(LineParser::new(schema)),
                Format::Csv { separator, header } => Parser::Csv {
                    parser: CsvParser::new(schema, separator),
                    header,
                },
            },
        }
    }

    /// Cuts bytes into lines as this decoder wants them.
    pub fn splitter(&self) -> LineSplitter {
        LineSplitter::new(self.max_line, !matches!(self.parser, Parser::Binary))
    }

    /// Records are lines; else they are bytes, whatever these are.
    pub fn has_lines(&self) -> bool {
        !matches!(self.parser, Parser::Binary)
    }

    /// The first line of each file, or connection, is no row.
    pub fn has_header(&self) -> bool {
        matches!(self.parser, Parser::Csv { header: true, .. })
    }

    /// Decodes lines, none of which is longer than the limit by more than a byte.
    ///
    /// # Errors
    /// At the first line that is none, where such lines fail.
    pub fn decode(&self, lines: Lines) -> Result<Decoded, DecodeError> {
        let mut rejected = Rejected::new(self.on_invalid, self.max_line);
        let mut replaced = 0;
        let rows = match &self.parser {
            Parser::Text => {
                let lines = self.within_limit(lines, &mut rejected)?;
                text::decode(
                    &self.schema,
                    lines,
                    self.on_invalid,
                    &mut rejected,
                    &mut replaced,
                )?
            }
            Parser::Binary => self.binary(self.within_limit(lines, &mut rejected)?)?,
            Parser::Json(parser) => self.each(&lines, &mut rejected, |line, columns| {
                parser.read(line, columns)
            })?,
            Parser::Csv { parser, .. } => self.each(&lines, &mut rejected, |line, columns| {
                parser.read(line, columns)
            })?,
        };
        Ok(Decoded {
            rows,
            rejected: rejected.finish(&self.rejected)?,
            replaced,
        })
    }

    fn within_limit(&self, lines: Lines, rejected: &mut Rejected) -> Result<Lines, InvalidLine> {
        if lines.longest() <= self.max_line {
            Ok(lines)
        } else {
            lines.without_long(self.max_line, rejected)
        }
    }

    fn binary(&self, lines: Lines) -> Result<RecordBatch, ArrowError> {
        let (bytes, offsets) = lines.into_parts();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let array = BinaryArray::try_new(offsets, bytes, None)?;
        RecordBatch::try_new(self.schema.to_arrow(), vec![std::sync::Arc::new(array)])
    }

    fn each(
        &self,
        lines: &Lines,
        rejected: &mut Rejected,
        read: impl Fn(&[u8], &mut Columns) -> Result<(), String>,
    ) -> Result<RecordBatch, DecodeError> {
        let mut columns = Columns::new(&self.schema, lines.len());
        for (at, line) in lines.iter().enumerate() {
            if line.len() > self.max_line {
                rejected.push_long(at, line)?;
            } else if !line.trim_ascii().is_empty()
                && let Err(reason) = read(line, &mut columns)
            {
                rejected.push(at, line, reason)?;
            }
        }
        Ok(columns.finish()?)
    }
}

#[cfg(test)]
mod tests;
