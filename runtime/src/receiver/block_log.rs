//! Where blocks become durable, for those who keep a log.

use std::{fmt::Debug, sync::Arc};

use super::BlockRows;
use crate::model::{NodeName, Position};

/// Writes the blocks of one receiver where they outlive the process.
pub trait BlockLog: Debug + Send + Sync {
    /// Adds a block; it can be read from there at once. It is durable after the next sync, or before
    /// a batch that claims it is.
    ///
    /// # Errors
    /// One line that says why it cannot be written.
    fn append(
        &self,
        id: u64,
        rows: &BlockRows,
        position: Option<&Position>,
    ) -> Result<Box<dyn StoredRows>, String>;

    /// Makes all blocks durable. May block.
    ///
    /// # Errors
    /// One line that says why.
    fn sync(&self) -> Result<(), String>;
}

/// The rows of one block, which lie somewhere else than in memory.
pub trait StoredRows: Debug + Send + Sync {
    /// Reads them. May block.
    ///
    /// # Errors
    /// One line that says what cannot be read, and why.
    fn read(&self) -> Result<BlockRows, String>;
}

/// The logs of a topology's receivers.
pub trait BlockLogs: Debug {
    /// That of this source; none if it keeps none.
    fn of(&self, source: &NodeName) -> Option<ReceiverLog>;
}

/// A log, and what an earlier run wrote to it.
#[derive(Debug)]
pub struct ReceiverLog {
    /// For new blocks.
    pub log: Arc<dyn BlockLog>,
    /// Those whose batches are not done, by rising number.
    pub blocks: Vec<LoggedBlock>,
    /// Of the next block.
    pub next_id: u64,
    /// Of the last block that came with one.
    pub position: Option<Position>,
}

/// A block that an earlier run logged.
#[derive(Debug)]
pub struct LoggedBlock {
    /// Its number.
    pub id: u64,
    /// How many records it has.
    pub records: u64,
    /// Bytes that it takes up.
    pub bytes: usize,
    /// To be read when a batch needs it.
    pub rows: Box<dyn StoredRows>,
}
