//! A link of the chain that a task drives chunks through.

use arrow_array::RecordBatch;

use super::{Letter, PartitionState, StepError};
use crate::plugin::Usage;

/// A link of a chain.
pub trait Step: Send {
    /// Takes one chunk of a side: rows that it wants whole before the first [`push`](Self::push).
    /// Side 0 of a join, a cogroup or a transform-with is the operator's second input.
    ///
    /// # Errors
    /// When the chunk cannot be handled, or the step knows no sides; the task fails.
    fn feed(&mut self, side: usize, chunk: RecordBatch) -> Result<(), StepError> {
        Err(StepError::NoSide {
            side,
            rows: chunk.num_rows(),
        })
    }

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

    /// What it remembers for the next batch, after [`finish`](Self::finish).
    fn into_state(self: Box<Self>) -> Option<PartitionState> {
        None
    }

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
    /// For the operator's `snapshots` output, in order.
    pub snapshots: Vec<RecordBatch>,
    /// What was left out because the function fails on it, in order.
    pub letters: Vec<Letter>,
}
