//! Another version of a topology for a stream that runs.
//!
//! It is compiled and checked beside the running one. At the next batch boundary it is compared with
//! that, and if it may, it takes over: the version and its first batch become durable, what
//! operators remember and the sinks that are the same go over to it, and sources go on as if nothing
//! had happened. If it may not, the old version goes on, and whoever asked is told why.

use std::{fmt, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use crate::{
    checkpoint::{Checkpoint, Program, ProgramFiles},
    model::BatchTime,
    plugin::Plugin,
    scheduler::Plan,
    sink::Sink,
    stream::{Shadow, ShadowProblem, ShadowReport},
    topology::{Change, Diff, Topology},
};

/// A version that is to take over.
pub struct Next {
    /// How rows flow.
    pub topology: Arc<Topology>,
    /// In the topology's order.
    pub plugins: Vec<Plugin>,
    /// Of the topology.
    pub plan: Plan,
    /// In the topology's order; of those that do what one of the version before does, that one goes
    /// on.
    pub sinks: Vec<Box<dyn Sink>>,
    /// What it is made of: with a checkpoint it is kept there.
    pub files: ProgramFiles,
    /// State that would be lost may be.
    pub accepts_loss: bool,
    /// How it is tried beside the running version before it takes over; none: it is not.
    pub shadow: Option<Shadow>,
}

/// Takes versions to a stream. Clones take them to the same one.
#[derive(Clone)]
pub struct Swapper {
    requests: mpsc::UnboundedSender<Request>,
    checkpoint: Option<Arc<Checkpoint>>,
}

/// A version waits for the next batch boundary.
pub struct Swapping {
    answer: oneshot::Receiver<Result<Swapped, SwapError>>,
}

/// A version has taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swapped {
    /// The first batch that it makes.
    pub first: BatchTime,
    /// What it has changed.
    pub diff: Diff,
    /// How it did beside the version before, if it was tried.
    pub shadow: Option<ShadowReport>,
}

/// A version has not taken over; the one before goes on, if the stream does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// It cannot follow on the running one.
    #[error("it cannot take over: {}; nothing was changed", told(.0))]
    Refused(Vec<Change>),
    /// It can follow on the running one only when that has stopped.
    #[error(
        "it cannot take over while the stream runs: {}; stop it gracefully and start the new version",
        told(.0)
    )]
    NeedsRestart(Vec<Change>),
    /// Other sources are read.
    #[error(
        "it cannot take over while the stream runs: it reads {now}, and the running version reads {before}; stop it gracefully and start the new version"
    )]
    Sources {
        /// By the running version.
        before: String,
        /// By the new one.
        now: String,
    },
    /// Something would be forgotten.
    #[error(
        "it would lose state: {}; nothing was changed; say that this is accepted (--accept-state-loss) if it is meant",
        told(.0)
    )]
    LosesState(Vec<Change>),
    /// State could not be migrated.
    #[error("{0}; nothing was changed")]
    Migration(String),
    /// The version before cannot make batches again.
    #[error("there is no way back: {0}; to go back, swap to what the version before was made of")]
    NoWayBack(String),
    /// It was tried beside the running version, and did not pass.
    #[error("{0}; nothing was changed")]
    Shadow(ShadowProblem, Box<ShadowReport>),
    /// Yet another version has taken over while it was tried or its state was migrated.
    #[error("another version has taken over meanwhile; nothing was changed by this one")]
    Overtaken,
    /// It could not be written down.
    #[error("the checkpoint cannot take it: {0}")]
    NotDurable(String),
    /// The stream is over.
    #[error("the stream has ended, or ends now, so nothing can take over")]
    Ended,
}

