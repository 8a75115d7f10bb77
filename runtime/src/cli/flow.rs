//! A topology as a list: what reads what, and which columns come out. Pure.

use std::{fmt::Write as _, num::NonZeroU64};

use crate::{
    scheduler::Plan,
    topology::{
        BlockStorage, Call, FileFormat, Framing, Inverse, OnFailedBatch, Operator, Port, Reducer,
        SinkKind, SourceId, SourceKind, StreamRef, Topology, Verb,
    },
};

/// One line a node, aligned.
pub(super) fn flow(topology: &Topology) -> String {
    let mut lines = Vec::new();
    let needed = Plan::new(topology).sources;
    for (at, source) in topology.sources.iter().enumerate() {
        let unneeded = match needed.contains(&SourceId(at)) {
            true => "",
            false => " (not opened: no sink depends on it)",
        };
        lines.push([
            "source".to_owned(),
            source.name.to_string(),
            describe_source(topology, &source.kind),
            format!("-> {}{unneeded}", source.schema),
        ]);
    }
    for operator in &topology.operators {
        let inputs = operator.inputs.iter().map(|input| stream(topology, *input));
        let inputs = inputs.collect::<Vec<_>>().join(", ");
        lines.push([
            "operator".to_owned(),
            operator.name.to_string(),
            format!(
                "{} of {inputs}{}",
                describe_verb(topology, &operator.verb),
                describe_window(topology, operator)
            ),
            format!("-> {}", operator.output),
        ]);
    }
    for sink in &topology.sinks {
        lines.push([
            "sink".to_owned(),
            sink.name.to_string(),
            format!(
                "{} of {}",
                describe_sink(topology, &sink.kind),
                stream(topology, sink.input)
            ),
            format!("<- {}", topology.schema(sink.input)),
        ]);
    }
    let policy = match topology.on_failed_batch {
        OnFailedBatch::Stop => "a failed batch stops the run",
        OnFailedBatch::Continue => "the run goes on after a failed batch",
    };
    format!(
        "{}: a batch every {:?}, {} after a shuffle, {policy}\n{}",
        topology.name,
        topology.batch_interval.as_duration(),
        super::output::counted(topology.parallelism.get() as u64, "partition", "partitions"),
        aligned(&lines)
    )
}

fn stream(topology: &Topology, stream: StreamRef) -> String {
    let name = topology.node_name(stream.node);
    match stream.port {
        Port::Main => name.to_string(),
        Port::Rejected => format!("{name}.rejected"),
        Port::Snapshots => format!("{name}.snapshots"),
    }
}

fn describe_source(topology: &Topology, kind: &SourceKind) -> String {
    match kind {
        SourceKind::Socket {
            address,
            framing,
            storage,
            ..
        } => {
            let what = match framing {
                Framing::Lines => "socket",
                Framing::Blocks { .. } => "raw socket",
            };
            let not_logged = not_logged(topology, storage);
            format!("{what} {address}, at most once{not_logged}")
        }
        SourceKind::Receiver { storage, .. } => match not_logged(topology, storage) {
            "" => "receiver of an embedding program".to_owned(),
            not_logged => {
                format!("receiver of an embedding program, at most once{not_logged}")
            }
        },
        SourceKind::File { path, .. } => format!("file {}", path.display()),
        SourceKind::Directory { path, .. } => format!("directory {}", path.display()),
        SourceKind::Queue { path: None, .. } => "queue, for tests only".to_owned(),
        SourceKind::Queue {
            path: Some(path), ..
        } => format!("queue {}", path.display()),
        SourceKind::Generator(spec) => match spec.count {
            Some(count) => format!("generator of {count} rows"),
            None => format!("generator of {} rows/s", spec.rate),
        },
    }
}

/// Without a checkpoint nothing is.
fn not_logged(topology: &Topology, storage: &BlockStorage) -> &'static str {
    match topology.checkpoint.is_some() && !storage.log {
        true => ", not logged",
        false => "",
    }
}

fn describe_sink(topology: &Topology, kind: &SinkKind) -> String {
    let guarantee = match topology.checkpoint {
        Some(_) => "",
        None => ", at least once",
    };
    match kind {
        SinkKind::Print { n } => format!("print the first {n}"),
        SinkKind::Files { path, format, .. } => {
            let what = match format {
                FileFormat::Text => "text",
                FileFormat::Json => "JSON",
                FileFormat::Objects => "object",
            };
            format!("{what} files {}-*", path.display())
        }
        SinkKind::Foreach { call, .. } => {
            format!("give the rows to {}, at least once", call.function)
        }
        SinkKind::Sqlite { path, table, .. } => {
            format!("table {table} of {}{guarantee}", path.display())
        }
        SinkKind::Postgres { url, table, .. } => format!("table {table} of {url}{guarantee}"),
        SinkKind::Null => "drop the rows".to_owned(),
    }
}

