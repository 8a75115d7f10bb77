//! Where blocks become durable, for those who keep a log.

use std::{fmt::Debug, sync::Arc};

use super::BlockRows;
use crate::model::{NodeName, Position};

/// Writes the blocks of one receiver where they outlive the process.
pub trait BlockLog: Debug + Send + Sync {
    /// Adds a block. It is durable after the next sync, or before a batch that claims it is.
    ///
    /// # Errors
    /// One line that says why it cannot be written.
    fn append(&self, id: u64, rows: &BlockRows, position: Option<&Position>) -> Result<(), String>;

    /// Makes all blocks durable. May block.
    ///
    /// # Errors
    /// One line that says why.
    fn sync(&self) -> Result<(), String>;
}

/// The logs of a topology's receivers.
pub trait BlockLogs: Debug {
    /// That of this source; none if it keeps none.
    fn of(&self, source: &NodeName) -> Option<ReceiverLog>;
}

/// A log, and what an earlier run wrote to it.
#[derive(Debug, Clone)]
pub struct ReceiverLog {
    /// For new blocks.
    pub log: Arc<dyn BlockLog>,
    /// Those whose batches are not done, with their numbers, rising.
    pub blocks: Vec<(u64, BlockRows)>,
    /// Of the next block.
    pub next_id: u64,
    /// Of the last block that came with one.
    pub position: Option<Position>,
}
