//! `limit`: the first rows as they stand.

use arrow_array::RecordBatch;

use super::{Emitted, Step, StepError};

/// Lets the first `n` rows pass. Before a gather and after it, `n` rows of the batch are left.
#[derive(Debug)]
pub struct Limit {
    left: usize,
}

impl Limit {
    /// The first `n` rows.
    pub fn new(n: usize) -> Self {
        Self { left: n }
    }
}

impl Step for Limit {
    fn push(&mut self, chunk: RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        let rows = chunk.num_rows().min(self.left);
        self.left -= rows;
        if rows > 0 {
            out.rows.push(chunk.slice(0, rows));
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Emitted) -> Result<(), StepError> {
        Ok(())
    }
}