/// Names what stands in the way, and why.
fn told(changes: &[Change]) -> String {
    let each = changes.iter().map(|change| {
        let reasons: Vec<_> = change.reasons.iter().map(ToString::to_string).collect();
        let (noun, name) = (change.part.noun(), &change.name);
        format!("{noun} `{name}`: {}", reasons.join(", "))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// A wish on its way to the batch loop.
pub(super) struct Request {
    pub(super) to: Wanted,
    pub(super) answer: Answer,
}

/// The version that is to make batches.
pub(super) enum Wanted {
    /// Another one.
    Next(Box<Next>, Program),
    /// The one before.
    Before,
}

/// Whoever asked is still to be told.
pub(super) struct Answer(oneshot::Sender<Result<Swapped, SwapError>>);

impl Answer {
    pub(super) fn tell(self, answer: Result<Swapped, SwapError>) {
        let _ = self.0.send(answer); // nobody may want to know
    }
}

/// Versions that wait for a batch boundary.
pub(super) type Requests = mpsc::UnboundedReceiver<Request>;

impl Swapper {
    pub(super) fn new(checkpoint: Option<Arc<Checkpoint>>) -> (Self, Requests) {
        let (requests, waiting) = mpsc::unbounded_channel();
        let swapper = Self {
            requests,
            checkpoint,
        };
        (swapper, waiting)
    }

    /// Names the stream of batches for ever, if it has a checkpoint: sinks write under it.
    pub fn uid(&self) -> Option<String> {
        self.checkpoint.as_ref().map(|checkpoint| checkpoint.uid())
    }

    /// Takes a version to the stream: it takes over at the next batch boundary, if it may. Blocks
    /// while the checkpoint, if there is one, takes up what the version is made of; batches go on.
    ///
    /// # Errors
    /// When that cannot be made durable, or the stream has ended.
    pub fn swap(&self, next: Next) -> Result<Swapping, SwapError> {
        if self.requests.is_closed() {
            return Err(SwapError::Ended);
        }
        if let Some(checkpoint) = &self.checkpoint {
            let kept = checkpoint.keep_next(&next.files);
            kept.map_err(|error| SwapError::NotDurable(error.to_string()))?;
        }
        let program = Program::of(&next.files);
        self.ask(Wanted::Next(Box::new(next), program))
    }

    /// Lets the version before the one that runs make its batches again, without giving them to
    /// sinks, and go on, at the next batch boundary. There is a way back for as many batches as the
    /// checkpoint retains, or 10 without one.
    ///
    /// # Errors
    /// When the stream has ended.
    pub fn back(&self) -> Result<Swapping, SwapError> {
        self.ask(Wanted::Before)
    }

    fn ask(&self, to: Wanted) -> Result<Swapping, SwapError> {
        let (answer, told) = oneshot::channel();
        let answer = Answer(answer);
        let sent = self.requests.send(Request { to, answer });
        sent.map_err(|_| SwapError::Ended)?;
        Ok(Swapping { answer: told })
    }
}

impl Swapping {
    /// Waits until it is decided.
    ///
    /// # Errors
    /// When the version did not take over.
    pub async fn decided(self) -> Result<Swapped, SwapError> {
        self.answer.await.unwrap_or(Err(SwapError::Ended))
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next")
            .field("topology", &self.topology.name)
            .field("program", &Program::of(&self.files))
            .finish_non_exhaustive()
    }
}

/// Whether a version may take over from another.
///
/// # Errors
/// What stands in the way of it.
pub fn check(diff: &Diff, accepts_loss: bool) -> Result<(), SwapError> {
    let all = |changes: Vec<&Change>| changes.into_iter().cloned().collect::<Vec<_>>();
    let refused = all(diff.refused().collect());
    if !refused.is_empty() {
        return Err(SwapError::Refused(refused));
    }
    let needs_restart = all(diff.needs_restart().collect());
    if !needs_restart.is_empty() {
        return Err(SwapError::NeedsRestart(needs_restart));
    }
    let losses = all(diff.losses().collect());
    if !losses.is_empty() && !accepts_loss {
        return Err(SwapError::LosesState(losses));
    }
    Ok(())
}
