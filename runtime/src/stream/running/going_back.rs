//! The version before goes on: a batch has failed because of the one that runs, or someone wants
//! it.

use std::sync::Arc;

use super::{Driver, swapping::Swap};
use crate::{
    crash_points::around,
    model::BatchTime,
    scheduler::{BatchError, Outcome, SavedMemory},
    stream::{
        Listener, SwapError, Swapped, VersionEvent,
        batches::{Batches, Ended},
        blocking::{spawn_batch, spawn_blocking},
        swap::Answer,
        trial::{BATCHES, Before, KeptBatch, Trial, Waiting},
    },
    topology::Diff,
};

/// What came of a batch that failed because of its version.
pub(super) enum GoneBack {
    /// The version before makes it now.
    Runs,
    /// It has failed; there is no way back any more.
    Not(Box<Ended>),
    /// The run ends.
    Over(Outcome),
}

/// Why the version before does not go on.
enum Stays {
    /// It cannot make what it must: nothing was changed.
    Why(String),
    /// The run ends.
    Over(Outcome),
}

impl Driver {
    /// The version that runs is about to be followed by another, whose first batch this is: what it
    /// remembers is kept for a way back.
    pub(super) async fn trial_from(&mut self, first: BatchTime) -> Result<Trial, String> {
        let batches = self.batches.clone();
        let mut since = None;
        let retained = match &batches.checkpoint {
            Some(checkpoint) => {
                let written = self.writer.write(&batches).await;
                written.map_err(|error| error.to_string())?;
                checkpoint.retained()
            }
            None if batches.executor.remembers() => {
                since = Some((remembered(&batches).await?, Vec::new()));
                BATCHES
            }
            None => BATCHES,
        };
        let interval = batches.topology.batch_interval;
        self.zero.get_or_insert_with(|| interval.previous(first));
        Ok(Trial {
            first,
            until: self.number(first).saturating_add(retained),
            before: Before::Here(Waiting {
                batches,
                since,
                running: None,
            }),
        })
    }

    /// An earlier run began with the version that runs now.
    pub(super) fn trial_of_before(&self, first: BatchTime) -> Trial {
        let checkpoint = self.batches.checkpoint.as_ref();
        let retained = checkpoint.map_or(0, |checkpoint| checkpoint.retained());
        Trial {
            first,
            until: self.number(first).saturating_add(retained),
            before: Before::Gone,
        }
    }

    /// A batch has ended.
    pub(super) fn tried(&mut self, number: u64, listener: &mut dyn Listener) {
        let Some(trial) = &mut self.trial else { return };
        trial.has_ended();
        if trial.covers(number.saturating_add(1)) {
            return;
        }
        let first = trial.first;
        self.trial = None;
        listener.version(&VersionEvent::Settled { first });
    }

    /// A batch that failed because of its version is made by the version before.
    pub(super) async fn made_by_the_one_before(
        &mut self,
        ended: Ended,
        listener: &mut dyn Listener,
    ) -> GoneBack {
        let at = ended.report.time;
        let why = ended.report.errors.first().map(ToString::to_string);
        let why = why.unwrap_or_default();
        let Some(trial) = self.trial.take() else {
            return self.fails(ended).await;
        };
        let mut waiting = match trial.before {
            Before::Here(waiting) => waiting,
            Before::Gone => {
                if let Err(outcome) = self.begin_back(at, &why).await {
                    return GoneBack::Over(outcome);
                }
                self.summary.went_back = true;
                self.report(&ended.report, listener);
                tell_back((trial.first, at), why, listener);
                return GoneBack::Over(Outcome::BatchFailed(at));
            }
        };
        let Some(kept) = waiting.running.take() else {
            return self.fails(ended).await;
        };
        match self.back_to(waiting, (trial.first, at), &why).await {
            Ok(()) => {}
            Err(Stays::Over(outcome)) => return GoneBack::Over(outcome),
            Err(Stays::Why(cannot)) => {
                tracing::warn!("the version before cannot go on: {cannot}");
                return self.fails(ended).await;
            }
        }
        tell_back((trial.first, at), why, listener);
        let batches = self.batches.clone();
        self.running = Some(spawn_batch(at, move || {
            batches.charged_around_tasks(|own| {
                let claimed = own.claim_anew(kept.claimed(own));
                own.make(claimed, None).without_streams()
            })
        }));
        GoneBack::Runs
    }

