//! Why a checkpoint cannot be used.

use std::path::PathBuf;

use crate::{
    codec::CodecError, format::IpcError, journal::JournalError, model::BatchTime,
    scheduler::MemoryError,
};

/// A checkpoint that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Its directory cannot be used.
    #[error("checkpoint {path}: {error}", path = path.display())]
    Directory {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The store that it lies in cannot be used.
    #[error("checkpoint {place}: {error}")]
    Store {
        /// Where it is.
        place: String,
        /// What the store says.
        error: std::io::Error,
    },
    /// Somebody else has it open.
    #[error("checkpoint {path} is in use: {holder}; stop that process, or give this topology another checkpoint", path = path.display())]
    InUse {
        /// Where it is.
        path: PathBuf,
        /// Who has it, and since when.
        holder: String,
    },
    /// It is of another topology.
    #[error(
        "the checkpoint in {place} is of topology `{found}`, not `{expected}`: give each topology its own"
    )]
    OtherTopology {
        /// Where it is.
        place: String,
        /// Whose it is.
        found: String,
        /// Who came.
        expected: String,
    },
    /// Batches cannot be made again as they were.
    #[error(
        "{claims} batches from {from} on were claimed by another version of {what} and must be made again by it: run that version until it stops gracefully, then this one, or start anew with --fresh"
    )]
    OtherProgram {
        /// How many.
        claims: usize,
        /// The first, in milliseconds since the epoch.
        from: i64,
        /// The topology or its plugins.
        what: &'static str,
    },
    /// Something that does not change has changed.
    #[error(
        "{what} was {before} when the checkpoint in {place} was begun and is {now}: put it back, or start anew with --fresh"
    )]
    Changed {
        /// The interval, the parallelism.
        what: &'static str,
        /// Before.
        before: String,
        /// Now.
        now: String,
        /// Where the checkpoint is.
        place: String,
    },
    /// There is no room for more dead letters.
    #[error(
        "the dead letters in {place} take {bytes} bytes, and these would make it more than {limit}: look at them with rsrt dead-letters show, write them out with export, remove them with drop, and run again; or raise `dead-letters` in [limits]"
    )]
    LettersFull {
        /// Where the checkpoint is.
        place: String,
        /// What is there.
        bytes: u64,
        /// What may be.
        limit: u64,
    },
    /// What a batch was made from is not kept any more, or there was none at this time.
    #[error(
        "batch {batch} is not kept in {place}: there are {there}; `retain-batches` says how many stay"
    )]
    NotRetained {
        /// The batch.
        batch: BatchTime,
        /// Where the checkpoint is.
        place: String,
        /// The batches that are kept.
        there: String,
    },
    /// A file is missing or is not what was written.
    #[error("{file} in {place} {why}; restore it from a copy, or start anew with --fresh")]
    Damaged {
        /// Which.
        file: String,
        /// Where it is.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What was read is not what this version writes.
    #[error("a record of the checkpoint: {0}")]
    Record(#[from] CodecError),
    /// Rows cannot be written or read.
    #[error("a record of the checkpoint: {0}")]
    Rows(#[from] IpcError),
    /// State does not fit the topology.
    #[error(transparent)]
    State(#[from] MemoryError),
}
