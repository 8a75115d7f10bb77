//! Runs a topology: waits for ticks, claims, executes, writes to sinks, until it is over.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::{JoinHandle, spawn_blocking};

use super::{BatchReport, Listener, SinkReport, Stop, Summary};
use crate::{
    clock::Clock,
    model::{BatchInterval, BatchTime, NodeName},
    plugin::Plugin,
    scheduler::{
        BatchError, BatchInput, BatchOutput, Command, Event, Executor, Mode, Outcome, Plan, Pool,
        References, Scheduler,
    },
    sink::Sink,
    source::{Claim, DataSet, Source, SourceError},
    topology::{ReferenceId, SourceId, StreamRef, Topology},
};

/// A topology with everything it needs to run, not started yet.
pub struct Stream {
    topology: Arc<Topology>,
    sources: Sources,
    sinks: Vec<Box<dyn Sink>>,
    executor: Arc<Executor>,
    references: Vec<DataSet>,
    pool: Arc<Pool>,
}

/// How to run a stream.
pub struct Run {
    /// What makes time pass.
    pub mode: Mode,
    /// Where the grid starts, in milliseconds since the epoch; none: at the wall clock's time.
    pub start: Option<i64>,
    /// Ends a [`Mode::Virtual`] run after so many batches; none: when all sources are exhausted.
    pub batches: Option<u64>,
    /// The clock that ticks, and that durations are measured with.
    pub clock: Arc<dyn Clock>,
    /// Stops the run.
    pub stop: Stop,
}

impl Stream {
    /// Puts a topology together with its plugins and sinks, each in the topology's order, and its
    /// sources; those that no sink depends on may be left out ([`Plan::sources`]).
    pub fn new(
        topology: Arc<Topology>,
        plugins: Vec<Plugin>,
        sources: BTreeMap<SourceId, Box<dyn Source>>,
        sinks: Vec<Box<dyn Sink>>,
        pool: &Arc<Pool>,
    ) -> Self {
        let plan = Plan::new(&topology);
        Self::planned(topology, plan, plugins, sources, sinks, pool)
    }

    /// As [`Stream::new`], with a plan of this topology.
    pub fn planned(
        topology: Arc<Topology>,
        plan: Plan,
        plugins: Vec<Plugin>,
        sources: BTreeMap<SourceId, Box<dyn Source>>,
        sinks: Vec<Box<dyn Sink>>,
        pool: &Arc<Pool>,
    ) -> Self {
        let tenant = pool.tenant(NonZeroU32::MIN);
        let executor = Executor::new(topology.clone(), plugins, plan, tenant);
        let references = topology.references.iter().cloned().map(DataSet::new);
        Self {
            references: references.collect(),
            topology,
            sources,
            sinks,
            executor: Arc::new(executor),
            pool: pool.clone(),
        }
    }

    pub(super) fn sink_names(&self) -> Vec<NodeName> {
        let sinks = self.topology.sinks.iter();
        sinks.map(|sink| sink.name.clone()).collect()
    }

    pub(super) fn interval(&self) -> BatchInterval {
        self.topology.batch_interval
    }

    /// Puts something around each sink.
    pub(super) fn wrap_sinks(&mut self, wrap: impl Fn(&NodeName, Box<dyn Sink>) -> Box<dyn Sink>) {
        let names = self.sink_names();
        let sinks = std::mem::take(&mut self.sinks);
        let named = names.iter().zip(sinks);
        self.sinks = named.map(|(name, sink)| wrap(name, sink)).collect();
    }

    /// Runs it to its end, on a tokio runtime with time enabled.
    pub async fn run(self, run: Run, listener: &mut dyn Listener) -> Summary {
        let wall = run.clock.wall_millis();
        let scheduler = Scheduler::new(
            self.topology.batch_interval,
            run.mode,
            self.topology.on_failed_batch,
        );
        let names = self.topology.sinks.iter();
        let sinks = names
            .map(|sink| (sink.name.clone(), sink.input))
            .zip(self.sinks);
        let driver = Driver {
            scheduler,
            sources: Arc::new(Mutex::new(self.sources)),
            sinks: Arc::new(Mutex::new(sinks.collect())),
            executor: self.executor,
            references: Arc::new(Mutex::new(self.references)),
            interval: self.topology.batch_interval,
            zero: None,
            claimed: BTreeMap::new(),
            running: None,
            wake: None,
            stopping: None,
            ended: 0,
            summary: Summary::new(),
            grid: Grid::new(run.clock.clone(), run.start.unwrap_or(wall)),
            run,
            _pool: self.pool,
        };
        driver.drive(listener).await
    }
}

type Sources = BTreeMap<SourceId, Box<dyn Source>>;
type Sinks = Vec<((NodeName, StreamRef), Box<dyn Sink>)>;

