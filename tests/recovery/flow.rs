//! Topologies that remember things, and one run of each.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use rsrt::{
    checkpoint::{Opened, Program, ProgramFiles},
    clock::ManualClock,
    format::rows_to_json,
    journal::MemoryDisk,
    scheduler::{Mode, Plan, Pool},
    sink::{FunctionSink, Sink},
    source::{QueueSource, Source},
    stream::{
        BatchReport, Listener, Next, Run, Shadow, Stop, Stream, SwapError, Swapped, Swapper,
        Swapping, VersionEvent,
    },
    topology::{Defaults, QueueOrder, SourceId, SourceKind, Topology, compile},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

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
    /// What became of versions, in order.
    pub(super) versions: Vec<VersionEvent>,
    /// Another version is to go on.
    pub(super) went_back: bool,
}

/// How it is run.
#[derive(Default)]
pub(super) struct How<'a> {
    /// Only what an earlier run had claimed is made again.
    pub(super) recovers: bool,
    /// Ends after so many batches.
    pub(super) batches: Option<u64>,
    /// By the clock, which has all ticks behind it at once: batches are claimed while others run.
    pub(super) live: bool,
    /// When a batch at this time or later has ended, these are to take over, one after the other.
    pub(super) swaps: Vec<(i64, &'a Flow)>,
    /// They may lose state.
    pub(super) accepts_loss: bool,
    /// When a batch at this time or later has ended, the version before is to go on.
    pub(super) back: Option<i64>,
    /// From this batch on sinks take nothing.
    pub(super) sinks_fail_from: Option<i64>,
    /// They are tried before.
    pub(super) shadow: Option<Shadow>,
}

impl Flow {
    /// A topology of another kind, whose source has the same.
    pub(super) fn of(name: &'static str, toml: &str) -> Self {
        let toml = toml.to_owned();
        Self { name, toml }
    }

    /// What it is made of.
    pub(super) fn files(&self) -> ProgramFiles {
        ProgramFiles {
            text: self.toml.clone(),
            plugins: Vec::new(),
        }
    }

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

