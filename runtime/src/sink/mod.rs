//! Where batches go.

mod error;
mod print;

pub use error::{SinkError, SinkProblem};
pub use print::PrintSink;

use crate::model::{Batch, BatchTime};

/// A sink of a running topology. Batches come in order, each once per attempt.
pub trait Sink: Send {
    /// Takes the batch at `time`. Called for empty batches too, but not where there is no batch.
    /// When it returns, the batch is where it belongs as a whole; when it fails, nothing of it is.
    ///
    /// # Errors
    /// When the batch could not be put where it belongs.
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError>;
}
