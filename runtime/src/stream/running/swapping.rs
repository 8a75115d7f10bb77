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
    stream::{SwapError, Swapped},
};

impl Driver {
    /// No batch runs, and the next one is this: whoever waits to take over does so now, one of them
    /// at each boundary, so that each version has a batch of its own. One that is tried, or whose
    /// state is migrated, waits for a later boundary, and others wait for it. Answers with the end of
    /// the run if that is it.
    pub(super) async fn boundary(&mut self, next: BatchTime) -> Option<Outcome> {
        if self.swapped == Some(next) {
            return None;
        }
        loop {
            let candidate = match self.candidate.take() {
                Some(candidate) => candidate,
                None => Box::new(self.next_candidate()?),
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
                Then::TakesOver(candidate) => return self.swap(*candidate, next).await,
            }
        }
    }

    /// Of those who wait the first that may follow on the running version.
    fn next_candidate(&mut self) -> Option<Candidate> {
        loop {
            let request = self.requests.as_mut()?.try_recv().ok()?;
            match Candidate::new(&self.batches, request) {
                (candidate, Ok(())) => return Some(candidate),
                (candidate, Err(error)) => refuse(candidate, error),
            }
        }
    }

    /// Answers with the end of the run if that is it.
    async fn swap(&mut self, candidate: Candidate, first: BatchTime) -> Option<Outcome> {
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
        if let Some(checkpoint) = before.checkpoint.clone() {
            let next = NewVersion {
                from: first,
                program,
                forgets: forgets.clone(),
                now: self.run.clock.wall_millis(),
            };
            if let Err(why) = begin(checkpoint, next).await {
                answer.tell(Err(SwapError::NotDurable(why.clone())));
                return Some(self.not_begun(first, why));
            }
        }
        after.take_over(&before, &[forgets, migrates].concat());
        self.batches = after;
        self.swapped = Some(first);
        self.writer.begin_anew();
        tracing::info!("another version makes the batches from {first} on");
        answer.tell(Ok(Swapped {
            first,
            diff,
            shadow: report,
        }));
        None
    }

    /// It is not known whether the version is durable: the next run sees, and nothing goes on here.
    fn not_begun(&mut self, first: BatchTime, why: String) -> Outcome {
        let error = BatchError::NotDurable {
            time: first,
            what: "let another version make it",
            why,
        };
        tracing::error!("{error}");
        self.summary.failed += 1;
        self.summary.last_error = Some(Arc::new(error));
        Outcome::BatchFailed(first)
    }
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
