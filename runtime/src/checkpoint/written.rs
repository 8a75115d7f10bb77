//! The state of a topology, on its way to the disk.

use super::fact::SourceFact;
use crate::{model::BatchTime, scheduler::SavedMemory};

/// What a checkpoint after a batch holds.
#[derive(Debug, Clone)]
pub struct Written {
    /// The batch.
    pub time: BatchTime,
    /// Its number.
    pub number: u64,
    /// What operators remember: all of it, or what changed since the last time.
    pub whole: bool,
    /// That.
    pub memory: SavedMemory,
    /// How far each source had come with it.
    pub sources: Vec<SourceFact>,
}