    pub(super) fn topology(&self) -> Arc<Topology> {
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
    pub(super) fn batches(&self) -> Vec<Option<Vec<Value>>> {
        let keys = ["a", "b", "c", "d", "e"];
        let row = |batch: usize, row: usize| {
            let key = keys[(batch * 2 + row * 3) % keys.len()];
            match self.name {
                "timeouts" => json!([key, (batch + row).to_string()]),
                "letters" if (batch + row) % 4 == 3 => json!([key, -1]),
                "loops" if (batch + row) % 4 == 3 => json!([key, -3]),
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
        Ok(self.run(machine, Some(opened), &How::default()).0)
    }

    /// Runs it as one version of several; answers also with what came of the swaps.
    pub(super) fn attempt_as(
        &self,
        machine: &impl Machine,
        how: &How<'_>,
    ) -> Result<(Attempt, Vec<Result<i64, String>>), String> {
        let (attempt, swapped) = self.attempt_shadowed(machine, how)?;
        Ok((attempt, firsts(swapped)))
    }

    /// The same, with all that is said of the swaps.
    pub(super) fn attempt_shadowed(
        &self,
        machine: &impl Machine,
        how: &How<'_>,
    ) -> Result<(Attempt, Vec<Result<Swapped, SwapError>>), String> {
        let files = self.files();
        let opened = machine.open(&self.topology(), Program::of(&files))?;
        let kept = opened.checkpoint.keep_program(&files);
        kept.map_err(|error| error.to_string())?;
        Ok(self.run(machine, Some(opened), how))
    }

    /// The same, and nothing outlives it.
    pub(super) fn attempt_without(&self, how: &How<'_>) -> (Attempt, Vec<Result<i64, String>>) {
        let (attempt, swapped) = self.run(&MemoryDisk::new(), None, how);
        (attempt, firsts(swapped))
    }

    fn sinks_of(
        &self,
        machine: &impl Machine,
        given: &Given,
        fail_from: Option<i64>,
    ) -> Vec<Box<dyn Sink>> {
        let topology = self.topology();
        let sinks = topology.sinks.iter().map(|sink| -> Box<dyn Sink> {
            let (to, given, machine) = (sink.name.to_string(), given.clone(), machine.clone());
            Box::new(FunctionSink::new(&sink.name, move |time, batch| {
                // Giving is a step, too, at which the machine may stop.
                machine.step()?;
                if fail_from.is_some_and(|from| time.as_millis() >= from) {
                    return Err("it is full".into());
                }
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
        sinks.collect()
    }

    fn next(&self, machine: &impl Machine, given: &Given, how: &How<'_>) -> Next {
        let topology = self.topology();
        Next {
            plugins: guests::catalog().of(&topology).unwrap(),
            plan: Plan::new(&topology),
            sinks: self.sinks_of(machine, given, how.sinks_fail_from),
            files: self.files(),
            accepts_loss: how.accepts_loss,
            shadow: how.shadow,
            topology,
        }
    }

    fn run(
        &self,
        machine: &impl Machine,
        opened: Option<Opened>,
        how: &How<'_>,
    ) -> (Attempt, Vec<Result<Swapped, SwapError>>) {
        let topology = self.topology();
        let plugins = guests::catalog().of(&topology).unwrap();
        let numbers = &topology.sources[0];
        let order = QueueOrder::OneAtATime;
        let two = NonZeroUsize::new(2).unwrap();
        let (name, schema) = (&numbers.name, &numbers.schema);
        let queue = match &numbers.kind {
            SourceKind::Queue {
                path: Some(path), ..
            } => QueueSource::open(name, schema, order, two, path).unwrap(),
            _ => QueueSource::new(name, schema, order, two, self.batches()),
        };
        let given = Given::default();
        let source: Box<dyn Source> = Box::new(queue);
        let sources = BTreeMap::from([(SourceId(0), source)]);
        let sinks = self.sinks_of(machine, &given, how.sinks_fail_from);
        let plan = Plan::new(&topology);
        let stream = Stream::planned(topology, plan, plugins, sources, sinks, &POOL);
        let clock = Arc::new(ManualClock::at(0));
        let stop = Stop::new();
        let run = Run {
            mode: if how.live { Mode::Live } else { Mode::Virtual },
            start: Some(0),
            batches: how.batches,
            clock: clock.clone(),
            stop: stop.clone(),
        };
        let mut stream = match opened {
            Some(opened) => stream.with_checkpoint(opened),
            None => stream,
        };
        let swaps = how.swaps.iter();
        let swaps = swaps.map(|(at, flow)| (*at, flow.next(machine, &given, how)));
        let mut watching = Watching {
            committed: None,
            swapper: (!how.swaps.is_empty() || how.back.is_some()).then(|| stream.swapper()),
            swaps: swaps.collect(),
            back: how.back,
            versions: Vec::new(),
            asked: Vec::new(),
            stop: how.live.then_some(stop),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(how.live)
            .build()
            .unwrap();
        let (summary, swapped) = runtime.block_on(async {
            let mut passing = JoinSet::new();
            if how.live {
                passing.spawn(async move {
                    clock.advance(Duration::from_millis(12_500));
                    loop {
                        // Time passes when all wait.
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        clock.advance(Duration::from_secs(1));
                    }
                });
            }
            let summary = match how.recovers {
                true => stream.recover(run, &mut watching).await,
                false => stream.run(run, &mut watching).await,
            };
            let mut swapped = Vec::new();
            for asked in std::mem::take(&mut watching.asked) {
                swapped.push(match asked {
                    Ok(asked) => asked.decided().await,
                    Err(error) => Err(error),
                });
            }
            (summary, swapped)
        });
        let given = std::mem::take(&mut *given.lock().unwrap());
        let attempt = Attempt {
            given,
            committed: watching.committed,
            error: summary.last_error.map(|error| error.to_string()),
            versions: watching.versions,
            went_back: summary.went_back,
        };
        (attempt, swapped)
    }
}

/// What sinks were given.
type Given = Arc<Mutex<Vec<((String, i64), Vec<Value>)>>>;

struct Watching {
    committed: Option<i64>,
    swapper: Option<Swapper>,
    /// Those that are still to come, and after which batch.
    swaps: VecDeque<(i64, Next)>,
    asked: Vec<Result<Swapping, SwapError>>,
    back: Option<i64>,
    versions: Vec<VersionEvent>,
    /// Stops a run that does not end by itself.
    stop: Option<Stop>,
}

impl Listener for Watching {
    fn batch_ended(&mut self, batch: &BatchReport) {
        let time = batch.time.as_millis();
        if batch.errors.is_empty() {
            self.committed = Some(time);
        }
        if let Some(swapper) = &self.swapper {
            while self.swaps.front().is_some_and(|(at, _)| *at <= time) {
                let next = self.swaps.pop_front().map(|(_, next)| swapper.swap(next));
                self.asked.extend(next);
            }
            if self.back.is_some_and(|at| at <= time) {
                self.back = None;
                self.asked.push(swapper.back());
            }
        }
        if let Some(stop) = self.stop.as_ref().filter(|_| time >= 12_000) {
            stop.abort();
        }
    }

    fn version(&mut self, event: &VersionEvent) {
        self.versions.push(event.clone());
    }
}

/// The first batch of each version that has taken over.
fn firsts(swapped: Vec<Result<Swapped, SwapError>>) -> Vec<Result<i64, String>> {
    let swapped = swapped.into_iter().map(|decided| {
        let first = decided.map(|swapped| swapped.first.as_millis());
        first.map_err(|error| error.to_string())
    });
    swapped.collect()
}
