//! Where batches go.

mod error;
mod files;
mod foreach;
mod function;
mod null;
mod print;

pub use error::{SinkError, SinkProblem};
pub use files::FilesSink;
pub use foreach::{ForeachSink, ForeachSpec};
pub use function::FunctionSink;
pub use null::NullSink;
pub use print::PrintSink;

use crate::{
    model::{Batch, BatchTime},
    plugin::{InstanceLimits, Plugin},
    topology::{self, SinkKind, Topology},
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

/// The sink that a topology describes, with the topology's plugins in its order. `print` prints on
/// standard output.
pub fn open_sink(sink: &topology::Sink, topology: &Topology, plugins: &[Plugin]) -> Box<dyn Sink> {
    let schema = topology.schema(sink.input);
    match &sink.kind {
        SinkKind::Print { n } => {
            Box::new(PrintSink::new(&sink.name, schema, *n, std::io::stdout()))
        }
        SinkKind::Files {
            path,
            suffix,
            format,
        } => {
            let files = FilesSink::new(&sink.name, schema, path, *format);
            Box::new(files.with_suffix(suffix.clone()))
        }
        SinkKind::Foreach { call, settings } => {
            let limits = &topology.limits;
            let spec = ForeachSpec {
                plugin: plugins[call.plugin.0].clone(),
                function: call.function.clone(),
                picked: call.input.clone(),
                limits: InstanceLimits {
                    memory: limits.memory,
                    cpu_time: limits.cpu_time,
                    output: limits.output,
                    fuel: limits.fuel,
                    log_lines: limits.log_lines,
                },
                topology: topology.name.as_str().into(),
                settings: settings.clone().into_iter().collect(),
            };
            Box::new(ForeachSink::new(&sink.name, spec))
        }
        SinkKind::Null => Box::new(NullSink),
    }
}
