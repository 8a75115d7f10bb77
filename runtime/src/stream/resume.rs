//! Going on from what an earlier run left behind.

use super::batches::{Batches, lock};
use crate::{checkpoint::Recovered, scheduler::MemoryError, source::SourceError};

impl Batches {
    /// Goes on from what an earlier run left behind: the state, and how far sources had come.
    ///
    /// # Errors
    /// When it does not fit this topology.
    pub(super) fn resume(&self, recovered: &Recovered) -> Result<(), ResumeError> {
        if let Some(memory) = &recovered.memory {
            self.executor.restore(&memory.without(&recovered.forgets))?;
        }
        let mut sources = lock(&self.sources);
        for (name, source) in sources.iter_mut() {
            let position = recovered.sources.iter().find(|s| s.source == name.as_str());
            if let Some(position) = position {
                source.resume(&position.position)?;
            }
        }
        Ok(())
    }
}

/// An earlier run's state does not fit.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// What operators remember.
    #[error(transparent)]
    State(#[from] MemoryError),
    /// How far a source had come.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// This version has had its turn.
    #[error(
        "another version of the topology or its plugins goes on behind the batches of this one: let this one make its batches again, then run that one"
    )]
    Followed,
}
