//! Why a version that ran beside the running one does not take over.

use super::ShadowReport;
use crate::model::BatchTime;

/// Why a version that was tried beside the running one does not take over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShadowProblem {
    /// It puts out other rows.
    #[error(
        "of {rows} rows in {batches} batches, {differing} are only in what one of both versions puts out, and {most} may be (--max-diff); {first}"
    )]
    Differs {
        /// Batches that were compared.
        batches: u64,
        /// Rows that the running version put out in them.
        rows: u64,
        /// Rows that only one of them puts out.
        differing: u64,
        /// So many may be.
        most: u64,
        /// The first of them.
        first: String,
    },
    /// It failed on a batch that the running version has made.
    #[error("beside the running version it failed: {why}")]
    Failed {
        /// The batch.
        batch: BatchTime,
        /// How.
        why: String,
    },
    /// It is too slow.
    #[error(
        "it fell behind: when batch {batch} was made, {waiting} batches waited to be made by it, too; batches that come more slowly, or more cores, would help"
    )]
    FellBehind {
        /// The batch.
        batch: BatchTime,
        /// Batches that waited.
        waiting: usize,
    },
    /// The running version failed on a batch, so there is nothing to compare with.
    #[error(
        "the running version failed on batch {batch}, so there is nothing to compare it with; try again, or let it take over without a shadow"
    )]
    RunningFailed {
        /// The batch.
        batch: BatchTime,
    },
}

impl ShadowProblem {
    pub(super) fn differs(report: &ShadowReport, most: u64) -> Self {
        let first = report.different.first();
        Self::Differs {
            batches: report.batches,
            rows: report.rows,
            differing: report.differing,
            most,
            first: first.map(ToString::to_string).unwrap_or_default(),
        }
    }
}
