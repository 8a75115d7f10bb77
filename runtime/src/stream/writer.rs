//! When state is written: at the checkpoint interval, and at the end.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    batches::{Batches, Committed, Ended},
    blocking::spawn_blocking,
};
use crate::{
    account::Work,
    checkpoint::{Checkpoint, SourceFact},
    model::BatchTime,
    scheduler::{BatchError, Outcome},
};

/// Writes that may be under way; the batch loop waits for the oldest before there is one more.
const OUTSTANDING: usize = 2;

/// Where the topology does not say how often.
const EVERY: Duration = Duration::from_secs(10);

/// Writes the state of a stream, behind the back of its batches.
pub(super) struct StateWriter {
    checkpoint: Option<Arc<Checkpoint>>,
    every: Duration,
    /// The state was last written after this batch.
    written: Option<BatchTime>,
    /// The last batch that is committed, if none failed since that will be made again.
    last: Option<Last>,
    under_way: VecDeque<(BatchTime, JoinHandle<Result<(), String>>)>,
    /// The last write says when it is done; the next one belongs upon it.
    before: Option<oneshot::Receiver<()>>,
    /// Another version has taken over since the last write: nothing is built upon that.
    anew: bool,
    /// All batches so far are committed, and no source has anything more.
    exhausted: bool,
}

struct Last {
    time: BatchTime,
    number: u64,
    sources: Vec<SourceFact>,
}

impl StateWriter {
    pub(super) fn new(checkpoint: Option<Arc<Checkpoint>>, every: Option<Duration>) -> Self {
        Self {
            checkpoint,
            every: every.unwrap_or(EVERY),
            written: None,
            last: None,
            under_way: VecDeque::new(),
            before: None,
            anew: false,
            exhausted: false,
        }
    }

    /// An earlier run has written the state after this batch; none: it has written none.
    pub(super) fn resume(&mut self, written: Option<BatchTime>) {
        self.written = written;
    }

    /// What operators remember is of no batch: it must not be written.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Another version takes over: what is written next is whole.
    pub(super) fn begin_anew(&mut self) {
        self.anew = true;
    }

    /// A batch is over: writes the state if the interval since zero time, or since the last write,
    /// has passed.
    pub(super) async fn batch_ended(
        &mut self,
        batches: &Arc<Batches>,
        ended: &Ended,
        zero: Option<BatchTime>,
    ) -> Result<(), BatchError> {
        if self.checkpoint.is_none() {
            return Ok(());
        }
        let time = ended.report.time;
        self.exhausted = ended.exhausted && ended.committed != Committed::No;
        if ended.committed == Committed::No {
            // What operators remember now is of a batch that will be made again.
            self.forget();
            return Ok(());
        }
        self.last = Some(Last {
            time,
            number: ended.number,
            sources: ended.sources.clone(),
        });
        let since = self.written.or(zero).unwrap_or(time);
        let passed = time.as_millis().saturating_sub(since.as_millis());
        if u128::try_from(passed).unwrap_or(0) < self.every.as_millis() {
            return Ok(());
        }
        self.write(batches).await
    }

    /// Writes the state after the last batch, if it has not been written.
    pub(super) async fn write(&mut self, batches: &Arc<Batches>) -> Result<(), BatchError> {
        let (Some(checkpoint), Some(last)) = (self.checkpoint.clone(), self.last.take()) else {
            return Ok(());
        };
        while self.under_way.len() >= OUTSTANDING {
            self.wait(batches).await?;
        }
        let time = last.time;
        let maker = batches.clone();
        let before = self.before.take();
        // What an earlier run wrote is not built upon: what changed since is not known.
        let anew = std::mem::take(&mut self.anew);
        let whole = anew || before.is_none() || checkpoint.is_whole_due();
        let state =
            spawn_blocking(move || maker.saved((time, last.number), last.sources, whole)).await;
        let state = state.unwrap_or_else(|_| Err(panicked(time)))?;
        let (done, next) = oneshot::channel();
        self.before = Some(next);
        let account = batches.executor.account().clone();
        let handle = spawn_blocking(move || {
            if before.is_some_and(|before| before.blocking_recv().is_err()) {
                // That one failed, which ends the run.
                return Ok(());
            }
            let written = account.measure(Work::State, || checkpoint.write(&state));
            written.map_err(|error| error.to_string())?;
            let holds = account.holds_state(checkpoint.state_bytes());
            holds.map_err(|error| error.to_string())?;
            let _ = done.send(()); // nobody waits if it was the last
            Ok(())
        });
        self.under_way.push_back((time, handle));
        self.written = Some(time);
        Ok(())
    }

    /// Waits until nothing is written any more.
    pub(super) async fn settle(&mut self, batches: &Arc<Batches>) -> Result<(), BatchError> {
        while !self.under_way.is_empty() {
            self.wait(batches).await?;
        }
        Ok(())
    }

    /// Another version goes on from a state before the last one: the next one is whole, and soon.
    pub(super) fn go_back(&mut self) {
        self.forget();
        self.begin_anew();
        self.written = None;
    }

    /// Waits for the oldest write that is under way.
    async fn wait(&mut self, batches: &Arc<Batches>) -> Result<(), BatchError> {
        let Some((time, handle)) = self.under_way.pop_front() else {
            return Ok(());
        };
        match handle.await {
            Ok(Ok(())) => {
                batches.are_covered(time);
                Ok(())
            }
            Ok(Err(why)) => Err(not_written(time, why)),
            Err(_) => Err(panicked(time)),
        }
    }

    /// The run is over: writes the state after the last batch, so that nothing has to be made
    /// again.
    pub(super) async fn end(
        &mut self,
        batches: &Arc<Batches>,
        outcome: Outcome,
    ) -> Result<(), BatchError> {
        let time = self.last.as_ref().map(|last| last.time);
        if !matches!(outcome, Outcome::BatchFailed(_)) {
            self.write(batches).await?;
        }
        self.settle(batches).await?;
        if let (Some(checkpoint), Outcome::Exhausted, true) =
            (&self.checkpoint, outcome, self.exhausted)
        {
            let time = time.or(self.written).unwrap_or(BatchTime::from_millis(0));
            let finished = checkpoint.finish();
            finished.map_err(|error| not_written(time, error.to_string()))?;
        }
        Ok(())
    }
}

fn not_written(time: BatchTime, why: String) -> BatchError {
    BatchError::NotDurable {
        time,
        what: "write the state after it",
        why,
    }
}

fn panicked(time: BatchTime) -> BatchError {
    not_written(
        time,
        "the writer panicked; this is a bug in rsrt".to_owned(),
    )
}
