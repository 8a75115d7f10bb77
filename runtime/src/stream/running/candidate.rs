//! A version on its way to take over: what there is to do before, batch boundary by batch boundary.

use std::sync::Arc;

use super::Driver;
use crate::{
    checkpoint::Program,
    stream::{
        Shadow, ShadowReport, SwapError,
        batches::{Batches, Ended},
        blocking::spawn_blocking,
        shadow::{Stands, Trial},
        swap::{Answer, Request, check},
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
    /// It runs beside the running version.
    Tried(Box<Trial>),
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
    pub(super) fn new(before: &Arc<Batches>, request: Request) -> (Self, Result<(), SwapError>) {
        let (next, program, answer) = request.into_parts();
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
            Phase::Tried(trial) => trial.wants_more(),
            Phase::Checked => false,
        }
    }

    /// The running version has made a batch.
    pub(super) fn show(&mut self, ended: &mut Ended) {
        if let Phase::Tried(trial) = &mut self.phase
            && trial.wants_more()
        {
            trial.show(ended);
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
                Phase::Checked => {
                    if let Err(error) = self.migrate().await {
                        return Then::Refused(self, error);
                    }
                    let Some(shadow) = self.shadow.take() else {
                        return Then::TakesOver(self);
                    };
                    return match self.trial(shadow).await {
                        Ok(trial) => {
                            self.phase = Phase::Tried(Box::new(trial));
                            Then::Waits(self)
                        }
                        Err(error) => Then::Refused(self, error),
                    };
                }
                Phase::Tried(trial) => {
                    let stands = trial.stands(waits).await;
                    let report = trial.report();
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

    async fn trial(&self, shadow: Shadow) -> Result<Trial, SwapError> {
        let (before, after) = (self.before.clone(), self.after.clone());
        let (forgets, migrates) = self.left();
        let left = [forgets, migrates].concat();
        let begun = spawn_blocking(move || Trial::begin(shadow, &before, &after, &left));
        begun.await.map_err(|_| SwapError::Ended) // it never panics
    }

    /// Gives up what is done behind the backs of batches.
    pub(super) async fn end(self) {
        if let Phase::Tried(trial) = self.phase {
            trial.end().await;
        }
    }

    /// Lets its plugins make their states of those of the version before, which goes on with its own
    /// if they cannot.
    async fn migrate(&self) -> Result<(), SwapError> {
        let (_, operators) = self.left();
        if operators.is_empty() {
            return Ok(());
        }
        let (before, after) = (self.before.clone(), self.after.clone());
        let migrated = spawn_blocking(move || {
            let migrated = after.executor.migrate_from(&before.executor, &operators);
            migrated.map_err(|error| error.to_string())
        });
        let migrated = migrated
            .await
            .unwrap_or_else(|panic| Err(panic.to_string()));
        migrated.map_err(SwapError::Migration)
    }
}

impl Driver {
    /// It is not known to be taken over by anything: what it has begun ends.
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
