//! A link of the chain that a task drives chunks through.

use arrow_array::RecordBatch;

use super::StepError;
use crate::plugin::Usage;

/// A link of a chain.
pub trait Step: Send {
    /// Takes one chunk and puts out what it makes of it now.
    ///
    /// # Errors
    /// When the chunk cannot be handled; the task fails.
    fn push(&mut self, chunk: RecordBatch, out: &mut Emitted) -> Result<(), StepError>;

    /// After the last chunk, also if there was none: puts out what was kept back.
    ///
    /// # Errors
    /// When the rest cannot be handled; the task fails.
    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError>;

    /// What its instance has used, if it has one.
    fn usage(&self) -> Usage {
        Usage::default()
    }
}

/// What a step puts out.
#[derive(Debug, Default)]
pub struct Emitted {
    /// For the next step, in order.
    pub rows: Vec<RecordBatch>,
    /// For the operator's `rejected` output, in order.
    pub rejected: Vec<RecordBatch>,
}
