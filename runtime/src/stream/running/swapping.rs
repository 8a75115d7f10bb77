//! Lets another version take over at a batch boundary.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{
    Driver,
    candidate::{Candidate, Then},
};
use crate::{
    checkpoint::{Checkpoint, CheckpointError, NewVersion},
    crash_points::around,
    model::BatchTime,
    scheduler::{BatchError, Mode, Outcome},
    stream::{Listener, SwapError, Swapped, VersionEvent, swap::Wanted},
};

impl Driver {
    /// No batch runs, and the next one is this: whoever waits to take over does so now, one of them
    /// at each boundary, so that each version has a batch of its own. One that is tried, or whose
    /// state is migrated, waits for a later boundary, and others wait for it. Answers with the end of
    /// the run if that is it.
    pub(super) async fn boundary(
        &mut self,
        next: BatchTime,
        listener: &mut dyn Listener,
    ) -> Option<Outcome> {
        if self.swapped == Some(next) {
            return None;
        }
        loop {
            let candidate = match self.candidate.take() {
                Some(candidate) => candidate,
                None => match self.next_candidate(next, listener).await? {
                    Next::Candidate(candidate) => candidate,
                    Next::Back(Swap::Done) => return None,
                    Next::Back(Swap::Refused) => continue,
                    Next::Back(Swap::Fatal(outcome)) => return Some(outcome),
                },
            };
            if !Arc::ptr_eq(&candidate.before, &self.batches) {
                refuse(*candidate, SwapError::Overtaken);
                continue;
            }
            // In virtual time nothing comes too late.
            let waits = self.run.mode == Mode::Virtual;
            let then = tokio::select! {
                biased;
                () = self.run.stop.aborted() => return Some(Outcome::Stopped),
                then = candidate.advance(waits) => then,
            };
            match then {
                Then::Waits(candidate) => {
                    self.candidate = Some(candidate);
                    return None;
                }
                Then::Refused(candidate, error) => refuse(*candidate, error),
                Then::TakesOver(candidate) => {
                    return match self.swap(*candidate, next, listener).await {
                        Swap::Fatal(outcome) => Some(outcome),
                        Swap::Done | Swap::Refused => None,
                    };
                }
            }
        }
    }

    /// Of those who wait the first that may follow on the running version, or what came of the wish for the one
    /// before.
    async fn next_candidate(
        &mut self,
        next: BatchTime,
        listener: &mut dyn Listener,
    ) -> Option<Next> {
        loop {
            let request = self.requests.as_mut()?.try_recv().ok()?;
            let (version, program) = match request.to {
                Wanted::Next(version, program) => (*version, program),
                Wanted::Before => {
                    return Some(Next::Back(self.back(request.answer, next, listener).await));
                }
            };
            match Candidate::new(&self.batches, (version, program, request.answer)) {
                (candidate, Ok(())) => return Some(Next::Candidate(Box::new(candidate))),
                (candidate, Err(error)) => refuse(candidate, error),
            }
        }
    }

    async fn swap(
        &mut self,
        candidate: Candidate,
        first: BatchTime,
        listener: &mut dyn Listener,
    ) -> Swap {
        let (forgets, migrates) = candidate.left();
        let Candidate {
            before,
            after,
            diff,
            program,
            answer,
            report,
            ..
        } = candidate;
        let trial = match self.trial_from(first).await {
            Ok(trial) => trial,
            Err(why) => {
                answer.tell(Err(SwapError::NotDurable(why.clone())));
                return self.not_begun(first, why);
            }
        };
        if let Some(checkpoint) = before.checkpoint.clone() {
            let next = NewVersion {
                from: first,
                program,
                forgets: forgets.clone(),
                now: self.run.clock.wall_millis(),
            };
            if let Err(why) = begin(checkpoint, next).await {
                answer.tell(Err(SwapError::NotDurable(why.clone())));
                return self.not_begun(first, why);
            }
        }
        after.take_over(&before, &[forgets, migrates].concat());
        self.batches = after;
        self.swapped = Some(first);
        self.trial = Some(trial);
        self.writer.begin_anew();
        tracing::info!("another version makes the batches from {first} on");
        listener.version(&VersionEvent::TookOver {
            first,
            diff: diff.clone(),
        });
        answer.tell(Ok(Swapped {
            first,
            diff,
            shadow: report,
        }));
        Swap::Done
    }

    /// It is not known whether the version is durable: the next run sees, and nothing goes on here.
    pub(super) fn not_begun(&mut self, first: BatchTime, why: String) -> Swap {
        let error = BatchError::NotDurable {
            time: first,
            what: "let another version make it",
            why,
        };
        tracing::error!("{error}");
        self.summary.failed += 1;
        self.summary.last_error = Some(Arc::new(error));
        Swap::Fatal(Outcome::BatchFailed(first))
    }
}

/// What came of a version that was to make batches.
pub(super) enum Swap {
    Done,
    Refused,
    Fatal(Outcome),
}

/// What someone has asked for.
enum Next {
    Candidate(Box<Candidate>),
    Back(Swap),
}

/// The running version goes on.
fn refuse(candidate: Candidate, error: SwapError) {
    if let Some(checkpoint) = &candidate.before.checkpoint {
        checkpoint.drop_next(&candidate.program);
    }
    tracing::debug!("another version did not take over: {error}");
    candidate.answer.tell(Err(error));
}

/// Makes it durable that another version makes the batches from here on.
async fn begin(checkpoint: Arc<Checkpoint>, next: NewVersion) -> Result<(), String> {
    let begun = spawn_blocking(move || {
        around("version-before", "version-after", || {
            checkpoint.begin_version(next)
        })
    });
    let begun = begun.await.map_err(|error| error.to_string())?;
    begun.map_err(|error: CheckpointError| error.to_string())
}