    /// Somebody wants the version before.
    pub(super) async fn back(
        &mut self,
        answer: Answer,
        next: BatchTime,
        listener: &mut dyn Listener,
    ) -> Swap {
        let none = |why: &str| Err(SwapError::NoWayBack(why.to_owned()));
        let Some(trial) = self.trial.take() else {
            answer.tell(none("no version took over, or too many batches ago"));
            return Swap::Refused;
        };
        let waiting = match trial.before {
            Before::Here(waiting) => waiting,
            Before::Gone => {
                self.trial = Some(trial);
                answer.tell(none("the version before took part in an earlier run only"));
                return Swap::Refused;
            }
        };
        let why = "someone wanted it";
        let after = self.batches.clone();
        match self.back_to(waiting, (trial.first, next), why).await {
            Ok(()) => {}
            Err(Stays::Why(cannot)) => {
                answer.tell(none(&cannot));
                return Swap::Refused;
            }
            Err(Stays::Over(outcome)) => {
                answer.tell(Err(SwapError::Ended));
                return Swap::Fatal(outcome);
            }
        }
        self.swapped = Some(next);
        let (old, new) = (after.executor.code(), self.batches.executor.code());
        let diff = Diff::between(after.edition(&old), self.batches.edition(&new));
        tell_back((trial.first, next), why.to_owned(), listener);
        answer.tell(Ok(Swapped {
            first: next,
            diff,
            shadow: None,
        }));
        Swap::Done
    }

    /// The version before makes its batches again, which sinks have, and takes the place of the one
    /// that runs.
    async fn back_to(
        &mut self,
        waiting: Waiting,
        (first, at): (BatchTime, BatchTime),
        why: &str,
    ) -> Result<(), Stays> {
        let Waiting { batches, since, .. } = waiting;
        let settled = self.writer.settle(&self.batches).await;
        settled.map_err(|error| Stays::Over(self.fatal(at, error)))?;
        let maker = batches.clone();
        let mut made = spawn_batch(at, move || {
            maker.charged_around_tasks(|own| own.return_to((first, at), since))
        });
        let stop = self.run.stop.clone();
        let made = tokio::select! {
            biased;
            () = stop.aborted() => {
                batches.executor.abort();
                let _ = made.await; // what it was at is given up
                return Err(Stays::Over(Outcome::Stopped));
            }
            made = &mut made => made.unwrap_or_else(|panic| Err(panic.to_string())),
        };
        made.map_err(Stays::Why)?;
        self.begin_back(at, why).await.map_err(Stays::Over)?;
        batches.take_sinks_back(&self.batches);
        self.batches = batches;
        Ok(())
    }

    /// Makes it durable that the version before goes on.
    async fn begin_back(&mut self, at: BatchTime, why: &str) -> Result<(), Outcome> {
        let settled = self.writer.settle(&self.batches).await;
        settled.map_err(|error| self.fatal(at, error))?;
        self.writer.go_back();
        let Some(checkpoint) = self.batches.checkpoint.clone() else {
            return Ok(());
        };
        let (now, why) = (self.run.clock.wall_millis(), why.to_owned());
        let begun = spawn_blocking(move || {
            around("back-before", "back-after", || {
                checkpoint.go_back(now, &why)
            })
        });
        let why = match begun.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        // It is not known whether it is durable: the next run sees, and nothing goes on here.
        let error = BatchError::NotDurable {
            time: at,
            what: "let the version before make it",
            why,
        };
        Err(self.fatal(at, error))
    }

    fn fatal(&mut self, at: BatchTime, error: BatchError) -> Outcome {
        tracing::error!("{error}");
        self.summary.failed += 1;
        self.summary.last_error = Some(Arc::new(error));
        Outcome::BatchFailed(at)
    }

    /// A batch has failed, and that is what came of it.
    async fn fails(&mut self, ended: Ended) -> GoneBack {
        let batches = self.batches.clone();
        let concluded = spawn_batch(ended.report.time, move || batches.conclude(ended, None));
        match concluded.await {
            Ok(ended) => GoneBack::Not(Box::new(ended)),
            Err(_) => GoneBack::Over(Outcome::Stopped),
        }
    }
}

fn tell_back((to_before, at): (BatchTime, BatchTime), why: String, listener: &mut dyn Listener) {
    tracing::warn!(
        "the version before makes the batches from {to_before} on again, and goes on at {at}: {why}"
    );
    listener.version(&VersionEvent::RolledBack { to_before, at, why });
}

async fn remembered(batches: &Arc<Batches>) -> Result<SavedMemory, String> {
    let batches = batches.clone();
    let saved = spawn_blocking(move || batches.executor.save(true)).await;
    let saved = saved.map_err(|panic| panic.to_string())?;
    saved.map_err(|error| error.to_string())
}

impl Batches {
    /// Comes to where it would be if it had made all batches from the first one, before which it
    /// was the last time, up to the one before `at`.
    fn return_to(
        &self,
        (first, at): (BatchTime, BatchTime),
        since: Option<(SavedMemory, Vec<KeptBatch>)>,
    ) -> Result<(), String> {
        if !self.executor.remembers() {
            return Ok(());
        }
        if self.checkpoint.is_some() {
            return self.return_from_checkpoint(first, at);
        }
        let (memory, since) = since.ok_or("nothing was kept of what it remembered")?;
        let restored = self.executor.restore(&memory);
        restored.map_err(|error| error.to_string())?;
        let made = since
            .iter()
            .try_for_each(|batch| self.remake(batch.claimed(self)));
        made.map_err(|error| error.to_string())
    }
}
