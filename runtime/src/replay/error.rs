//! Why a batch cannot be made once more.

use crate::{
    checkpoint::CheckpointError,
    model::BatchTime,
    scheduler::{BatchError, MemoryError},
    source::{DataSetError, SourceError},
    topology::Change,
};

/// A batch cannot be made once more.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// What it was made from cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What it took cannot be taken again.
    #[error("batch {batch}: {error}")]
    Source {
        /// The batch.
        batch: BatchTime,
        /// Which source, and why.
        error: Box<SourceError>,
    },
    /// A data set that it did not have before cannot be read.
    #[error(transparent)]
    DataSet(#[from] DataSetError),
    /// The state before it does not fit the program.
    #[error("the state before batch {batch}: {error}")]
    State {
        /// The batch.
        batch: BatchTime,
        /// Why.
        error: MemoryError,
    },
    /// Dead letters that it took do not fit.
    #[error("batch {batch}: dead letters that it tried again: {why}")]
    Letters {
        /// The batch.
        batch: BatchTime,
        /// Why.
        why: String,
    },
    /// A batch on the way to it went well then and fails now.
    #[error(
        "batch {batch}, which must be made again first, succeeded then and fails now: {error}; is what it reads as it was?"
    )]
    Differs {
        /// That one.
        batch: BatchTime,
        /// Why it fails.
        error: Box<BatchError>,
    },
    /// A program that made one of the batches is not there.
    #[error(
        "version {version}, which made batch {batch}, is not at hand: what it is made of was not kept"
    )]
    NotKept {
        /// The version.
        version: u64,
        /// The batch.
        batch: BatchTime,
    },
    /// There is no such stream.
    #[error("there is no stream `{name}` whose rows were made; there are {}", .there.join(", "))]
    NoStream {
        /// What was asked for.
        name: String,
        /// What there is.
        there: Vec<String>,
    },
    /// The other program can never follow on the one that made the batch.
    #[error("the other version cannot go on where this one was: {}", told(.0))]
    Refused(Vec<Change>),
    /// Rows do not have the columns of their stream.
    #[error("{0}; this is a bug in rsrt")]
    Internal(String),
}

/// Names what stands in the way, and why.
fn told(changes: &[Change]) -> String {
    let each = changes.iter().map(|change| {
        let reasons: Vec<_> = change.reasons.iter().map(ToString::to_string).collect();
        let (noun, name) = (change.part.noun(), &change.name);
        format!("{noun} `{name}`: {}", reasons.join(", "))
    });
    each.collect::<Vec<_>>().join("; ")
}
