//! A version on its way to take over: what there is to do before, batch boundary by batch boundary.

use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle};

use super::Driver;
use crate::{
    checkpoint::Program,
    scheduler::{MemoryError, Moving, MovingGuard},
    stream::{
        Next, Shadow, ShadowReport, SwapError,
        batches::{Batches, Ended},
        blocking::spawn_blocking,
        shadow::{ShadowRun, Stands},
        swap::{Answer, check},
    },
    topology::{Change, Diff},
};

/// A version that may take over from the running one.
pub(super) struct Candidate {
    pub(super) before: Arc<Batches>,
    pub(super) after: Arc<Batches>,
    pub(super) diff: Diff,
    pub(super) program: Program,
    pub(super) answer: Answer,
    /// How it did beside the running version.
    pub(super) report: Option<ShadowReport>,
    /// How it is still to be tried.
    shadow: Option<Shadow>,
    phase: Phase,
}

enum Phase {
    /// It may take over, once its state is migrated.
    Checked,
    /// Its plugins make its state, behind the back of batches.
    Migrating(Migrating),
    /// It runs beside the running version.
    Shadowed(Box<ShadowRun>),
}

/// A migration that is under way; it ends soon if this is dropped.
struct Migrating {
    made: JoinHandle<Result<Moving, MemoryError>>,
    guard: MovingGuard,
}

/// What comes next at this batch boundary.
pub(super) enum Then {
    /// It waits for a later one.
    Waits(Box<Candidate>),
    /// It takes over now: it remembers what was migrated for it.
    TakesOver(Box<Candidate>),
    /// It does not take over.
    Refused(Box<Candidate>, SwapError),
}

impl Candidate {
    /// Compares it with the running version.
    pub(super) fn new(
        before: &Arc<Batches>,
        (next, program, answer): (Next, Program, Answer),
    ) -> (Self, Result<(), SwapError>) {
        let (accepts_loss, shadow) = (next.accepts_loss, next.shadow);
        let after = Arc::new(before.successor(next));
        let (old, new) = (before.executor.code(), after.executor.code());
        let diff = Diff::between(before.edition(&old), after.edition(&new));
        let may = check(&diff, accepts_loss).and_then(|()| same_sources(before, &after));
        let candidate = Self {
            before: before.clone(),
            after,
            diff,
            program,
            answer,
            report: None,
            shadow: shadow.filter(|shadow| shadow.batches > 0),
            phase: Phase::Checked,
        };
        (candidate, may)
    }

    /// The next batch of the running version is to be kept for it.
    pub(super) fn wants_more(&self) -> bool {
        match &self.phase {
            Phase::Shadowed(run) => run.wants_more(),
            Phase::Checked | Phase::Migrating(_) => false,
        }
    }

    /// The running version has made a batch.
    pub(super) fn show(&mut self, ended: &mut Ended) {
        if let Phase::Shadowed(run) = &mut self.phase
            && run.wants_more()
        {
            run.show(ended);
        }
    }

    /// Operators of the version before whose state is forgotten, and those whose state is migrated.
    pub(super) fn left(&self) -> (Vec<String>, Vec<String>) {
        let forgets = self.diff.losses().map(old_name).collect();
        (forgets, self.diff.migrations().map(old_name).collect())
    }

    /// Nothing runs between two batches: goes on as far as it can without a batch in between. `waits`:
    /// batches wait for what would be done behind their backs.
    pub(super) async fn advance(mut self: Box<Self>, waits: bool) -> Then {
        loop {
            match &mut self.phase {
                Phase::Checked => match self.begin_migration().await {
                    Ok(None) => return self.with_state().await,
                    Ok(Some(migrating)) => self.phase = Phase::Migrating(migrating),
                    Err(error) => return Then::Refused(self, error),
                },
                Phase::Migrating(migrating) if !waits && !migrating.made.is_finished() => {
                    return Then::Waits(self);
                }
                Phase::Migrating(migrating) => {
                    if let Err(error) = migrating.finish().await {
                        return Then::Refused(self, error);
                    }
                    self.phase = Phase::Checked;
                    return self.with_state().await;
                }
                Phase::Shadowed(run) => {
                    let stands = run.stands(waits).await;
                    let report = run.report();
                    match stands {
                        Stands::GoesOn => return Then::Waits(self),
                        Stands::Failed(problem) => {
                            let error = SwapError::Shadow(problem, Box::new(report));
                            return Then::Refused(self, error);
                        }
                        Stands::Passed => {
                            self.report = Some(report);
                            self.phase = Phase::Checked;
                        }
                    }
                }
            }
        }
    }

    /// It has what was migrated for it.
    async fn with_state(mut self: Box<Self>) -> Then {
        let Some(shadow) = self.shadow.take() else {
            return Then::TakesOver(self);
        };
        let (before, after) = (self.before.clone(), self.after.clone());
        let (forgets, migrates) = self.left();
        let left = [forgets, migrates].concat();
        let begun = spawn_blocking(move || ShadowRun::begin(shadow, &before, &after, &left));
        match begun.await {
            Ok(run) => {
                tracing::info!("another version runs beside this one, without effect");
                self.phase = Phase::Shadowed(Box::new(run));
                Then::Waits(self)
            }
            Err(_) => Then::Refused(self, SwapError::Ended), // it never panics
        }
    }

    /// Gives up what is done behind the backs of batches.
    pub(super) async fn end(self) {
        match self.phase {
            Phase::Checked => {}
            Phase::Shadowed(run) => run.end().await,
            Phase::Migrating(Migrating { made, guard }) => {
                drop(guard);
                let _ = made.await; // what it was at is given up
            }
        }
    }

    /// Lets its plugins make their states of a copy of those of the version before; none: there is
    /// nothing to migrate.
    async fn begin_migration(&self) -> Result<Option<Migrating>, SwapError> {
        let (_, operators) = self.left();
        if operators.is_empty() {
            return Ok(None);
        }
        let (before, after) = (self.before.executor.clone(), self.after.executor.clone());
        let copied = spawn_blocking(move || after.migrate_from(&before, &operators));
        let (moving, guard) = flat(copied.await)?;
        let made = spawn_blocking(move || moving.migrate());
        Ok(Some(Migrating { made, guard }))
    }
}

impl Migrating {
    /// No batch runs: what they have touched is migrated, too.
    async fn finish(&mut self) -> Result<(), SwapError> {
        let moving = flat((&mut self.made).await)?;
        flat(spawn_blocking(move || moving.finish()).await)
    }
}

/// Why a migration has failed.
fn flat<T>(done: Result<Result<T, MemoryError>, JoinError>) -> Result<T, SwapError> {
    let done = done.map_err(|panic| panic.to_string());
    let done = done.and_then(|done| done.map_err(|error| error.to_string()));
    done.map_err(SwapError::Migration)
}

impl Driver {
    /// The run is over: nothing takes over any more.
    pub(super) async fn give_up_candidate(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            candidate.end().await;
        }
    }
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
