//! Runs a topology: waits for ticks, claims, executes, writes to sinks, until it is over.

mod candidate;
mod going_back;
mod recovery;
mod swapping;

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use tokio::task::JoinHandle;

use self::candidate::Candidate;
use super::{
    BatchReport, Listener, Stop, Summary,
    batches::{Batches, Claimed, Ended, Sources},
    blocking::{batch_span, spawn_batch, spawn_blocking},
    grid::Grid,
    shadow::KeptInput,
    swap::{Requests, Swapper},
    take_over::named,
    trial::Trial,
    writer::StateWriter,
};
use going_back::GoneBack;

use crate::{
    checkpoint::{Checkpoint, Opened, Recovered},
    clock::Clock,
    model::{BatchInterval, BatchTime, NodeName},
    plugin::Plugin,
    scheduler::{
        Command, Event, Executor, Mode, Outcome, Plan, Pool, Scheduler, Taps, Tenant, catch_up,
        rhythm,
    },
    sink::Sink,
    source::{DataSet, Source},
    topology::{CatchUp, SourceId, Topology},
};

/// A topology with everything it needs to run, not started yet.
pub struct Stream {
    topology: Arc<Topology>,
    sources: Sources,
    sinks: Vec<Box<dyn Sink>>,
    executor: Arc<Executor>,
    references: Vec<DataSet>,
    pool: Arc<Pool>,
    checkpoint: Option<Arc<Checkpoint>>,
    recovered: Option<Recovered>,
    swaps: Option<(Swapper, Requests)>,
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
        Self::of_tenant(topology, plan, plugins, sources, sinks, (pool, tenant))
    }

    /// As [`Stream::planned`], whose tasks run as those of a tenant of the pool. What aborts the
    /// stream aborts the tenant: give each stream a [`fellow`](Tenant::fellow).
    pub fn of_tenant(
        topology: Arc<Topology>,
        plan: Plan,
        plugins: Vec<Plugin>,
        sources: BTreeMap<SourceId, Box<dyn Source>>,
        sinks: Vec<Box<dyn Sink>>,
        (pool, tenant): (&Arc<Pool>, Tenant),
    ) -> Self {
        let executor = Executor::new(topology.clone(), plugins, plan, tenant);
        let references = topology.references.iter().cloned().map(DataSet::new);
        let sources = sources.into_iter();
        let sources = sources.map(|(id, source)| (topology.sources[id.0].name.clone(), source));
        Self {
            references: references.collect(),
            sources: sources.collect(),
            topology,
            sinks,
            executor: Arc::new(executor),
            pool: pool.clone(),
            checkpoint: None,
            recovered: None,
            swaps: None,
        }
    }

    /// Writes down there what must outlive the process, and goes on from what is there.
    #[must_use]
    pub fn with_checkpoint(self, opened: Opened) -> Self {
        Self {
            checkpoint: Some(opened.checkpoint),
            recovered: opened.recovered,
            ..self
        }
    }

    /// Where its streams can be looked at while it runs.
    pub fn taps(&self) -> Taps {
        self.executor.taps().clone()
    }

    /// What takes other versions to it while it runs. To be called with its checkpoint, if it has
    /// one.
    pub fn swapper(&mut self) -> Swapper {
        let checkpoint = &self.checkpoint;
        let swaps = &mut self.swaps;
        let (swapper, _) = swaps.get_or_insert_with(|| Swapper::new(checkpoint.clone()));
        swapper.clone()
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

    /// Runs it to its end, on a tokio runtime with time enabled. When it has a checkpoint it first
    /// makes again what an earlier run had claimed.
    pub async fn run(self, run: Run, listener: &mut dyn Listener) -> Summary {
        self.drive(run, false, listener).await
    }

    /// Makes again what an earlier run had claimed, but for what it failed on and sinks have
    /// nothing of; writes the state, and ends. Another version of the topology can go on then.
    pub async fn recover(self, run: Run, listener: &mut dyn Listener) -> Summary {
        self.drive(run, true, listener).await
    }

    async fn drive(self, run: Run, only_recovers: bool, listener: &mut dyn Listener) -> Summary {
        let wall = run.clock.wall_millis();
        let scheduler = Scheduler::new(
            self.topology.batch_interval,
            run.mode,
            self.topology.on_failed_batch,
        );
        let every = self.topology.checkpoint.as_ref().map(|c| c.interval);
        let batches = Arc::new(Batches {
            sources: Arc::new(Mutex::new(self.sources)),
            sinks: Mutex::new(named(&self.topology, self.sinks)),
            executor: self.executor,
            references: Mutex::new(self.references),
            clock: run.clock.clone(),
            checkpoint: self.checkpoint.clone(),
            topology: self.topology,
        });
        let driver = Driver {
            scheduler,
            writer: StateWriter::new(self.checkpoint, every),
            batches,
            recovered: self.recovered,
            requests: self.swaps.map(|(_, requests)| requests),
            candidate: None,
            swapped: None,
            trial: None,
            only_recovers,
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

struct Driver {
    scheduler: Scheduler,
    /// Of the version that runs.
    batches: Arc<Batches>,
    /// Versions that wait to take over; none: nobody can ask.
    requests: Option<Requests>,
    /// A version that is on its way to take over.
    candidate: Option<Box<Candidate>>,
    /// The first batch of the version that took over last.
    swapped: Option<BatchTime>,
    /// There is a way back from the version that runs.
    trial: Option<Trial>,
    writer: StateWriter,
    recovered: Option<Recovered>,
    /// Nothing new is claimed.
    only_recovers: bool,
    /// The first batch less an interval (spec 2.1).
    zero: Option<BatchTime>,
    /// And the version that claimed them.
    claimed: BTreeMap<BatchTime, (Arc<Batches>, Claimed)>,
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

impl Driver {
    async fn drive(mut self, listener: &mut dyn Listener) -> Summary {
        let started = self.run.clock.monotonic();
        let outcome = self.until_over(listener).await;
        self.give_up_candidate().await;
        if !self.run.stop.is_aborted()
            && let Err(error) = self.writer.end(&self.batches, outcome).await
        {
            tracing::error!("{error}");
            self.summary.failed += 1;
            self.summary.last_error = Some(Arc::new(error));
        }
        self.summary.outcome = outcome;
        self.summary.elapsed = self.run.clock.monotonic().saturating_sub(started);
        self.summary
    }

    async fn until_over(&mut self, listener: &mut dyn Listener) -> Outcome {
        let mut commands = match self.recovered.take() {
            Some(recovered) => match self.recover(recovered, listener).await {
                Ok(last) => {
                    let now = self.grid.now();
                    let last = last.map(|last| self.caught_up(last, now));
                    self.scheduler.handle(Event::Resumed { last, now })
                }
                Err(outcome) => return outcome,
            },
            None => self.scheduler.handle(Event::Started(self.grid.now())),
        };
        let mut stop_asked = false;
        loop {
            for command in std::mem::take(&mut commands) {
                if let Command::Finish(outcome) = command {
                    return outcome;
                }
                if let Some(outcome) = self.obey(command, listener).await {
                    return outcome;
                }
            }
            let stop = self.run.stop.clone();
            tokio::select! {
                biased;
                () = stop.aborted() => {
                    self.batches.executor.abort();
                    if let Some(running) = self.running.take() {
                        let _ = running.await; // what it was at is given up
                    }
                    return Outcome::Stopped;
                }
                () = stop.asked(), if !stop_asked => {
                    stop_asked = true;
                    commands = self.scheduler.handle(Event::StopAsked);
                }
                ended = join(&mut self.running) => {
                    commands = self.batch_ended(ended, listener).await;
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

    /// The batch behind which the grid goes on.
    fn caught_up(&self, last: BatchTime, now: BatchTime) -> BatchTime {
        let topology = &self.batches.topology;
        let policy = topology.checkpoint.as_ref().map(|c| c.catch_up);
        let (interval, zero) = (topology.batch_interval, self.zero.unwrap_or(last));
        if (self.run.mode, policy) != (Mode::Live, Some(CatchUp::One)) {
            return last;
        }
        let one = catch_up((zero, last, now), interval, rhythm(topology));
        one.map_or(last, |one| interval.previous(one))
    }

    /// Answers with the end of the run if that is it.
    async fn obey(&mut self, command: Command, listener: &mut dyn Listener) -> Option<Outcome> {
        match command {
            Command::WaitUntil(time) => self.wake = Some(time),
            Command::Claim(time) => {
                if self.running.is_none()
                    && self.claimed.is_empty()
                    && let Some(outcome) = self.boundary(time, listener).await
                {
                    return Some(outcome);
                }
                self.claim(time).await;
            }
            Command::Run(time) => {
                if let Some(outcome) = self.boundary(time, listener).await {
                    return Some(outcome);
                }
                listener.batch_began(time);
                self.start(time);
            }
            Command::StopReceivers => self.stopping = Some(self.stop_receivers()),
            // The loop handles it before anything is obeyed.
            Command::Finish(_) => {}
        }
        None
    }

    fn stop_receivers(&self) -> JoinHandle<()> {
        let batches = self.batches.clone();
        let runtime = tokio::runtime::Handle::current();
        spawn_blocking(move || batches.stop_receivers(&runtime))
    }

    async fn claim(&mut self, time: BatchTime) {
        let interval = self.batches.topology.batch_interval;
        self.zero.get_or_insert_with(|| interval.previous(time));
        let (batches, number) = (self.batches.clone(), self.number(time));
        let claiming = batches.clone();
        let claim = move || claiming.charged(|own| own.claim(time, number));
        // To hand it to another thread costs more than it does.
        let claimed = match batches.claims_at_once() {
            true => Ok(batch_span(time).in_scope(claim)),
            // It never panics: sources return errors.
            false => spawn_batch(time, claim).await,
        };
        if let Ok(claimed) = claimed {
            self.claimed.insert(time, (batches, claimed));
        }
    }

    fn start(&mut self, time: BatchTime) {
        let Some((by, mut claimed)) = self.claimed.remove(&time) else {
            return;
        };
        let number = claimed.number;
        if let Some(trial) = self.trial.as_mut().filter(|trial| trial.covers(number)) {
            let is_own = Arc::ptr_eq(&by, &self.batches);
            trial.begins(&mut claimed, (&by.topology, is_own));
        }
        let batches = self.batches.clone();
        let is_shown = self.candidate.as_ref().is_some_and(|one| one.wants_more());
        self.running = Some(spawn_batch(time, move || {
            batches.charged_around_tasks(|own| {
                let mut claimed = match Arc::ptr_eq(&by, &batches) {
                    true => claimed,
                    false => own.claim_instead(claimed, &by),
                };
                if !is_shown {
                    return own.make(claimed, None).without_streams();
                }
                let input = KeptInput::of(&mut claimed, &own.topology);
                let ended = own.make(claimed, None);
                Ended { input, ..ended }
            })
        }));
    }

    /// How many intervals after zero time the batch is.
    fn number(&self, time: BatchTime) -> u64 {
        let zero = self.zero.unwrap_or(time).as_millis();
        let since = time.as_millis().saturating_sub(zero);
        let interval = self.batches.topology.batch_interval.as_millis();
        u64::try_from(since / interval).unwrap_or(0)
    }

    fn report(&mut self, report: &BatchReport, listener: &mut dyn Listener) {
        self.ended += 1;
        self.summary.add(report);
        listener.batch_ended(report);
    }

    /// Writes the state after the batch, if it is time to; the end of the run if that fails.
    async fn keep(&mut self, ended: &Ended, listener: &mut dyn Listener) -> Result<(), Outcome> {
        let written = self
            .writer
            .batch_ended(&self.batches, ended, self.zero)
            .await;
        written.map_err(|error| {
            let mut report = ended.report.clone();
            report.errors = vec![Arc::new(error)];
            self.summary.failed += 1;
            self.summary.last_error = report.errors.last().cloned();
            listener.batch_ended(&report);
            Outcome::BatchFailed(ended.report.time)
        })
    }

    async fn batch_ended(
        &mut self,
        ended: Option<Ended>,
        listener: &mut dyn Listener,
    ) -> Vec<Command> {
        // A batch's own thread never panics: tasks are caught, and sinks return errors.
        let Some(ended) = ended else {
            // If one did, what operators remember is of no batch.
            self.writer.forget();
            return vec![Command::Finish(Outcome::Stopped)];
        };
        let mut ended = match ended.goes_back {
            true => match self.made_by_the_one_before(ended, listener).await {
                GoneBack::Runs => return Vec::new(),
                GoneBack::Not(ended) => *ended,
                GoneBack::Over(outcome) => return vec![Command::Finish(outcome)],
            },
            false => ended,
        };
        self.report(&ended.report, listener);
        if let Some(candidate) = &mut self.candidate {
            candidate.show(&mut ended);
        }
        if ended.fatal {
            return vec![Command::Finish(Outcome::BatchFailed(ended.report.time))];
        }
        self.tried(ended.number, listener);
        if let Err(outcome) = self.keep(&ended, listener).await {
            return vec![Command::Finish(outcome)];
        }
        let exhausted = match self.run.batches {
            Some(batches) => self.ended >= batches,
            None => ended.exhausted,
        };
        self.scheduler.handle(Event::BatchEnded {
            time: ended.report.time,
            failed: !ended.report.errors.is_empty(),
            exhausted,
        })
    }
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
