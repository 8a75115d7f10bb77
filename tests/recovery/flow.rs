//! Topologies that remember things, and one run of each.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, LazyLock, Mutex},
};

use rsrt::{
    checkpoint::Program,
    clock::ManualClock,
    format::rows_to_json,
    scheduler::{Mode, Plan, Pool},
    sink::{FunctionSink, Sink},
    source::{QueueSource, Source},
    stream::{BatchReport, Listener, Run, Stop, Stream},
    topology::{Defaults, QueueOrder, SourceId, Topology, compile},
};
use serde_json::{Value, json};

use super::machine::Machine;
use crate::guests;

static POOL: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Pool::new(NonZeroUsize::new(2).unwrap()).unwrap());

/// Operators between the source `numbers` (key: utf8, value: int64) and sinks.
const OPERATORS: [(&str, &str); 6] = [
    (
        "windows",
        r#"
[operator.inverse]
input = "numbers"
reduce-by-key-and-window = "std:sum"
length = "4s"
inverse = true
[operator.direct]
input = "numbers"
reduce-by-key-and-window = "std:sum"
length = "6s"
slide = "2s"
[operator.recent]
input = "numbers"
window = "3s"
persist = "disk"
"#,
    ),
    (
        "states",
        r#"
[operator.updated]
input = "numbers"
update-state-by-key = "running"
[operator.direct]
input = "updated"
count = true
[operator.recent]
input = "numbers"
count-by-value-and-window = true
length = "3s"
"#,
    ),
    (
        "timeouts",
        r#"
[operator.mapped]
input = "numbers"
map-with-state = "text:changes"
timeout = "2s"
checkpoint-interval = "2s"
[operator.direct]
input = "mapped"
count = true
[operator.recent]
input = "mapped.snapshots"
window = "2s"
"#,
    ),
    (
        "joins",
        r#"
[operator.inverse]
input = "numbers"
reduce-by-key = "std:sum"
[operator.recent]
input = "numbers"
window = "2s"
persist = "memory-and-disk"
window-memory = "200B"
[operator.direct]
input = ["inverse", "recent"]
left-outer-join = true
"#,
    ),
    (
        "counts",
        r#"
[operator.direct]
input = "numbers"
count-by-window = true
length = "3s"
[operator.recent]
input = "numbers"
reduce = "std:count"
"#,
    ),
    (
        "letters",
        r#"
[operator.direct]
input = "numbers"
update-state-by-key = "faulty:poison-update"
on-error = "dead-letter"
[operator.recent]
input = "numbers"
map-values = "faulty:poison-map"
on-error = "dead-letter"
"#,
    ),
];

/// How many there are.
pub(super) const COUNT: usize = OPERATORS.len();

/// A topology with what its source has.
pub(super) struct Flow {
    name: &'static str,
    toml: String,
}

/// One run.
pub(super) struct Attempt {
    /// What sinks were given, in order.
    pub(super) given: Vec<((String, i64), Vec<Value>)>,
    /// The last batch that was reported without an error.
    pub(super) committed: Option<i64>,
    /// Why it ended early.
    pub(super) error: Option<String>,
}

impl Flow {
    /// One of [`COUNT`], whose state is written every so many seconds.
    pub(super) fn new(which: usize, interval: u8) -> Self {
        let (name, operators) = OPERATORS[which];
        let kind = if name == "timeouts" { "utf8" } else { "int64" };
        let toml = format!(
            r#"
name = "{name}"
batch-interval = "1s"
parallelism = 2
checkpoint = "x"
checkpoint-interval = "{interval}s"
[plugin.text]
path = "text.wasm"
[plugin.faulty]
path = "faulty.wasm"
[source.numbers]
type = "queue"
schema = {{ key = "utf8", value = "{kind}" }}
partitions = 2
{operators}
[sink.direct-out]
input = "direct"
type = "null"
[sink.recent-out]
input = "recent"
type = "null"
"#
        );
        Self { name, toml }
    }

    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// The same with another text in it.
    pub(super) fn with(&self, from: &str, to: &str) -> Self {
        Self {
            name: self.name,
            toml: self.toml.replace(from, to),
        }
    }

