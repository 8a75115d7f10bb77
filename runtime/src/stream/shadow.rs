//! A version in the shadow of the running one: it makes the batches that the running one makes, and nobody gets them.
//!
//! It begins with a copy of what the running version remembers at a batch boundary, and is given the
//! rows that the running version has read, behind its back. What both would give to sinks is
//! compared. If a batch differs too much or fails, or the shadow falls behind, it is given up.

mod compare;
mod cost;
mod maker;
mod problem;
mod report;
mod seen;

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinHandle};

use self::maker::Maker;
use super::{
    batches::{Batches, Ended},
    blocking::spawn_blocking,
};

pub use compare::{DifferentRow, OnlyIn};
pub use cost::{OperatorCost, ShadowCost};
pub use problem::ShadowProblem;
pub use report::ShadowReport;
pub(super) use seen::KeptInput;
use seen::Seen;

/// Batches that may wait for the shadow, the one that it is at among them: live batches never wait.
const MOST_WAITING: usize = 8;

/// How a version is tried beside the running one before it takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadow {
    /// It makes so many batches.
    pub batches: u64,
    /// So many rows of them, all together, may be only in what one of the versions puts out.
    pub max_diff: u64,
}

/// The run of a version in the shadow of another. When it is dropped, it is over.
pub(super) struct ShadowRun {
    settings: Shadow,
    maker: Arc<Maker>,
    made: mpsc::UnboundedReceiver<Made>,
    to: mpsc::UnboundedSender<Made>,
    /// The last one that was started.
    thread: Option<JoinHandle<()>>,
    /// Batches that it was shown, and those that it has made.
    shown: u64,
    done: u64,
    report: ShadowReport,
    problem: Option<ShadowProblem>,
}

/// What came of one batch.
type Made = Result<ShadowReport, ShadowProblem>;

/// How a shadow run stands.
pub(super) enum Stands {
    GoesOn,
    Passed,
    Failed(ShadowProblem),
}

impl ShadowRun {
    /// Begins at a batch boundary: the version has what was migrated for it, and `left` are the
    /// operators whose state it does not take over from the running one. Blocks for as long as a
    /// copy of that takes.
    pub(super) fn begin(
        settings: Shadow,
        running: &Arc<Batches>,
        version: &Arc<Batches>,
        left: &[String],
    ) -> Self {
        let (to, made) = mpsc::unbounded_channel();
        Self {
            settings,
            maker: Arc::new(Maker::new(running.clone(), version.clone(), left)),
            made,
            to,
            thread: None,
            shown: 0,
            done: 0,
            report: ShadowReport::default(),
            problem: None,
        }
    }

    /// The running version's next batch is one of those that it is to make, too.
    pub(super) fn wants_more(&self) -> bool {
        self.shown < self.settings.batches && self.problem.is_none()
    }

    /// The running version has made a batch that it [wants](Self::wants_more).
    pub(super) fn show(&mut self, ended: &mut Ended) {
        let time = ended.report.time;
        self.take_in();
        // What could not be claimed has failed.
        let input = ended.input.take();
        let Some(input) = input.filter(|_| ended.report.errors.is_empty()) else {
            return self.fail(ShadowProblem::RunningFailed { batch: time });
        };
        let waiting = usize::try_from(self.shown - self.done).unwrap_or(usize::MAX);
        if waiting >= MOST_WAITING {
            self.fail(ShadowProblem::FellBehind {
                batch: time,
                waiting,
            });
        }
        if self.problem.is_some() {
            return;
        }
        self.shown += 1;
        if self.maker.take(Seen::new(input, ended)) {
            let (maker, to) = (self.maker.clone(), self.to.clone());
            self.thread = Some(spawn_blocking(move || {
                maker.work(|made| {
                    let _ = to.send(made); // it may be over
                });
            }));
        }
    }

    fn fail(&mut self, problem: ShadowProblem) {
        self.problem.get_or_insert(problem);
        self.maker.give_up();
    }

    /// How it stands; `waits` until it has made what it was shown.
    pub(super) async fn stands(&mut self, waits: bool) -> Stands {
        while waits && self.done < self.shown && self.problem.is_none() {
            match self.made.recv().await {
                Some(made) => self.note(made),
                None => break,
            }
        }
        self.take_in();
        match &self.problem {
            Some(problem) => Stands::Failed(problem.clone()),
            None if self.done >= self.settings.batches => Stands::Passed,
            None => Stands::GoesOn,
        }
    }

    /// What is known so far.
    pub(super) fn report(&self) -> ShadowReport {
        self.report.clone()
    }

    fn take_in(&mut self) {
        while let Ok(made) = self.made.try_recv() {
            self.note(made);
        }
    }

    fn note(&mut self, made: Made) {
        self.done += 1;
        match made {
            Err(problem) => self.fail(problem),
            Ok(batch) => {
                self.report.add(batch);
                let (report, most) = (&self.report, self.settings.max_diff);
                if report.differing > most {
                    let differs = ShadowProblem::differs(report, most);
                    self.fail(differs);
                }
            }
        }
    }

    /// Gives it up, and waits until nothing of it runs.
    pub(super) async fn end(mut self) {
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread {
            let _ = thread.await; // what it was at is given up
        }
    }
}

impl Drop for ShadowRun {
    fn drop(&mut self) {
        self.maker.give_up();
    }
}