/// What a claimed batch waits with.
struct Claimed {
    claims: Result<BTreeMap<SourceId, Claim>, BatchError>,
    at: Duration,
    exhausted: bool,
    fatal: bool,
}

struct Driver {
    scheduler: Scheduler,
    sources: Arc<Mutex<Sources>>,
    sinks: Arc<Mutex<Sinks>>,
    executor: Arc<Executor>,
    references: Arc<Mutex<Vec<DataSet>>>,
    interval: BatchInterval,
    /// The first batch less an interval (spec 2.1).
    zero: Option<BatchTime>,
    claimed: BTreeMap<BatchTime, Claimed>,
    running: Option<JoinHandle<Ended>>,
    wake: Option<BatchTime>,
    stopping: Option<JoinHandle<()>>,
    ended: u64,
    summary: Summary,
    grid: Grid,
    run: Run,
    /// Keeps the pool's threads until the last batch is done.
    _pool: Arc<Pool>,
}

/// A batch is over.
struct Ended {
    report: BatchReport,
    exhausted: bool,
    fatal: bool,
}

impl Driver {
    async fn drive(mut self, listener: &mut dyn Listener) -> Summary {
        let started = self.run.clock.monotonic();
        let mut commands = self.scheduler.handle(Event::Started(self.grid.now()));
        let mut stop_asked = false;
        loop {
            for command in std::mem::take(&mut commands) {
                if let Command::Finish(outcome) = command {
                    self.summary.outcome = outcome;
                    self.summary.elapsed = self.run.clock.monotonic().saturating_sub(started);
                    return self.summary;
                }
                self.obey(command).await;
            }
            let stop = self.run.stop.clone();
            tokio::select! {
                biased;
                () = stop.aborted() => {
                    self.executor.abort();
                    if let Some(running) = self.running.take() {
                        let _ = running.await; // what it was at is given up
                    }
                    self.summary.outcome = Outcome::Stopped;
                    self.summary.elapsed = self.run.clock.monotonic().saturating_sub(started);
                    return self.summary;
                }
                () = stop.asked(), if !stop_asked => {
                    stop_asked = true;
                    commands = self.scheduler.handle(Event::StopAsked);
                }
                ended = join(&mut self.running) => {
                    commands = self.batch_ended(ended, listener);
                }
                _ = join(&mut self.stopping) => {
                    commands = self.scheduler.handle(Event::ReceiversStopped);
                }
                now = self.grid.until(self.wake), if self.wake.is_some() => {
                    self.wake = None;
                    commands = self.scheduler.handle(Event::Tick(now));
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::WaitUntil(time) => self.wake = Some(time),
            Command::Claim(time) => self.claim(time).await,
            Command::Run(time) => self.start(time),
            Command::StopReceivers => {
                let sources = self.sources.clone();
                let runtime = tokio::runtime::Handle::current();
                self.stopping = Some(spawn_blocking(move || {
                    for source in lock(&sources).values_mut() {
                        runtime.block_on(source.stop());
                    }
                }));
            }
            // The loop handles it before anything is obeyed.
            Command::Finish(_) => {}
        }
    }

    async fn claim(&mut self, time: BatchTime) {
        self.zero
            .get_or_insert_with(|| self.interval.previous(time));
        let sources = self.sources.clone();
        let claim = spawn_blocking(move || {
            let mut sources = lock(&sources);
            let claims: Result<BTreeMap<SourceId, Claim>, SourceError> = sources
                .iter_mut()
                .map(|(id, source)| Ok((*id, source.claim(time)?)))
                .collect();
            let exhausted = sources.values().all(|source| source.is_exhausted());
            (claims, exhausted)
        });
        let (claims, exhausted) = claim.await.unwrap_or_else(|_| (Ok(BTreeMap::new()), true));
        let fatal = claims.as_ref().is_err_and(SourceError::is_fatal);
        let claimed = Claimed {
            claims: claims.map_err(|error| BatchError::Claim {
                time,
                error: Box::new(error),
            }),
            at: self.run.clock.monotonic(),
            exhausted,
            fatal,
        };
        self.claimed.insert(time, claimed);
    }

    fn start(&mut self, time: BatchTime) {
        let Some(claimed) = self.claimed.remove(&time) else {
            return;
        };
        let (executor, sinks, clock) = (
            self.executor.clone(),
            self.sinks.clone(),
            self.run.clock.clone(),
        );
        let references = self.references.clone();
        let number = self.number(time);
        self.running = Some(spawn_blocking(move || {
            let began = clock.monotonic();
            let given = claimed
                .claims
                .and_then(|claims| Ok((claims, read(&references, time)?)));
            let made = match given {
                Ok((claims, references)) => executor.run(BatchInput {
                    time,
                    number,
                    claims,
                    references,
                }),
                Err(error) => {
                    executor.give_up(time, number);
                    Err(error)
                }
            };
            let (report, sinks, errors) = match made {
                Ok(output) => {
                    let (sinks, errors) = write(&sinks, time, &output);
                    (output, sinks, errors)
                }
                Err(error) => (BatchOutput::default(), Vec::new(), vec![Arc::new(error)]),
            };
            Ended {
                report: BatchReport {
                    time,
                    records: report.records,
                    bytes: report.bytes,
                    replaced: report.replaced,
                    dropped: report.dropped,
                    sinks,
                    scheduling_delay: began.saturating_sub(claimed.at),
                    processing: clock.monotonic().saturating_sub(began),
                    cpu: report.cpu,
                    operators: report.operators,
                    errors,
                },
                exhausted: claimed.exhausted,
                fatal: claimed.fatal,
            }
        }));
    }

    /// How many intervals after zero time the batch is.
    fn number(&self, time: BatchTime) -> u64 {
        let zero = self.zero.unwrap_or(time).as_millis();
        let since = time.as_millis().saturating_sub(zero);
        u64::try_from(since / self.interval.as_millis()).unwrap_or(0)
    }

    fn batch_ended(&mut self, ended: Option<Ended>, listener: &mut dyn Listener) -> Vec<Command> {
        // A batch's own thread never panics: tasks are caught, and sinks return errors.
        let Some(Ended {
            report,
            exhausted,
            fatal,
        }) = ended
        else {
            return vec![Command::Finish(Outcome::Stopped)];
        };
        self.ended += 1;
        self.summary.add(&report);
        listener.batch_ended(&report);
        if fatal {
            return vec![Command::Finish(Outcome::BatchFailed(report.time))];
        }
        let exhausted = match self.run.batches {
            Some(batches) => self.ended >= batches,
            None => exhausted,
        };
        self.scheduler.handle(Event::BatchEnded {
            time: report.time,
            failed: !report.errors.is_empty(),
            exhausted,
        })
    }
}

/// The data sets from files, as they are now.
fn read(references: &Mutex<Vec<DataSet>>, time: BatchTime) -> Result<References, BatchError> {
    let mut references = lock(references);
    let rows = references.iter_mut().enumerate();
    rows.map(|(at, reference)| {
        let rows = reference.rows().map_err(|error| BatchError::DataSet {
            time,
            error: Box::new(error),
        })?;
        Ok((ReferenceId(at), rows))
    })
    .collect()
}

/// Gives the batch to every sink, in the order of definition (spec 4.1). One that fails does not
/// keep the others from theirs (spec 4.6).
fn write(
    sinks: &Mutex<Sinks>,
    time: BatchTime,
    output: &BatchOutput,
) -> (Vec<SinkReport>, Vec<Arc<BatchError>>) {
    let (mut reports, mut errors) = (Vec::new(), Vec::new());
    for ((name, input), sink) in &mut *lock(sinks) {
        let Some(batch) = output.streams.get(input) else {
            continue;
        };
        match sink.write(time, batch) {
            Ok(()) => reports.push(SinkReport {
                sink: name.clone(),
                rows: batch.rows() as u64,
            }),
            Err(error) => errors.push(Arc::new(BatchError::Sink {
                time,
                error: Box::new(error),
            })),
        }
    }
    (reports, errors)
}

/// What a blocking task returns; never, if there is none. None if it panicked.
async fn join<T>(task: &mut Option<JoinHandle<T>>) -> Option<T> {
    match task {
        None => std::future::pending().await,
        Some(handle) => {
            let joined = handle.await;
            *task = None;
            joined.ok()
        }
    }
}

/// The wall clock as it was at the start, moved on by the monotonic one: a wall clock that is set
/// while a stream runs moves no tick.
struct Grid {
    clock: Arc<dyn Clock>,
    wall: i64,
    monotonic: Duration,
}

impl Grid {
    fn new(clock: Arc<dyn Clock>, wall: i64) -> Self {
        Self {
            wall,
            monotonic: clock.monotonic(),
            clock,
        }
    }

    fn now(&self) -> BatchTime {
        let since = self.clock.monotonic().saturating_sub(self.monotonic);
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        BatchTime::from_millis(self.wall.saturating_add(since))
    }

    /// Waits until it is `time` or later, and says what it is then.
    async fn until(&self, time: Option<BatchTime>) -> BatchTime {
        let Some(time) = time else {
            return std::future::pending().await;
        };
        loop {
            let now = self.now();
            if now >= time {
                return now;
            }
            let left = time.as_millis().saturating_sub(now.as_millis());
            tokio::time::sleep(Duration::from_millis(left.unsigned_abs())).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
