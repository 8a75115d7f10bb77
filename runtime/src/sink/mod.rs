//! Where batches go.

mod error;
mod files;
mod foreach;
mod function;
mod null;
mod print;
mod table;

pub use error::{SinkError, SinkProblem, TableProblem};
pub use files::FilesSink;
pub use foreach::{ForeachSink, ForeachSpec};
pub use function::FunctionSink;
pub use null::NullSink;
pub use print::PrintSink;
pub use table::{TableSink, TableSpec};

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

    /// No batch before `time` will be written again: what is remembered of those only to write
    /// each once may go. It may go later, with what the sink writes next.
    fn forget_before(&mut self, time: BatchTime) {
        let _ = time;
    }
}

/// The sink that a topology describes, with the topology's plugins in its order. `print` prints on
/// standard output. With the `uid` of a stream, which it keeps for life, a table takes a batch once
/// however often it is written; without one, each time.
pub fn open_sink(
    sink: &topology::Sink,
    topology: &Topology,
    plugins: &[Plugin],
    uid: Option<&str>,
) -> Box<dyn Sink> {
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
        SinkKind::Sqlite {
            path,
            table,
            create,
        } => {
            let spec = TableSpec::new(schema, table).with_create(*create);
            Box::new(TableSink::sqlite(&sink.name, path, spec).with_uid(uid))
        }
        SinkKind::Postgres { url, table, create } => {
            let spec = TableSpec::new(schema, table).with_create(*create);
            Box::new(TableSink::postgres(&sink.name, url, spec).with_uid(uid))
        }
        SinkKind::Null => Box::new(NullSink),
    }
}
