//! Runs a topology, in one process or in several that die one after the other.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, LazyLock},
};

use rsrt::{
    cases::{CaptureSink, Captured},
    checkpoint::{Checkpoint, Program},
    clock::ManualClock,
    journal::MemoryDisk,
    model::BatchTime,
    plugin::Plugin,
    scheduler::{BatchError, Mode, Plan, Pool},
    sink::Sink,
    source::Source,
    stream::{BatchReport, Listener, Run, Stop, Stream},
    topology::{Defaults, SourceId, Topology, compile},
};

use super::{feed::Feed, flow::Flow, number};
use crate::guests;

static POOL: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Pool::new(NonZeroUsize::new(2).unwrap()).unwrap());

/// What fails on a disk that has died.
const DEAD: &str = "the disk is gone";

/// The end of a process behind which another one goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restart {
    /// With this batch (from 1) or one behind it.
    pub(super) after: usize,
    pub(super) end: End,
}

/// How a process ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// As it was asked to.
    Stops,
    /// After so many further steps of its disk, which keeps so many unsynced bytes.
    Dies { steps: u64, kept: usize },
}

/// What one process did.
#[derive(Default)]
pub(super) struct Process {
    /// Batches that are committed, and whether they failed.
    pub(super) ended: BTreeMap<BatchTime, bool>,
    /// What each sink of the watched streams got.
    pub(super) sinks: Vec<Captured>,
}

/// Runs it to its end; errors are those that no dead disk explains.
pub(super) fn run(flow: &Flow, fusion: bool, restarts: &[Restart]) -> Result<Vec<Process>, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in &flow.files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let runner = Runner::new(flow, fusion, folder.path());
    if restarts.is_empty() {
        return Ok(vec![runner.process(None, None)?]);
    }
    let disk = MemoryDisk::new();
    let ends = restarts.iter().copied().map(Some).chain([None]);
    let processes = ends.map(|end| runner.process(Some(&disk), end));
    processes.collect()
}

struct Runner<'a> {
    flow: &'a Flow,
    topology: Arc<Topology>,
    plan: Plan,
    plugins: Vec<Plugin>,
}

impl<'a> Runner<'a> {
    fn new(flow: &'a Flow, fusion: bool, folder: &Path) -> Self {
        let defaults = Defaults {
            parallelism: NonZeroUsize::MIN,
            base_dir: folder.into(),
            needs_checkpoint: false,
        };
        let catalog = guests::catalog();
        let topology = match compile("law.toml", &flow.toml(), catalog, &defaults) {
            Ok(topology) => Arc::new(topology),
            Err(invalid) => panic!("{:?}\n{}", invalid.problems(), flow.toml()),
        };
        Self {
            flow,
            plan: Plan::with_fusion(&topology, fusion),
            plugins: catalog.of(&topology).unwrap(),
            topology,
        }
    }

    fn sources(&self) -> BTreeMap<SourceId, Box<dyn Source>> {
        let sources = self.topology.sources.iter().zip(&self.flow.sources);
        let feeds = sources.enumerate().map(|(at, (source, made_up))| {
            let (batches, deal) = (made_up.batches.clone(), made_up.deal.clone());
            let feed = Feed::new(&source.schema, batches, deal);
            (SourceId(at), Box::new(feed) as Box<dyn Source>)
        });
        let sources = feeds.filter(|(id, _)| self.plan.sources.contains(id));
        sources.collect()
    }

    /// From what is on the disk to the end of the sources, or its own.
    fn process(
        &self,
        disk: Option<&MemoryDisk>,
        restart: Option<Restart>,
    ) -> Result<Process, String> {
        let sinks = self.topology.sinks.iter();
        let sinks: Vec<_> = sinks.map(|sink| CaptureSink::new(&sink.name)).collect();
        let captures = sinks.iter().cloned();
        let mut stream = Stream::planned(
            self.topology.clone(),
            self.plan.clone(),
            self.plugins.clone(),
            self.sources(),
            captures
                .map(|sink| Box::new(sink) as Box<dyn Sink>)
                .collect(),
            &POOL,
        );
        if let Some(disk) = disk {
            let digests = self.plugins.iter();
            let digests = digests.map(|plugin| (None, plugin.digest().to_string()));
            let program = Program::new(&self.flow.toml(), digests.collect());
            let disk = Arc::new(disk.clone());
            let opened = Checkpoint::open(disk, &self.topology, program, "test");
            stream = stream.with_checkpoint(opened.map_err(|error| error.to_string())?);
        }
        let stop = Stop::new();
        let run = Run {
            mode: Mode::Virtual,
            start: Some(0),
            batches: None,
            clock: Arc::new(ManualClock::at(0)),
            stop: stop.clone(),
        };
        let mut watcher = Watcher {
            process: Process::default(),
            may_fail: self.flow.may_fail,
            errors: Vec::new(),
            end: disk.cloned().zip(restart),
            stop,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let summary = runtime.block_on(stream.run(run, &mut watcher));
        let mut errors = watcher.errors;
        let last = summary.last_error.as_deref();
        let last = last.filter(|error| !is_allowed(error, self.flow.may_fail));
        errors.extend(last.map(ToString::to_string));
        let mut may_die = false;
        if let Some((disk, Restart { end, .. })) = disk.zip(restart)
            && let End::Dies { kept, .. } = end
        {
            may_die = true;
            disk.crash(kept);
        }
        match errors
            .iter()
            .find(|error| !may_die || !error.contains(DEAD))
        {
            Some(error) => Err(error.clone()),
            None => Ok(Process {
                sinks: sinks.iter().map(CaptureSink::captured).collect(),
                ..watcher.process
            }),
        }
    }
}

/// Sees batches end, and then ends their process.
struct Watcher {
    process: Process,
    /// Batches may fail.
    may_fail: bool,
    errors: Vec<String>,
    end: Option<(MemoryDisk, Restart)>,
    stop: Stop,
}

impl Listener for Watcher {
    fn batch_ended(&mut self, batch: &BatchReport) {
        let errors = batch.errors.iter();
        let errors = errors.filter(|error| !is_allowed(error, self.may_fail));
        let before = self.errors.len();
        self.errors.extend(errors.map(ToString::to_string));
        if self.errors.len() == before {
            self.process
                .ended
                .insert(batch.time, !batch.errors.is_empty());
        }
        let is_over = |end: &mut (_, Restart)| number(batch.time) >= end.1.after;
        match self.end.take_if(is_over) {
            Some((
                disk,
                Restart {
                    end: End::Dies { steps, .. },
                    ..
                },
            )) => {
                disk.fail_at(Some(disk.steps() + steps));
            }
            Some((
                _,
                Restart {
                    end: End::Stops, ..
                },
            )) => self.stop.graceful(),
            None => {}
        }
    }
}

/// What a batch itself does wrong.
fn is_allowed(error: &BatchError, may_fail: bool) -> bool {
    may_fail && !matches!(error, BatchError::NotDurable { .. })
}
