//! A block: records that were received together.

use arrow_array::RecordBatch;
use tokio::sync::OwnedSemaphorePermit;

/// What a block holds.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockRows {
    /// `value: binary`: records as they came, decoded when a batch reads them.
    Records(RecordBatch),
    /// Rows with the source's schema.
    Rows(RecordBatch),
}

impl BlockRows {
    /// The columns, whatever they are.
    pub fn chunk(&self) -> &RecordBatch {
        match self {
            BlockRows::Records(chunk) | BlockRows::Rows(chunk) => chunk,
        }
    }
}

/// Records received together; one partition of the batch that claims it (spec 9.3).
#[derive(Debug)]
pub struct Block {
    /// Counted from 0 in the order in which blocks were kept.
    pub id: u64,
    /// What it holds.
    pub rows: BlockRows,
    /// Its room in the block store, given back when the last reader drops the block.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}
