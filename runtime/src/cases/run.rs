//! Runs a case: the topology as it is, with other sources and sinks.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use super::{CaptureSink, Case, Got, file::Batches};
use crate::{
    checkpoint::{Checkpoint, CheckpointError, Opened, Program},
    clock::ManualClock,
    journal::MemoryDisk,
    model::BatchTime,
    plugin::Plugin,
    scheduler::{Mode, Plan, Pool},
    sink::Sink,
    source::{QueueSource, Source},
    stream::{BatchReport, Listener, Run, Stop, Stream},
    topology::{self, QueueOrder, SourceId, SourceKind, Topology},
};

/// Runs the cases of one topology, one after the other.
pub struct CaseRunner {
    topology: Arc<Topology>,
    plan: Plan,
    plugins: Vec<Plugin>,
    pool: Arc<Pool>,
}

impl CaseRunner {
    /// For a topology with its plugins, in its order, run by this plan.
    pub fn new(topology: Arc<Topology>, plan: Plan, plugins: Vec<Plugin>, pool: Arc<Pool>) -> Self {
        Self {
            topology,
            plan,
            plugins,
            pool,
        }
    }

    /// Runs a case of this topology, on a tokio runtime.
    pub async fn run(&self, case: &Case) -> Got {
        let names = self.topology.sinks.iter().map(|sink| &sink.name);
        let sinks: Vec<CaptureSink> = names.map(CaptureSink::new).collect();
        let disk = (!case.restart_after.is_empty()).then(MemoryDisk::new);
        let mut batches = Ended::default();
        let mut restarts = case.restart_after.clone();
        restarts.retain(|after| *after < case.batches);
        restarts.sort_unstable();
        restarts.dedup();
        for until in restarts.into_iter().chain([case.batches]) {
            let done = batches.batches.len() as u64;
            let dies = disk.clone().filter(|_| until < case.batches);
            batches.dies = dies.map(|disk| (until, disk));
            let opened = disk.as_ref().map(|disk| self.open(disk)).transpose();
            let stream = match opened {
                Ok(opened) => self.stream(case, &sinks, opened),
                Err(error) => {
                    batches
                        .batches
                        .push((BatchTime::from_millis(0), vec![error.to_string()]));
                    break;
                }
            };
            let run = Run {
                mode: Mode::Virtual,
                start: Some(0),
                batches: Some(until - done),
                clock: Arc::new(ManualClock::at(0)),
                stop: Stop::new(),
            };
            let summary = stream.run(run, &mut batches).await;
            if let Some(disk) = &disk {
                disk.crash(0);
            }
            if (batches.batches.len() as u64) < until {
                // Batches that fail are told; that a run could not go on is told here.
                if let (true, Some(error)) = (summary.batches == 0, summary.last_error) {
                    batches
                        .batches
                        .push((BatchTime::from_millis(0), vec![error.to_string()]));
                }
                break;
            }
        }
        Got {
            sinks: sinks.iter().map(CaptureSink::captured).collect(),
            batches: batches.batches,
            left_out: batches.left_out,
            load_error: None,
        }
    }

    fn open(&self, disk: &MemoryDisk) -> Result<Opened, CheckpointError> {
        let plugins = self
            .plugins
            .iter()
            .map(|plugin| (None, plugin.digest().to_string()));
        let program = Program::new(&format!("{:?}", self.topology), plugins.collect());
        Checkpoint::open(Arc::new(disk.clone()), &self.topology, program, "case")
    }

    fn stream(&self, case: &Case, sinks: &[CaptureSink], opened: Option<Opened>) -> Stream {
        let given = self.topology.sources.iter().zip(&case.sources);
        let sources = given
            .enumerate()
            .map(|(at, (source, batches))| (SourceId(at), queue(source, batches.clone())))
            .filter(|(id, _)| self.plan.sources.contains(id));
        let sinks = sinks.iter().cloned();
        let stream = Stream::planned(
            self.topology.clone(),
            self.plan.clone(),
            self.plugins.clone(),
            sources.collect(),
            sinks.map(|sink| Box::new(sink) as Box<dyn Sink>).collect(),
            &self.pool,
        );
        match opened {
            Some(opened) => stream.with_checkpoint(opened),
            None => stream,
        }
    }
}

/// Any source hands out the given batches; a queue does so as the topology says.
fn queue(source: &topology::Source, batches: Batches) -> Box<dyn Source> {
    let (order, partitions, default) = match &source.kind {
        SourceKind::Queue {
            order,
            partitions,
            default,
            ..
        } => (*order, *partitions, default.clone()),
        _ => (QueueOrder::OneAtATime, NonZeroUsize::MIN, Vec::new()),
    };
    let (name, schema) = (&source.name, &source.schema);
    let queue = QueueSource::new(name, schema, order, partitions, batches);
    Box::new(queue.with_default(default))
}