    pub(super) fn sinks(&self) -> usize {
        self.toml.matches("[sink.").count()
    }

    fn topology(&self) -> Arc<Topology> {
        let defaults = Defaults {
            parallelism: NonZeroUsize::MIN,
            base_dir: "".into(),
            needs_checkpoint: true,
        };
        match compile("flow.toml", &self.toml, guests::catalog(), &defaults) {
            Ok(topology) => Arc::new(topology),
            Err(invalid) => panic!("{:?}\n{}", invalid.problems(), self.toml),
        }
    }

    /// Keys that come and go, and an empty batch.
    fn batches(&self) -> Vec<Option<Vec<Value>>> {
        let keys = ["a", "b", "c", "d", "e"];
        let row = |batch: usize, row: usize| {
            let key = keys[(batch * 2 + row * 3) % keys.len()];
            match self.name {
                "timeouts" => json!([key, (batch + row).to_string()]),
                "letters" if (batch + row) % 4 == 3 => json!([key, -1]),
                _ => json!([key, batch + row]),
            }
        };
        let batch = |batch: usize| match batch {
            4 => Vec::new(),
            _ => (0..=batch % 4).map(|at| row(batch, at)).collect(),
        };
        (0..12).map(|at| Some(batch(at))).collect()
    }

    /// Runs it on this machine, from what is there to the end.
    pub(super) fn attempt(&self, machine: &impl Machine) -> Result<Attempt, String> {
        let topology = self.topology();
        let plugins = guests::catalog().of(&topology).unwrap();
        let called = plugins.iter();
        let called = called.map(|plugin| (None, plugin.digest().to_string()));
        let program = Program::new(&self.toml, called.collect());
        let opened = machine.open(&topology, program)?;

        let numbers = &topology.sources[0];
        let order = QueueOrder::OneAtATime;
        let two = NonZeroUsize::new(2).unwrap();
        let queue = QueueSource::new(&numbers.name, &numbers.schema, order, two, self.batches());
        let given = Arc::new(Mutex::new(Vec::new()));
        let sinks = topology.sinks.iter().map(|sink| -> Box<dyn Sink> {
            let (to, given, machine) = (sink.name.to_string(), given.clone(), machine.clone());
            Box::new(FunctionSink::new(&sink.name, move |time, batch| {
                // Giving is a step, too, at which the machine may stop.
                machine.step()?;
                let chunks = batch
                    .chunks()
                    .map(|chunk| rows_to_json(chunk, &batch.schema));
                let rows: Result<Vec<_>, _> = chunks.collect();
                let rows = rows.map_err(|error| error.to_string())?.concat();
                given
                    .lock()
                    .unwrap()
                    .push(((to.clone(), time.as_millis()), rows));
                Ok(())
            }))
        });
        let source: Box<dyn Source> = Box::new(queue);
        let sources = BTreeMap::from([(SourceId(0), source)]);
        let sinks = sinks.collect();
        let plan = Plan::new(&topology);
        let stream = Stream::planned(topology, plan, plugins, sources, sinks, &POOL);
        let run = Run {
            mode: Mode::Virtual,
            start: Some(0),
            batches: None,
            clock: Arc::new(ManualClock::at(0)),
            stop: Stop::new(),
        };
        let mut committed = Committed(None);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let stream = stream.with_checkpoint(opened);
        let summary = runtime.block_on(stream.run(run, &mut committed));
        let given = std::mem::take(&mut *given.lock().unwrap());
        Ok(Attempt {
            given,
            committed: committed.0,
            error: summary.last_error.map(|error| error.to_string()),
        })
    }
}

struct Committed(Option<i64>);

impl Listener for Committed {
    fn batch_ended(&mut self, batch: &BatchReport) {
        if batch.errors.is_empty() {
            self.0 = Some(batch.time.as_millis());
        }
    }
}
