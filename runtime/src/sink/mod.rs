//! Where batches go.

mod error;
mod files;
mod function;
mod null;
mod print;

pub use error::{SinkError, SinkProblem};
pub use files::FilesSink;
pub use function::FunctionSink;
pub use null::NullSink;
pub use print::PrintSink;

use crate::{
    model::{Batch, BatchTime, Schema},
    topology::{self, SinkKind},
};

/// A sink of a running topology. Batches come in order, each once per attempt.
pub trait Sink: Send {
    /// Takes the batch at `time`. Called for empty batches too, but not where there is no batch.
    /// When it returns, the batch is where it belongs as a whole; when it fails, nothing of it is.
    ///
    /// # Errors
    /// When the batch could not be put where it belongs.
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError>;
}

/// The sink that a topology describes, for rows of `schema`. `print` prints on standard output.
pub fn open_sink(sink: &topology::Sink, schema: &Schema) -> Box<dyn Sink> {
    match &sink.kind {
        SinkKind::Print { n } => {
            Box::new(PrintSink::new(&sink.name, schema, *n, std::io::stdout()))
        }
        SinkKind::TextFiles { path, suffix } => {
            let files = FilesSink::text(&sink.name, schema, path);
            Box::new(files.with_suffix(suffix.clone()))
        }
        SinkKind::JsonFiles { path, suffix } => {
            let files = FilesSink::json(&sink.name, schema, path);
            Box::new(files.with_suffix(suffix.clone()))
        }
        SinkKind::Null => Box::new(NullSink),
    }
}
