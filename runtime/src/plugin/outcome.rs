//! What calls give back, checked.

use arrow_array::RecordBatch;
use arrow_buffer::{BooleanBuffer, ScalarBuffer};

/// An input row that a function could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// Its number in the chunk.
    pub row: u32,
    /// Why; without control characters, at most 1,000 bytes.
    pub reason: String,
}

/// What a `transform` function made of a chunk.
#[derive(Debug, Clone)]
pub struct Transformed {
    /// With the function's output schema.
    pub rows: RecordBatch,
    /// For each output row the input row it came from, if the function told.
    pub origins: Option<ScalarBuffer<u32>>,
    /// In rising order of row.
    pub rejected: Vec<RejectedRow>,
}

/// What a filter says of a chunk.
#[derive(Debug, Clone)]
pub struct Selected {
    /// One bit a row; never set for a rejected one.
    pub keep: BooleanBuffer,
    /// In rising order of row.
    pub rejected: Vec<RejectedRow>,
}

/// What a `stateful` function made of its groups.
#[derive(Debug, Clone)]
pub struct Updated {
    /// One row a group.
    pub states: RecordBatch,
    /// One bit a group: 0 to forget it.
    pub keep: BooleanBuffer,
    /// Rows passed on, with what each answers: a row of the values, or values + group for an
    /// expiry. None if the function declared no output.
    pub output: Option<(RecordBatch, ScalarBuffer<u32>)>,
}
