//! Why nothing more is written.

use std::fmt;

use super::{
    Holder,
    entry::{Entry, Says},
};

/// Why a disk takes nothing more.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    TakenOver(Holder),
    /// Nobody knows whether the last entry is there.
    Failed(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakenOver(holder) => write!(
                f,
                "another process has taken this checkpoint over: {holder}; nothing of this one counts from there on. If both were meant to run, give each topology a checkpoint of its own"
            ),
            Self::Failed(why) => write!(f, "an earlier write has failed: {why}"),
        }
    }
}

impl Ended {
    /// By what is found where the next entry goes.
    pub(super) fn by(found: &[u8]) -> Self {
        let entry = Entry::decode(found).map(|(entry, _)| entry.says);
        match entry {
            Some(Says::Taken(holder)) => Self::TakenOver(holder),
            _ => Self::Failed("an object of nobody known is where the next entry goes".to_owned()),
        }
    }
}

impl std::error::Error for Ended {}
