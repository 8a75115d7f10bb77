//! Lets another version take over at a batch boundary.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::Driver;
use crate::{
    checkpoint::{Checkpoint, CheckpointError, NewVersion, Program},
    crash_points::around,
    model::BatchTime,
    scheduler::{BatchError, Outcome},
    stream::{
        Listener, Next, SwapError, Swapped, VersionEvent,
        batches::Batches,
        swap::{Answer, Wanted, check},
    },
    topology::{Change, Diff},
};

impl Driver {
    /// No batch runs, and the next one is this: whoever waits to take over does so now, one of them
    /// at each boundary, so that each version has a batch of its own. Answers with the end of the run if that is it.
    pub(super) async fn boundary(
        &mut self,
        next: BatchTime,
        listener: &mut dyn Listener,
    ) -> Option<Outcome> {
        if self.swapped == Some(next) {
            return None;
        }
        while let Ok(request) = self.requests.as_mut()?.try_recv() {
            let swap = match request.to {
                Wanted::Next(version, program) => {
                    let version = (*version, program);
                    self.swap(version, request.answer, next, listener).await
                }
                Wanted::Before => self.back(request.answer, next, listener).await,
            };
            match swap {
                Swap::Refused => {}
                Swap::Done => return None,
                Swap::Fatal(outcome) => return Some(outcome),
            }
        }
        None
    }

    async fn swap(
        &mut self,
        (next, program): (Next, Program),
        answer: Answer,
        first: BatchTime,
        listener: &mut dyn Listener,
    ) -> Swap {
        let before = self.batches.clone();
        let accepts_loss = next.accepts_loss;
        let after = Arc::new(before.successor(next));
        let (old, new) = (before.executor.code(), after.executor.code());
        let diff = Diff::between(before.edition(&old), after.edition(&new));
        let migrates: Vec<String> = diff.migrations().map(old_name).collect();
        let mut may = check(&diff, accepts_loss).and_then(|()| same_sources(&before, &after));
        if may.is_ok() && !migrates.is_empty() {
            may = migrate(&before, &after, migrates.clone()).await;
            // All of it was taken out to be looked at: what changed since is not known any more.
            self.writer.begin_anew();
        }
        if let Err(error) = may {
            if let Some(checkpoint) = &before.checkpoint {
                checkpoint.drop_next(&program);
            }
            tracing::debug!("another version did not take over: {error}");
            answer.tell(Err(error));
            return Swap::Refused;
        }
        let trial = match self.trial_from(first).await {
            Ok(trial) => trial,
            Err(why) => {
                answer.tell(Err(SwapError::NotDurable(why.clone())));
                return self.not_begun(first, why);
            }
        };
        let forgets: Vec<String> = diff.losses().map(old_name).collect();
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
        answer.tell(Ok(Swapped { first, diff }));
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

pub(super) enum Swap {
    Done,
    Refused,
    Fatal(Outcome),
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

/// Lets the plugins of a version make their states of those of the version before, which goes on
/// with its own if they cannot.
async fn migrate(
    before: &Arc<Batches>,
    after: &Arc<Batches>,
    operators: Vec<String>,
) -> Result<(), SwapError> {
    let (before, after) = (before.clone(), after.clone());
    let migrated = spawn_blocking(move || {
        let migrated = after.executor.migrate_from(&before.executor, &operators);
        migrated.map_err(|error| error.to_string())
    });
    let migrated = migrated
        .await
        .unwrap_or_else(|panic| Err(panic.to_string()));
    migrated.map_err(SwapError::Migration)
}

/// What a part was called in the version before.
fn old_name(change: &Change) -> String {
    let renamed = change.renamed_from.as_ref();
    renamed.unwrap_or(&change.name).clone()
}

/// Sources go on as they are, so the same ones must be read.
fn same_sources(before: &Batches, after: &Batches) -> Result<(), SwapError> {
    let names = |batches: &Batches| {
        let mut names: Vec<_> = batches.executor.sources();
        names.sort();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    let (before, now) = (names(before), names(after));
    match before == now {
        true => Ok(()),
        false => Err(SwapError::Sources { before, now }),
    }
}