fn describe_verb(topology: &Topology, verb: &Verb) -> String {
    let called = |call: &Call| function(topology, call);
    let reduced = |reducer: &Reducer| match reducer {
        Reducer::Std(function) => format!("std:{}", function.name()),
        Reducer::Plugin { call, .. } => called(call),
    };
    match verb {
        Verb::Map { call, .. } => format!("map {}", called(call)),
        Verb::FlatMap { call, .. } => format!("flat-map {}", called(call)),
        Verb::Filter(call) => format!("filter {}", called(call)),
        Verb::MapPartitions(call) => format!("map-partitions {}", called(call)),
        Verb::Reduce(reducer) => format!("reduce {}", reduced(reducer)),
        Verb::ReduceByKey { reducer, .. } => format!("reduce-by-key {}", reduced(reducer)),
        Verb::MapValues { call, .. } => format!("map-values {}", called(call)),
        Verb::FlatMapValues { call, .. } => format!("flat-map-values {}", called(call)),
        Verb::Transform { call, .. } => format!("transform {}", called(call)),
        Verb::CombineByKey { create, .. } => format!("combine-by-key {}", reduced(create)),
        Verb::UpdateStateByKey(state) => {
            format!("update-state-by-key {}", called(&state.keyed.call))
        }
        Verb::MapWithState(state) => format!("map-with-state {}", called(&state.keyed.call)),
        Verb::ReduceByWindow { reduce, .. } | Verb::ReduceByKeyAndWindow { reduce, .. } => {
            let inverse = match &reduce.inverse {
                None => String::new(),
                Some(Inverse::Subtract) => " less std:subtract".to_owned(),
                Some(Inverse::Plugin { call, .. }) => format!(" less {}", called(call)),
            };
            format!("{} {}{inverse}", verb.name(), reduced(&reduce.reducer))
        }
        Verb::Repartition { partitions } => format!("repartition to {partitions}"),
        Verb::Top { n, .. } => format!("top {n}"),
        Verb::Limit { n } => format!("limit {n}"),
        other => other.name().to_owned(),
    }
}

/// How long the operator's window is and how often it has a batch, where that is not plain.
fn describe_window(topology: &Topology, operator: &Operator) -> String {
    let interval = topology.batch_interval.as_duration();
    let times = |intervals: NonZeroU64| {
        let count = u32::try_from(intervals.get()).unwrap_or(u32::MAX);
        interval.saturating_mul(count)
    };
    let Some(window) = operator.verb.window() else {
        return String::new();
    };
    let (length, slide) = (times(window.length), times(operator.every));
    format!(", the last {length:?} every {slide:?}")
}

fn function(topology: &Topology, call: &Call) -> String {
    let plugin = topology.plugins.get(call.plugin.0);
    match plugin.and_then(|plugin| plugin.alias.as_ref()) {
        Some(alias) => format!("{alias}:{}", call.function),
        None => call.function.clone(),
    }
}

/// Columns as wide as their widest cell; the last stays ragged.
fn aligned(lines: &[[String; 4]]) -> String {
    let mut text = String::new();
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let (kind, name, what) = (width(0), width(1), width(2));
    for line in lines {
        let [a, b, c, d] = line;
        // Writing to memory does not fail.
        let _ = writeln!(text, "  {a:kind$}  {b:name$}  {c:what$}  {d}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stream::Plugins,
        topology::{Defaults, compile},
    };

    #[test]
    fn a_flow_reads_from_source_to_sink() {
        let text = r#"
name = "numbers"
batch-interval = "500ms"
checkpoint = "kept"

[source.quick]
type = "raw-socket"
address = "127.0.0.1:9998"
log = false

[source.own]
type = "receiver"
log = false

[source.lines]
type = "socket"
address = "127.0.0.1:9999"
format = "json"
schema = { user = "utf8", amount = "float64?" }

[source.spare]
type = "generator"
rate = 5

[operator.total]
input = "lines"
reduce-by-key = "std:sum"
key = ["user"]

[operator.most]
input = "total"
top = 3
by = ["amount desc"]

[operator.recent]
input = "lines"
reduce-by-key-and-window = "std:sum"
key = ["user"]
length = "10s"
slide = "2s"

[operator.both]
input = ["total", "most"]
join = true
key = ["user"]

[sink.out]
input = "most"
type = "print"

[sink.bad]
input = "lines.rejected"
type = "json-files"
path = "bad"
"#;
        let defaults = Defaults {
            parallelism: std::num::NonZeroUsize::MIN,
            base_dir: "dir".into(),
            needs_checkpoint: true,
        };
        let topology = compile("a.toml", text, &Plugins::default(), &defaults).unwrap();
        insta::assert_snapshot!(flow(&topology));
    }
}
