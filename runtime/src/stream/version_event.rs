//! What becomes of the versions of a stream that runs.

use crate::{model::BatchTime, topology::Diff};

/// Something has become of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionEvent {
    /// It took over from the one before, and makes the batches from its first one on. For a while
    /// there is a way back.
    TookOver {
        /// Its first batch.
        first: BatchTime,
        /// What it has changed.
        diff: Diff,
    },
    /// The version before it makes its batches again, and goes on: in this run, or, if the summary
    /// says [`went_back`](super::Summary::went_back), in the next one, to which this one comes to
    /// an end.
    RolledBack {
        /// The first batch of the version that is gone: what is remembered is of before it.
        to_before: BatchTime,
        /// The first batch that only the version before has made.
        at: BatchTime,
        /// Why.
        why: String,
    },
    /// There is no way back from it any more: it has made its batches.
    Settled {
        /// Its first batch.
        first: BatchTime,
    },
}
