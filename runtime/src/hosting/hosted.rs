//! A deployed topology and what it does now.

use std::sync::{Arc, Mutex, Weak};

use tokio::sync::watch;

use super::{Desired, HostingError, Phase, Record, Status, lock, tail::Tail};
use crate::{
    account::Account,
    checkpoint::Checkpoint,
    clock::Clock,
    model::{BatchTime, Location, Namespace},
    scheduler::Taps,
    stream::{BatchReport, Stop, Swapper},
    telemetry::TopologyLog,
};

/// A deployed topology.
pub(super) struct Hosted {
    inner: Mutex<Inner>,
    /// Counts what became of versions.
    decisions: watch::Sender<u64>,
    /// Whether something of it runs.
    active: watch::Sender<bool>,
    pub(super) tail: Tail,
    pub(super) log: Arc<TopologyLog>,
    /// What it has used since the process began.
    pub(super) account: Arc<Account>,
}

struct Inner {
    record: Record,
    phase: Phase,
    why: Option<String>,
    stop: Stop,
    batches: u64,
    failed_batches: u64,
    records: u64,
    last_batch: Option<i64>,
    last_error: Option<String>,
    /// While it runs.
    taps: Option<Taps>,
    /// While it runs.
    swapper: Option<Swapper>,
    /// The number of a version of which it is not told yet what becomes of it.
    deciding: Option<u64>,
    /// The last version that did not take over, and why.
    refused: Option<(u64, String)>,
    /// Where its checkpoint lies, if it has run in this process.
    kept: Option<Kept>,
}

/// What it writes down.
struct Kept {
    /// Where; none if nothing is.
    place: Option<Location>,
    /// While it runs.
    open: Weak<Checkpoint>,
}

impl Hosted {
    pub(super) fn new(record: Record, account: Account, clock: &Arc<dyn Clock>) -> Self {
        let whose = format!("{}/{}", record.namespace, record.name);
        let clock = clock.clone();
        Self {
            log: Arc::new(TopologyLog::new(whose, move || clock.wall_millis())),
            inner: Mutex::new(Inner {
                phase: Phase::Stopped,
                record,
                why: None,
                stop: Stop::new(),
                batches: 0,
                failed_batches: 0,
                records: 0,
                last_batch: None,
                last_error: None,
                taps: None,
                swapper: None,
                deciding: None,
                refused: None,
                kept: None,
            }),
            decisions: watch::Sender::new(0),
            active: watch::Sender::new(false),
            tail: Tail::default(),
            account: Arc::new(account),
        }
    }

    pub(super) fn namespace(&self) -> Namespace {
        lock(&self.inner).record.namespace.clone()
    }

    pub(super) fn record(&self) -> Record {
        lock(&self.inner).record.clone()
    }

    /// Changes what is to be kept of it, and answers with that.
    pub(super) fn change(&self, change: impl FnOnce(&mut Record)) -> Record {
        let mut inner = lock(&self.inner);
        change(&mut inner.record);
        inner.record.clone()
    }

    /// It starts, unless it runs already or is not to run; answers with what stops it.
    pub(super) fn begin(&self) -> Option<Stop> {
        let mut inner = lock(&self.inner);
        if inner.phase.is_active() {
            return None;
        }
        if inner.record.is_quarantined() {
            inner.phase = Phase::Quarantined;
            inner.why = Some(format!(
                "a batch of it was in flight at {} crashes of the server in a row; `start` runs it again",
                inner.record.crashes
            ));
            return None;
        }
        match inner.record.desired {
            Desired::Running => {}
            Desired::Stopped => return None,
            Desired::Finished => {
                inner.phase = Phase::Finished;
                return None;
            }
        }
        let stop = Stop::new();
        inner.phase = Phase::Starting;
        inner.why = None;
        inner.stop = stop.clone();
        (inner.batches, inner.failed_batches, inner.records) = (0, 0, 0);
        (inner.last_batch, inner.last_error) = (None, None);
        self.active.send_replace(true);
        Some(stop)
    }

    pub(super) fn runs(
        &self,
        (taps, swapper): (Taps, Swapper),
        checkpoint: Option<&Arc<Checkpoint>>,
    ) {
        let mut inner = lock(&self.inner);
        inner.taps = Some(taps);
        inner.swapper = Some(swapper);
        if let Some(kept) = &mut inner.kept {
            kept.open = checkpoint.map(Arc::downgrade).unwrap_or_default();
        }
        if inner.phase == Phase::Starting {
            inner.phase = Phase::Running;
        }
    }

    pub(super) fn batch_ended(&self, batch: &BatchReport) {
        let took = batch.scheduling_delay + batch.processing;
        self.account.latency().took(took);
        let mut inner = lock(&self.inner);
        inner.batches += 1;
        inner.records += batch.records;
        inner.last_batch = Some(batch.time.as_millis());
        if let Some(error) = batch.errors.last() {
            inner.failed_batches += 1;
            inner.last_error = Some(error.to_string());
        }
    }

    /// It is over.
    pub(super) fn over(&self, phase: Phase, why: Option<String>) {
        let mut inner = lock(&self.inner);
        inner.phase = phase;
        inner.why = why;
        inner.taps = None;
        inner.swapper = None;
        drop(inner);
        self.active.send_replace(false);
    }

