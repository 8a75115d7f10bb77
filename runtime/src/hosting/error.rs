//! Why something was not done with a hosted topology.

use std::{io, path::PathBuf};

use super::OverQuota;
use crate::{
    account::TooMuch,
    checkpoint::{CheckpointError, DamagedLetters, StateError},
    journal::JournalError,
    launch::LaunchError,
    model::TopologyName,
    replay::ReplayError,
    scheduler::TapError,
    stream::SwapError,
};

/// Why something was not done with a hosted topology.
#[derive(Debug, thiserror::Error)]
pub enum HostingError {
    /// There is none of this name, for whoever asks.
    #[error("there is no such topology")]
    NotFound,
    /// There is one of this name.
    #[error(
        "a topology `{0}` is deployed already; swap another version in (`rsrt deploy` does), or give the new one another name"
    )]
    Exists(TopologyName),
    /// It cannot start while it stops.
    #[error("`{0}` is being stopped; start it when it has stopped")]
    Stopping(TopologyName),
    /// What was asked for can be seen only while it runs.
    #[error("`{0}` does not run; start it first")]
    NotRunning(TopologyName),
    /// It is not known where its checkpoint lies.
    #[error("`{0}` has not run since the server began, so what it kept is not open; start it")]
    NeverRan(TopologyName),
    /// It has no checkpoint.
    #[error(
        "`{0}` writes nothing down: give it a `checkpoint`, and what its operators remember is kept there"
    )]
    NothingKept(TopologyName),
    /// A task of its own panicked.
    #[error("{0} panicked, which is a bug of rsrt")]
    Fell(&'static str),
    /// Its checkpoint does not read or write.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its dead letters make no sense.
    #[error(transparent)]
    Letters(#[from] DamagedLetters),
    /// What its operators remember cannot be shown.
    #[error(transparent)]
    State(#[from] StateError),
    /// It has no such stream to look at.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// There is none of this number.
    #[error(
        "there is no version {0} of it, or not any more; `rsrt history` shows those that there are"
    )]
    NoVersion(u64),
    /// No version ran before the one that is live.
    #[error("no version of `{0}` ran before this one, or none is kept any more")]
    NothingBefore(TopologyName),
    /// It is live already.
    #[error("version {1} of `{0}` is the one that is live")]
    IsLive(TopologyName, u64),
    /// A version was to take over and has not.
    #[error("{0}")]
    NotTaken(String),
    /// A version is just taking over.
    #[error("another version of `{0}` is just taking over; try again when that is decided")]
    Swapping(TopologyName),
    /// It is between two phases.
    #[error("`{0}` is just starting or stopping; try again when it has")]
    Unsettled(TopologyName),
    /// Nothing forgets for what does not run.
    #[error(
        "`{0}` does not run, and what `{1}` remembers can be lost only while it does: start it, and swap then"
    )]
    LosesAtRest(TopologyName, String),
    /// A batch cannot be made once more.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A version may not take over.
    #[error("{0}")]
    Swap(SwapError),
    /// What was uploaded is wrong.
    #[error("{0}")]
    Upload(String),
    /// It does not load.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The registry does not read or write.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the registry does not read or write.
    #[error("cannot {action} {}: {error}", path.display())]
    Disk {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A record in the registry makes no sense.
    #[error("{} is no record of a topology: {why}; restore it, or remove its folder", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It is more than the namespace may have.
    #[error(transparent)]
    Quota(#[from] OverQuota),
    /// Its states are more than the namespace may have.
    #[error(transparent)]
    StateFull(#[from] TooMuch),
    /// Another process hosts what lies here.
    #[error("another server uses the data directory {}; stop it, or give this one another", .0.display())]
    InUse(PathBuf),
}

impl HostingError {
    /// It is the server's trouble: what it says may name its directories, and is for who runs it.
    pub fn is_of_server(&self) -> bool {
        match self {
            Self::NotFound
            | Self::Exists(_)
            | Self::Stopping(_)
            | Self::NotRunning(_)
            | Self::NeverRan(_)
            | Self::NothingKept(_)
            | Self::Tap(_)
            | Self::Quota(_)
            | Self::StateFull(_)
            | Self::NoVersion(_)
            | Self::NothingBefore(_)
            | Self::IsLive(..)
            | Self::NotTaken(_)
            | Self::Swapping(_)
            | Self::Unsettled(_)
            | Self::LosesAtRest(..)
            | Self::Checkpoint(CheckpointError::NotRetained { .. })
            | Self::Upload(_) => false,
            Self::Swap(error) => matches!(error, SwapError::NotDurable(_)),
            Self::State(error) => matches!(error, StateError::Checkpoint(_)),
            Self::Replay(error) => matches!(error, ReplayError::Internal(_)),
            Self::Launch(error) => matches!(error, LaunchError::Run(_)),
            Self::Checkpoint(_)
            | Self::Letters(_)
            | Self::Fell(_)
            | Self::Journal(_)
            | Self::Disk { .. }
            | Self::Record { .. }
            | Self::InUse(_) => true,
        }
    }
}