/// The batches that were run, with their errors; and after how many the disk dies.
#[derive(Default)]
struct Ended {
    batches: Vec<(BatchTime, Vec<String>)>,
    left_out: Vec<BTreeMap<String, u64>>,
    dies: Option<(u64, MemoryDisk)>,
}

impl Listener for Ended {
    fn batch_ended(&mut self, batch: &BatchReport) {
        let errors = batch.errors.iter().map(|error| {
            let detail = error.detail();
            match detail.as_str() {
                "" => error.to_string(),
                detail => format!("{error}\n{detail}"),
            }
        });
        self.batches.push((batch.time, errors.collect()));
        let left_out = batch.left_out.iter();
        let left_out = left_out.map(|of| (of.operator.to_string(), of.rows));
        self.left_out.push(left_out.collect());
        if let Some((after, disk)) = &self.dies
            && self.batches.len() as u64 >= *after
        {
            // Nothing that is written from here on becomes durable.
            disk.fail_at(Some(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        cases::{CaseFile, judge},
        stream::Plugins,
        topology::{Defaults, compile},
    };

    const SUMS: &str = r#"
name = "sums"
batch-interval = "2s"
[source.numbers]
type = "queue"
schema = { key = "utf8", value = "int64" }
partitions = 3
[operator.sums]
input = "numbers"
reduce-by-key = "std:sum"
[operator.count]
input = "numbers"
count = true
[sink.out]
input = "sums"
type = "print"
[sink.rows]
input = "count"
type = "text-files"
path = "nowhere"
"#;

    fn run(topology: &str, case: &Value) -> Vec<String> {
        let two = NonZeroUsize::new(2).unwrap();
        let defaults = Defaults {
            parallelism: two,
            base_dir: "/does/not/exist".into(),
            needs_checkpoint: false,
        };
        let topology = compile("sums.toml", topology, &Plugins::default(), &defaults).unwrap();
        let topology = Arc::new(topology);
        let text = json!({ "cases": [case] }).to_string();
        let entry = CaseFile::parse(text.as_bytes()).unwrap().cases.remove(0);
        let case = Case::new(entry, &topology).unwrap();
        let plan = Plan::new(&topology);
        let runner = CaseRunner::new(topology, plan, Vec::new(), Pool::new(two).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let got = runtime.block_on(runner.run(&case));
        let differences = judge(&case, &got).differences;
        differences.iter().map(|d| format!("{d:?}")).collect()
    }

    #[test]
    fn batches_go_in_and_are_compared_with_what_comes_out() {
        let case = json!({
            "name": "sums",
            "sources": {"numbers": [[["a", 1], ["b", 2], ["a", 3]], []]},
            "batches": 3,
            "expect": {"out": [[["b", 2], ["a", 4]], [], []], "rows": [[3], [0], [0]]},
        });
        assert_eq!(run(SUMS, &case), [""; 0]);
    }

    #[test]
    fn batch_i_is_at_i_times_the_interval() {
        let case = json!({
            "name": "sums",
            "sources": {"numbers": [[], []]},
            "expect": {"out": [[], [["a", 1]]]},
        });
        insta::assert_snapshot!(
            run(SUMS, &case).join("\n"),
            @r#"Batch { sink: 0, number: 2, time: BatchTime(4000), expected: Some([Array [String("a"), Number(1)]]), got: Some([]) }"#
        );
    }

    #[test]
    fn an_overflow_is_an_error_that_can_be_expected() {
        let most = i64::MAX;
        let case = json!({
            "name": "overflow",
            "sources": {"numbers": [[["a", 1]], [["a", most], ["a", 1]], [["b", 1]]]},
            "expect": {"out": [[["a", 1]], null, [["b", 1]]]},
            "expect-error": "std:sum overflows int64 for key",
        });
        assert_eq!(run(SUMS, &case), [""; 0]);
        let stopping = SUMS.replacen("name", "on-failed-batch = \"stop\"\nname", 1);
        assert_eq!(run(&stopping, &case), [""; 0]);
    }

    #[test]
    fn any_source_has_the_batches_that_it_is_given() {
        let lines = r#"
name = "lines"
batch-interval = "1s"
[source.lines]
type = "file"
path = "missing.txt"
[sink.out]
input = "lines"
type = "null"
[sink.bad]
input = "lines.rejected"
type = "null"
"#;
        let case = json!({
            "name": "lines",
            "sources": {"lines": [["b", "a"], null, []]},
            "expect": {"out": [["b", "a"], null, []], "bad": [[], null, []]},
            "ordered": true,
        });
        assert_eq!(run(lines, &case), [""; 0]);
    }
}
