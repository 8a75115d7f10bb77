//! Goes on from what an earlier run left behind.

use std::sync::Arc;

use super::{Driver, going_back::GoneBack};
use crate::{
    checkpoint::{Recovered, RecoveredClaim},
    model::BatchTime,
    scheduler::{BatchError, Mode, Outcome},
    stream::{
        Listener, ResumeError, Stop,
        batches::{Batches, Committed, Ended},
        blocking::spawn_batch,
    },
};

/// Missed batches above this are worth a warning.
const MANY_MISSED: i64 = 1_000;

impl Driver {
    /// Makes again what an earlier run had claimed; answers with the last batch that was, if there
    /// was one, or with the end of the run.
    pub(super) async fn recover(
        &mut self,
        recovered: Recovered,
        listener: &mut dyn Listener,
    ) -> Result<Option<BatchTime>, Outcome> {
        self.zero = recovered.zero;
        self.writer.resume(recovered.state);
        if recovered.is_followed && !self.only_recovers {
            return Err(self.cannot_resume(&ResumeError::Followed, recovered.last));
        }
        if let Err(error) = self.batches.resume(&recovered) {
            return Err(self.cannot_resume(&error, recovered.last));
        }
        if recovered.finished {
            tracing::info!("all batches were made by an earlier run");
            return Err(Outcome::Exhausted);
        }
        if let Some(last) = recovered.last {
            let again = recovered.claims.len();
            tracing::info!("going on after batch {last}; {again} batches are made again");
        }
        self.trial = recovered.on_trial.map(|first| self.trial_of_before(first));
        for claim in recovered.claims {
            if self.only_recovers && claim.is_free() {
                break;
            }
            listener.batch_began(claim.time);
            let on_trial = self.trial.as_ref();
            let on_trial = on_trial.is_some_and(|trial| trial.covers(claim.number));
            let made = make_again(
                self.batches.clone(),
                self.run.stop.clone(),
                (claim, on_trial),
            );
            let mut ended = made.await?;
            if ended.goes_back {
                ended = match self.made_by_the_one_before(ended, listener).await {
                    GoneBack::Not(ended) => *ended,
                    GoneBack::Over(outcome) => return Err(outcome),
                    // Only what is here makes a batch.
                    GoneBack::Runs => return Err(Outcome::Stopped),
                };
            }
            let time = ended.report.time;
            let failed = !ended.report.errors.is_empty();
            // What succeeded before and fails now would leave another state behind.
            let differs = failed && ended.committed == Committed::Before { failed: false };
            let is_new = !matches!(ended.committed, Committed::Before { .. });
            if differs || is_new {
                self.report(&ended.report, listener);
            }
            if ended.fatal || differs || (failed && ended.committed == Committed::No) {
                return Err(Outcome::BatchFailed(time));
            }
            self.tried(ended.number, listener);
            self.keep(&ended, listener).await?;
            if self.run.stop.is_asked() {
                // What receivers hold is logged; the next run takes it up.
                let _ = self.stop_receivers().await;
                return Err(Outcome::Stopped);
            }
        }
        if self.only_recovers {
            let _ = self.stop_receivers().await;
            return Err(Outcome::Stopped);
        }
        let ends = self.run.mode == Mode::Virtual && self.run.batches.is_none();
        if ends && recovered.last.is_some() && self.batches.is_exhausted() {
            return Err(Outcome::Exhausted);
        }
        if let (Mode::Live, Some(last)) = (self.run.mode, recovered.last) {
            if let Some(behind) = self.grid.not_before(last) {
                // Waiting for the clock could take days, and batch times never go back.
                tracing::warn!(
                    "the clock is {behind:?} behind the last batch, {last}: batch times go on from there, ahead of the clock"
                );
            }
            let interval = self.batches.topology.batch_interval.as_millis();
            let missed = self.grid.now().as_millis().saturating_sub(last.as_millis()) / interval;
            if missed > MANY_MISSED {
                tracing::warn!("{missed} batches were missed and are made now, mostly empty ones");
            }
        }
        Ok(recovered.last)
    }

    fn cannot_resume(&mut self, error: &ResumeError, last: Option<BatchTime>) -> Outcome {
        let time = last.unwrap_or(BatchTime::from_millis(0));
        self.summary.failed += 1;
        self.summary.last_error = Some(Arc::new(BatchError::NotDurable {
            time,
            what: "go on after it",
            why: error.to_string(),
        }));
        tracing::error!("cannot go on from the checkpoint: {error}");
        Outcome::BatchFailed(time)
    }
}

/// Answers with the end of the run if it is aborted meanwhile.
async fn make_again(
    batches: Arc<Batches>,
    stop: Stop,
    (claim, on_trial): (RecoveredClaim, bool),
) -> Result<Ended, Outcome> {
    let maker = batches.clone();
    let mut made = spawn_batch(claim.time, move || {
        maker.charged_around_tasks(|own| {
            let mut claimed = own.claim_again(&claim);
            claimed.on_trial = on_trial;
            claimed.untouched |= on_trial && !claim.given;
            own.make(claimed, claim.committed).without_streams()
        })
    });
    tokio::select! {
        biased;
        () = stop.aborted() => {
            batches.executor.abort();
            let _ = made.await; // what it was at is given up
            Err(Outcome::Stopped)
        }
        // It never panics: tasks are caught, and sinks return errors.
        ended = &mut made => ended.map_err(|_| Outcome::Stopped),
    }
}