    /// What waited makes the batches from this one on.
    pub(super) fn taken_over(&self, first: BatchTime) {
        self.change(|record| record.taken_over(Some(first.as_millis())));
        self.decisions.send_modify(|decisions| *decisions += 1);
    }

    /// What waited has not taken over.
    pub(super) fn not_taken(&self, why: String) {
        self.change(|record| record.not_taken(why));
        self.decisions.send_modify(|decisions| *decisions += 1);
    }

    /// What was live is not any more, and the version before it is again.
    pub(super) fn gone_back(&self, why: String) {
        self.change(|record| {
            record.gone_back(why);
        });
        self.decisions.send_modify(|decisions| *decisions += 1);
    }

    /// What becomes of this version is still to be told.
    pub(super) fn is_deciding(&self, number: u64) {
        let mut inner = lock(&self.inner);
        inner.deciding = Some(number);
        inner.refused = None;
    }

    /// Why this version has not taken over, if it is the last that was to and has not.
    pub(super) fn refused(&self, number: u64) -> Option<String> {
        let inner = lock(&self.inner);
        let own = inner.refused.as_ref().filter(|(one, _)| *one == number);
        own.map(|(_, why)| why.clone())
    }

    /// All of that is told: why it has not taken over, if it has not, in short and with all that was seen.
    pub(super) fn is_decided(&self, refused: Option<(String, String)>) {
        let mut inner = lock(&self.inner);
        let number = inner.deciding.take();
        if let Some((why, told)) = refused {
            inner.record.not_taken(why);
            inner.refused = number.map(|number| (number, told));
        }
        drop(inner);
        self.decisions.send_modify(|decisions| *decisions += 1);
    }

    /// Waits until this version does not wait any more.
    pub(super) async fn decided(&self, number: u64) {
        let is_decided = |_: &u64| {
            let inner = lock(&self.inner);
            let waiting = inner.record.waiting.as_ref();
            let waits = waiting.is_some_and(|waiting| waiting.number == number);
            !waits && inner.deciding != Some(number)
        };
        // The sender lives in `self`, so there is no error.
        let _ = self.decisions.subscribe().wait_for(is_decided).await;
    }

    /// What takes versions to it, while it runs and is not just stopping.
    pub(super) fn swapper(&self) -> Option<Swapper> {
        let inner = lock(&self.inner);
        let runs = inner.phase == Phase::Running;
        inner.swapper.clone().filter(|_| runs)
    }

    /// Asks it to stop after the batches in flight.
    pub(super) fn ask_to_stop(&self) {
        let mut inner = lock(&self.inner);
        if inner.phase.is_active() {
            inner.phase = Phase::Stopping;
            inner.stop.graceful();
        } else if inner.record.desired == Desired::Stopped && !inner.record.is_quarantined() {
            inner.phase = Phase::Stopped;
            inner.why = None;
        }
    }

    pub(super) fn abort(&self) {
        lock(&self.inner).stop.abort();
    }

    pub(super) fn is_stopping(&self) -> bool {
        lock(&self.inner).phase == Phase::Stopping
    }

    pub(super) fn is_running(&self) -> bool {
        lock(&self.inner).phase.is_active()
    }

    /// Waits until nothing of it runs.
    pub(super) async fn ended(&self) {
        // The sender lives in `self`, so there is no error.
        let _ = self.active.subscribe().wait_for(|active| !active).await;
    }

    /// It was found out where its checkpoint lies, if it has one.
    pub(super) fn keeps(&self, place: Option<Location>) {
        let open = Weak::new();
        lock(&self.inner).kept = Some(Kept { place, open });
    }

    /// Where its checkpoint lies, and the checkpoint itself while it runs.
    pub(super) fn kept(&self) -> Result<(Location, Option<Arc<Checkpoint>>), HostingError> {
        let inner = lock(&self.inner);
        let name = || inner.record.name.clone();
        let kept = inner.kept.as_ref();
        let kept = kept.ok_or_else(|| HostingError::NeverRan(name()))?;
        let place = kept.place.clone();
        let place = place.ok_or_else(|| HostingError::NothingKept(name()))?;
        Ok((place, kept.open.upgrade()))
    }

    /// Where its streams can be looked at, while it runs.
    pub(super) fn taps(&self) -> Option<Taps> {
        lock(&self.inner).taps.clone()
    }

    pub(super) fn output(&self) -> Vec<u8> {
        self.tail.bytes()
    }

    pub(super) fn status(&self) -> Status {
        let inner = lock(&self.inner);
        let record = &inner.record;
        Status {
            name: record.name.to_string(),
            version: record.live.number,
            phase: inner.phase,
            why: inner.why.clone(),
            batches: inner.batches,
            failed_batches: inner.failed_batches,
            records: inner.records,
            last_batch: inner.last_batch,
            last_error: inner.last_error.clone(),
            deployed_by: record.live.by.clone(),
            deployed_at: record.live.at,
            changed_by: record.changed_by.clone(),
            changed_at: record.changed_at,
        }
    }
}
