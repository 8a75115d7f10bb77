//! Why a source failed.

use std::{ops::Range, path::PathBuf, sync::Arc};

use crate::{
    format::{InvalidLine, RowError},
    model::{NoValue, NodeName},
    receiver::StoreError,
    spill::SpillError,
};

/// A source that could not say or read what belongs to a batch.
#[derive(Debug, Clone, thiserror::Error)]
#[error("source {name}: {problem}")]
pub struct SourceError {
    name: NodeName,
    #[source]
    problem: SourceProblem,
}

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceProblem {
    /// A file could not be opened or read.
    #[error("cannot read {path}: {error}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: Arc<std::io::Error>,
    },
    /// A file has fewer bytes than when the batch was claimed.
    #[error(
        "{path} shrank from {expected} bytes to {found} after it was claimed; files that are read must not be cut",
        path = path.display()
    )]
    Shrank {
        /// The file.
        path: PathBuf,
        /// Bytes at the claim.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
    /// A file is not what it was when it was claimed.
    #[error(
        "{path} was changed after a batch had claimed it ({expected} bytes then, {found} now); the batch cannot be made again: put the file back, or start anew with --fresh",
        path = path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Bytes at the claim.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
    /// Its address is a secret that nobody has put there.
    #[error("{0}")]
    NoValue(#[source] NoValue),
    /// What an earlier run took is not there, or the source is of another type now.
    #[error("cannot take again what a batch of an earlier run took: {0}")]
    NotThere(String),
    /// A file of records ends within one.
    #[error(
        "{path} has {length} bytes, which is no multiple of the {record} of a record",
        path = path.display()
    )]
    NoRecords {
        /// The file.
        path: PathBuf,
        /// Of the file, in bytes.
        length: u64,
        /// Of a record, in bytes.
        record: usize,
    },
    /// A line of a file is none, and `on-invalid` is `fail`.
    #[error("{path}, bytes {} to {}: {error}", range.start, range.end, path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The bytes among which the line is counted.
        range: Range<u64>,
        /// Which line, and why.
        error: InvalidLine,
    },
    /// A received line is none, and `on-invalid` is `fail`.
    #[error("block {block}: {error}")]
    Received {
        /// Blocks are counted from 0.
        block: u64,
        /// Which line, and why.
        error: InvalidLine,
    },
    /// The default batch of a queue holds what is no row.
    #[error("`default`: {error}")]
    DefaultRow {
        /// Which row, and why.
        error: RowError,
    },
    /// The file of a queue is no list of batches.
    #[error(
        "{path} is no list of batches: {problem}; write one list of rows per batch, or null for no batch: [[1, 2], [], null]",
        path = path.display()
    )]
    NoQueue {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A row of a queue does not have the source's schema.
    #[error("batch {}: {error}", batch + 1)]
    Row {
        /// Which of the queue's batches, from 0.
        batch: usize,
        /// Which row, and why.
        error: RowError,
    },
    /// A queue without a file, outside of a test.
    #[error("a queue needs `path`, the JSON file with its batches")]
    NoPath,
    /// A receiver of another program.
    #[error(
        "rows of a `receiver` come from the program that embeds rsrt, which opens it with `open_receiver`"
    )]
    NoReceiver,
    /// A receiver for a source that has its own.
    #[error("only a source of the type `receiver` takes a receiver of the program")]
    NotAReceiver,
    /// The source's directory pattern cannot be understood.
    #[error("{pattern:?} is no pattern of directories: {problem}")]
    BadPattern {
        /// As given.
        pattern: String,
        /// Why not.
        problem: String,
    },
    /// The receiver failed too often in a row. Nothing will come any more.
    #[error("gave up after {attempts} failed attempts: {last}")]
    GaveUp {
        /// How many.
        attempts: usize,
        /// How the last one failed.
        last: String,
    },
    /// There cannot be files for received blocks.
    #[error(transparent)]
    Spill(Arc<SpillError>),
    /// Received blocks cannot be kept, or read again.
    #[error(transparent)]
    Store(StoreError),
    /// The host made columns that do not fit together.
    #[error("internal error: {0}")]
    Internal(String),
}

impl SourceError {
    /// A problem of the source of this name.
    pub fn new(name: &NodeName, problem: SourceProblem) -> Self {
        Self {
            name: name.clone(),
            problem,
        }
    }

    /// What went wrong.
    pub fn problem(&self) -> &SourceProblem {
        &self.problem
    }

    /// The run cannot go on, whatever the policy for failed batches.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self.problem,
            SourceProblem::GaveUp { .. } | SourceProblem::Store(StoreError::NotSpilled(_))
        )
    }
}

/// What was written down is of a source of another type.
pub(super) fn another_type(name: &NodeName) -> SourceError {
    let what = "the source is of another type now, or its file is another one".to_owned();
    SourceError::new(name, SourceProblem::NotThere(what))
}
