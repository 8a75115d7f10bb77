//! Why a receiver, or what it stores, failed.

use std::error::Error;

/// A receiver that cannot go on. It is run again.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The source was not reached: a failed attempt.
    #[error("cannot reach {source_name}: {error}")]
    Unreachable {
        /// What was to be reached: an address, a topic.
        source_name: String,
        /// Why it was not.
        error: Box<dyn Error + Send + Sync>,
    },
    /// The source was reached and then lost.
    #[error("lost {source_name}: {error}")]
    Lost {
        /// What was lost.
        source_name: String,
        /// Why.
        error: Box<dyn Error + Send + Sync>,
    },
    /// What it got could not be stored.
    #[error("cannot store: {0}")]
    Store(#[from] StoreError),
}

/// What a receiver gave was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing is taken any more: the receiver has been stopped.
    #[error("the receiver has been stopped")]
    Stopped,
    /// No block can hold it.
    #[error("a record of {0} bytes is longer than the 1 GiB a block can hold")]
    TooLong(usize),
    /// The log of blocks takes nothing more.
    #[error("the block cannot be logged: {0}")]
    NotLogged(String),
    /// There is no room in memory, and the disk takes nothing more.
    #[error("received blocks cannot be put aside: {0}")]
    NotSpilled(String),
    /// A block that lies on disk is not there as it was written.
    #[error("block {block} cannot be read back: {why}")]
    NotRead {
        /// Its number.
        block: u64,
        /// What cannot be read, and why.
        why: String,
    },
    /// Columns that are neither the source's nor `value: binary`.
    #[error("a block has columns ({found}) where the source takes ({expected})")]
    WrongColumns {
        /// What would fit.
        expected: String,
        /// What came.
        found: String,
    },
}
