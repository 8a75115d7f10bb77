//! What a batch took from a source, and how far the source has come: what a claim writes down.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What one batch took from one source; enough to read the same rows again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputRange {
    /// The source had no batch.
    NoBatch,
    /// Bytes of its file.
    Bytes {
        /// The first.
        from: u64,
        /// Behind the last.
        to: u64,
    },
    /// Whole files, one a partition.
    Files(Vec<FileStamp>),
    /// Batches of its queue: the default one if there are none.
    Batches {
        /// The first.
        from: u64,
        /// Behind the last.
        to: u64,
    },
    /// Rows that it makes.
    Rows {
        /// The first.
        from: u64,
        /// Behind the last.
        to: u64,
    },
    /// Blocks of its receiver, by their numbers.
    Blocks(Vec<u64>),
}

/// A file as it was when it was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Where it is.
    pub path: PathBuf,
    /// In bytes.
    pub length: u64,
    /// When it was last changed, in milliseconds since the epoch.
    pub modified: i64,
}

/// How far a source has come after a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputPosition {
    /// It goes on from where its blocks say.
    Blocks {
        /// What the controller of its rate has learned; none: it has none, or has learned nothing.
        controller: Option<ControllerState>,
    },
    /// In its file.
    Bytes {
        /// Bytes claimed.
        at: u64,
        /// Bytes of the file when it was first opened; what came later is not read.
        length: u64,
    },
    /// Which files were taken.
    Files {
        /// Files not changed after this (milliseconds since the epoch) are never read.
        initial: i64,
        /// Paths by the batch time that took them, as far as they are remembered.
        taken: Vec<(i64, Vec<PathBuf>)>,
    },
    /// Batches of its queue that were taken.
    Batches(u64),
    /// Of made-up rows.
    Rows {
        /// The start of the first batch, in milliseconds since the epoch.
        zero: Option<i64>,
        /// Rows made.
        made: u64,
    },
}

/// What a controller of rates has learned from the last batch that told it something (spec 11.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerState {
    /// When that batch ended, in milliseconds since the epoch.
    pub ended: i64,
    /// The bits of the rate, a float64 in records per second.
    pub rate: u64,
    /// The bits of the error, the same.
    pub error: u64,
}
