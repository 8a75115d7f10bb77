//! What a run needs of the process: threads, a clock, someone to stop it.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use tokio::runtime::Runtime;

use super::{
    Arguments, clock_mode, durable,
    narrator::Narrator,
    signals,
    summary::{Ended, How},
};
use crate::{
    cli::{Failure, console::Console, loading::Loaded},
    clock::{Clock, SystemClock},
    model::{Location, NodeName},
    plugin::Plugin,
    receiver::BlockLogs,
    scheduler::{Mode, Outcome, Plan, Pool},
    sink::{PrintSink, Sink, open_sink},
    source::{Source, SourceError, SourceSetup, open_source},
    stream::{Run, Stop, Stream, Summary},
    topology::{self, SinkKind, SourceId, SourceKind, Topology},
};

/// Runs topologies, one after the other, until one is stopped.
pub(super) struct Host {
    runtime: Runtime,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool>,
    stop: Stop,
    console: Console,
}

/// How a topology is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// Combine by key inside plugins.
    pub(super) fusion: bool,
    /// End after so many batches.
    pub(super) batches: Option<u64>,
}

impl Host {
    pub(super) fn start(cores: NonZeroUsize, console: &Console) -> Result<Self, Failure> {
        let pool = Pool::new(cores).map_err(|error| {
            Failure::run(format!("the threads of the pool do not start: {error}"))
        })?;
        Ok(Self {
            runtime: runtime()?,
            clock: Arc::new(SystemClock::new()),
            pool,
            stop: Stop::new(),
            console: console.clone(),
        })
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Someone wants it to stop.
    pub(super) fn is_asked(&self) -> bool {
        self.stop.is_asked()
    }

    /// Signals stop it, and time as it was given.
    pub(super) fn stop_as(&self, arguments: &Arguments) -> Result<(), Failure> {
        signals::stop_on_signals(self.stop.clone(), self.console.clone())?;
        if let Some(timeout) = arguments.timeout {
            let stop = self.stop.clone();
            self.runtime.spawn(async move {
                tokio::time::sleep(timeout).await;
                stop.graceful();
            });
        }
        if let Some(timeout) = arguments.stop_timeout {
            let (stop, console) = (self.stop.clone(), self.console.clone());
            self.runtime.spawn(async move {
                stop.asked().await;
                tokio::time::sleep(timeout).await;
                console.write("stopping took too long: what is in flight is given up\n");
                stop.abort();
            });
        }
        Ok(())
    }

    /// Runs a topology to its end; it goes on from its checkpoint at `place`, if it has one.
    pub(super) fn run(
        &self,
        loaded: Loaded,
        place: Option<&Location>,
        options: Options,
    ) -> Result<Ended, Failure> {
        self.drive(loaded, place, options, false)
    }

    /// Makes again what an earlier run had claimed, and nothing else.
    pub(super) fn recover(
        &self,
        loaded: Loaded,
        place: Option<&Location>,
        options: Options,
    ) -> Result<Ended, Failure> {
        self.drive(loaded, place, options, true)
    }

    fn drive(
        &self,
        loaded: Loaded,
        place: Option<&Location>,
        options: Options,
        only_recovers: bool,
    ) -> Result<Ended, Failure> {
        let Loaded {
            topology,
            plugins,
            files,
            ..
        } = loaded;
        let clock = self.clock.clone();
        let plan = Plan::with_fusion(&topology, options.fusion);
        let needed = || plan.sources.iter().map(|id| &topology.sources[id.0]);
        let mode = clock_mode::of(needed(), options.batches.is_some()).map_err(Failure::input)?;
        if !only_recovers {
            warn_of_losses(needed(), topology.checkpoint.is_some());
            warn_of_unneeded(&topology, &plan);
        }
        let opened = place.map(|place| durable::open(place, &topology, &files, clock.as_ref()));
        let opened = opened.transpose()?;
        let logs = opened
            .as_ref()
            .map(|opened| &*opened.checkpoint as &dyn BlockLogs);
        let sources = open_sources(&topology, &plan, (clock.as_ref(), logs), &self.runtime)?;
        let uid = opened.as_ref().map(|opened| opened.checkpoint.uid());
        let sinks = open_sinks(&topology, &plugins, uid.as_deref(), &self.console);
        let every = topology.batch_interval.as_duration();
        match mode {
            _ if only_recovers => {}
            Mode::Live => tracing::info!("running {}: a batch every {every:?}", topology.name),
            Mode::Virtual => tracing::info!("running {} until its sources end", topology.name),
        }
        let mut narrator = Narrator::new(self.console.clone(), clock.clone(), self.stop.clone());
        let mut stream = Stream::planned(topology, plan, plugins, sources, sinks, &self.pool);
        let checkpoint = opened.as_ref().map(|opened| opened.checkpoint.clone());
        if let Some(opened) = opened {
            stream = stream.with_checkpoint(opened);
        }
        let run = Run {
            mode,
            start: None,
            batches: options.batches,
            clock,
            stop: self.stop.clone(),
        };
        let summary = match only_recovers {
            true => self.runtime.block_on(stream.recover(run, &mut narrator)),
            false => self.runtime.block_on(stream.run(run, &mut narrator)),
        };
        Ok(Ended {
            how: how(&summary, &self.stop, &narrator),
            left: checkpoint.map(|checkpoint| checkpoint.left()),
            run: summary,
        })
    }

    /// A source that hangs in the system does not hold the end.
    pub(super) fn end(self) {
        self.runtime.shutdown_background();
    }
}

fn how(summary: &Summary, stop: &Stop, narrator: &Narrator) -> How {
    if narrator.reader_left() {
        return How::Unread;
    }
    match summary.outcome {
        Outcome::Stopped if stop.is_aborted() => How::Aborted,
        Outcome::BatchFailed(_) => How::Failed,
        _ if summary.failed > 0 => How::Failed,
        Outcome::Stopped => How::Stopped,
        Outcome::Exhausted => How::Exhausted,
    }
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("the threads for sources do not start: {error}")))
}

