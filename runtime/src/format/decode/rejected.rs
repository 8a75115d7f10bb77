//! Lines that are none, and why.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::ArrowError;

use super::InvalidLine;
use crate::{model::Schema, topology::OnInvalid};

/// Of a line over the limit, so many bytes are shown.
const SHOWN: usize = 1_024;

/// Gathers bad lines, or fails at the first.
#[derive(Debug)]
pub(super) struct Rejected {
    fails: bool,
    max_line: usize,
    values: Vec<String>,
    reasons: Vec<String>,
}

impl Rejected {
    pub(super) fn new(on_invalid: OnInvalid, max_line: usize) -> Self {
        Self {
            fails: on_invalid == OnInvalid::Fail,
            max_line,
            values: Vec::new(),
            reasons: Vec::new(),
        }
    }

    /// Takes the line at place `at`, repaired where it is not UTF-8.
    pub(super) fn push(
        &mut self,
        at: usize,
        line: &[u8],
        reason: String,
    ) -> Result<(), InvalidLine> {
        if self.fails {
            return Err(InvalidLine { line: at, reason });
        }
        self.values.push(String::from_utf8_lossy(line).into_owned());
        self.reasons.push(reason);
        Ok(())
    }

    /// Takes the start of a line over the limit.
    pub(super) fn push_long(&mut self, at: usize, line: &[u8]) -> Result<(), InvalidLine> {
        let shown = &line[..line.len().min(SHOWN)];
        let reason = format!(
            "the line is longer than {} bytes; its first {} are kept",
            self.max_line,
            shown.len()
        );
        self.push(at, shown, reason)
    }

    pub(super) fn finish(self, schema: &Schema) -> Result<Option<RecordBatch>, ArrowError> {
        if self.values.is_empty() {
            return Ok(None);
        }
        let values = Arc::new(StringArray::from(self.values));
        let reasons = Arc::new(StringArray::from(self.reasons));
        RecordBatch::try_new(schema.to_arrow(), vec![values, reasons]).map(Some)
    }
}
