//! A loaded topology becomes a stream: sources and sinks are opened, the checkpoint is taken up.

use std::{collections::BTreeMap, io::Write, sync::Arc};

use tokio::runtime::Handle;

use super::{LaunchError, Loaded, clock_mode, durable};
use crate::{
    account::Account,
    checkpoint::{Checkpoint, Left},
    clock::Clock,
    model::{Location, NodeName},
    plugin::Plugin,
    receiver::BlockLogs,
    scheduler::{Mode, Plan, Pool, Taps, Tenant},
    sink::{PrintSink, Sink, open_sink},
    source::{Source, SourceError, SourceSetup, open_source},
    stream::{Listener, Next, Run, Stop, Stream, Summary, Swapper},
    topology::{self, SinkKind, SourceId, SourceKind, Topology},
};

/// What topologies share that run in one process.
#[derive(Clone)]
pub struct Launcher {
    /// Runs sources and batch loops.
    pub runtime: Handle,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// Runs tasks.
    pub pool: Arc<Pool>,
}

/// How a topology is run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Combine by key inside plugins.
    pub fusion: bool,
    /// End after so many batches.
    pub batches: Option<u64>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// New batches, after what an earlier run had claimed.
    Run,
    /// To make again what an earlier run had claimed, and nothing else.
    Recover,
}

/// Where `print` sinks write.
pub trait Outputs {
    /// For one sink.
    fn output(&self) -> Box<dyn Write + Send>;
}

/// A topology that is about to run.
pub struct Launched {
    stream: Stream,
    run: Run,
    purpose: Purpose,
    checkpoint: Option<Arc<Checkpoint>>,
}

impl Launched {
    /// Its checkpoint, if it has one.
    pub fn checkpoint(&self) -> Option<&Arc<Checkpoint>> {
        self.checkpoint.as_ref()
    }

    /// Where its streams can be looked at while it runs.
    pub fn taps(&self) -> Taps {
        self.stream.taps()
    }

    /// Bytes of the states that an earlier run has left.
    pub fn state_bytes(&self) -> u64 {
        let checkpoint = self.checkpoint.as_ref();
        checkpoint.map_or(0, |checkpoint| checkpoint.state_bytes())
    }

    /// What takes other versions to it while it runs.
    pub fn swapper(&mut self) -> Swapper {
        self.stream.swapper()
    }

    /// Runs it to its end.
    pub async fn run(self, listener: &mut dyn Listener) -> (Summary, Option<Left>) {
        let summary = match self.purpose {
            Purpose::Recover => self.stream.recover(self.run, listener).await,
            Purpose::Run => self.stream.run(self.run, listener).await,
        };
        (summary, self.checkpoint.map(|checkpoint| checkpoint.left()))
    }
}

impl Launcher {
    /// Opens what a topology needs to run; it goes on from its checkpoint at `place`, if it has
    /// one. Its tasks run as those of `tenant`.
    ///
    /// # Errors
    /// When something of it cannot be opened, or its sources wait although it is to end.
    pub fn launch(
        &self,
        loaded: Loaded,
        place: Option<&Location>,
        (purpose, options): (Purpose, Options),
        (tenant, stop): (Tenant, Stop),
        outputs: &dyn Outputs,
    ) -> Result<Launched, LaunchError> {
        let Loaded {
            topology,
            plugins,
            files,
        } = loaded;
        let clock = self.clock.clone();
        let plan = Plan::with_fusion(&topology, options.fusion);
        let needed = || plan.sources.iter().map(|id| &topology.sources[id.0]);
        let mode =
            clock_mode::of(needed(), options.batches.is_some()).map_err(LaunchError::input)?;
        if purpose == Purpose::Run {
            warn_of_losses(needed(), topology.checkpoint.is_some());
            warn_of_unneeded(&topology, &plan);
        }
        let opened = place.map(|place| durable::open(place, &topology, &files, clock.as_ref()));
        let opened = opened.transpose()?;
        let logs = opened
            .as_ref()
            .map(|opened| &*opened.checkpoint as &dyn BlockLogs);
        let sources = open_sources(
            &topology,
            &plan,
            (clock.as_ref(), logs),
            (&self.runtime, tenant.account()),
        )?;
        let uid = opened.as_ref().map(|opened| opened.checkpoint.uid());
        let sinks = open_sinks(&topology, &plugins, uid.as_deref(), outputs);
        let every = topology.batch_interval.as_duration();
        match mode {
            _ if purpose == Purpose::Recover => {}
            Mode::Live => tracing::info!("running {}: a batch every {every:?}", topology.name),
            Mode::Virtual => tracing::info!("running {} until its sources end", topology.name),
        }
        let pool = (&self.pool, tenant);
        let mut stream = Stream::of_tenant(topology, plan, plugins, sources, sinks, pool);
        let checkpoint = opened.as_ref().map(|opened| opened.checkpoint.clone());
        if let Some(opened) = opened {
            stream = stream.with_checkpoint(opened);
        }
        let run = Run {
            mode,
            start: None,
            batches: options.batches,
            clock,
            stop,
        };
        Ok(Launched {
            stream,
            run,
            purpose,
            checkpoint,
        })
    }
}

/// A version that is to take over from a running one.
pub fn next(
    loaded: Loaded,
    (swapper, options): (&Swapper, Options),
    accepts_loss: bool,
    outputs: &dyn Outputs,
) -> Next {
    let Loaded {
        topology,
        plugins,
        files,
    } = loaded;
    let uid = swapper.uid();
    Next {
        plan: Plan::with_fusion(&topology, options.fusion),
        sinks: open_sinks(&topology, &plugins, uid.as_deref(), outputs),
        topology,
        plugins,
        files,
        accepts_loss,
        shadow: None,
    }
}

fn open_sources(
    topology: &Topology,
    plan: &Plan,
    (clock, logs): (&dyn Clock, Option<&dyn BlockLogs>),
    (runtime, account): (&Handle, &Arc<Account>),
) -> Result<BTreeMap<SourceId, Box<dyn Source>>, LaunchError> {
    let setup = SourceSetup {
        clock,
        runtime,
        interval: topology.batch_interval,
        parallelism: topology.parallelism,
        logs,
        account: Some(account),
    };
    let open = |id: &SourceId| Ok((*id, open_source(&topology.sources[id.0], setup)?));
    let sources: Result<_, SourceError> = plan.sources.iter().map(open).collect();
    sources.map_err(LaunchError::input)
}

fn open_sinks(
    topology: &Topology,
    plugins: &[Plugin],
    uid: Option<&str>,
    outputs: &dyn Outputs,
) -> Vec<Box<dyn Sink>> {
    let sinks = topology.sinks.iter();
    sinks
        .map(|sink| -> Box<dyn Sink> {
            let schema = topology.schema(sink.input);
            match &sink.kind {
                SinkKind::Print { n } => {
                    let output = outputs.output();
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