fn open_sources(
    topology: &Topology,
    plan: &Plan,
    (clock, logs): (&dyn Clock, Option<&dyn BlockLogs>),
    runtime: &Runtime,
) -> Result<BTreeMap<SourceId, Box<dyn Source>>, Failure> {
    let setup = SourceSetup {
        clock,
        runtime: runtime.handle(),
        interval: topology.batch_interval,
        parallelism: topology.parallelism,
        logs,
    };
    let open = |id: &SourceId| Ok((*id, open_source(&topology.sources[id.0], setup)?));
    let sources: Result<_, SourceError> = plan.sources.iter().map(open).collect();
    sources.map_err(Failure::input)
}

fn open_sinks(
    topology: &Topology,
    plugins: &[Plugin],
    uid: Option<&str>,
    console: &Console,
) -> Vec<Box<dyn Sink>> {
    let sinks = topology.sinks.iter();
    sinks
        .map(|sink| -> Box<dyn Sink> {
            let schema = topology.schema(sink.input);
            match &sink.kind {
                SinkKind::Print { n } => {
                    let output = console.output();
                    Box::new(PrintSink::new(&sink.name, schema, *n, output))
                }
                _ => open_sink(sink, topology, plugins, uid),
            }
        })
        .collect()
}

/// Says where rows can get lost, so that nobody finds out later.
fn warn_of_losses<'a>(sources: impl Iterator<Item = &'a topology::Source>, has_checkpoint: bool) {
    let lossy = sources.filter(|source| match &source.kind {
        SourceKind::Socket { storage, .. } => !has_checkpoint || !storage.log,
        _ => false,
    });
    let names: Vec<&str> = lossy.map(|source| NodeName::as_str(&source.name)).collect();
    if names.is_empty() {
        return;
    }
    let names = names.join(", ");
    let what = if has_checkpoint {
        "what a socket has sent is not logged (log = false): if this process dies, what no batch has committed is lost, and for what operators remember also what came after their state was last written"
    } else {
        "what a socket has sent and no batch has finished is lost if this process dies"
    };
    tracing::warn!("{what} (at most once): {names}");
}

/// Says what is not read, so that nobody waits for it.
fn warn_of_unneeded(topology: &Topology, plan: &Plan) {
    for (at, source) in topology.sources.iter().enumerate() {
        if !plan.sources.contains(&SourceId(at)) {
            tracing::warn!(
                "source {} is not opened: no sink depends on it",
                source.name
            );
        }
    }
}
