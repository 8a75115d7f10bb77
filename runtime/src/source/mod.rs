//! Where batches come from: one claim per source and tick, read later, in parallel.
//!
//! A [`Source`] decides what belongs to a batch ([`Source::claim`], on the batch loop, cheap); the
//! [`PartitionReader`]s of the claim then read and decode it, one per partition, on the pool.

mod data_set;
mod directory;
mod error;
mod file;
mod file_range;
mod generator;
mod kept;
mod open;
mod queue;
mod receiver;
mod record_file;
mod rows;
mod selection;

use std::pin::Pin;

use arrow_array::RecordBatch;

pub use data_set::{DataSet, DataSetError};
pub use directory::{DirectorySource, FileReading};
pub use error::{SourceError, SourceProblem};
pub use file::FileSource;
pub use generator::GeneratorSource;
pub use kept::{Kept, KeptClaim};
pub use open::{SourceSetup, open_receiver, open_source};
pub use queue::QueueSource;
pub use receiver::ReceiverSource;

use crate::{
    model::{BatchTime, InputPosition, InputRange},
    receiver::BatchTimes,
};

/// What [`Source::stop`] returns.
pub type Stopping<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A source of a running topology.
pub trait Source: Send {
    /// Takes what belongs to the batch at `time`. Called once per tick, times rising.
    ///
    /// # Errors
    /// When the source cannot say what belongs to the batch; that batch fails.
    fn claim(&mut self, time: BatchTime) -> Result<Claim, SourceError>;

    /// What the last claim took, and how far the source has come with it; none if the source cannot
    /// take the same again.
    fn taken(&self) -> Option<Taken> {
        None
    }

    /// Goes on from where a source like this one had come, in an earlier run. Called before the
    /// first claim, and behind each [`replay`](Self::replay) with where the source had come then.
    ///
    /// # Errors
    /// When this source cannot go on from there.
    fn resume(&mut self, position: &InputPosition) -> Result<(), SourceError>;

    /// Takes what an earlier run took for the batch at `time`, instead of a claim.
    ///
    /// # Errors
    /// When it is not there any more, or is not what it was.
    fn replay(&mut self, time: BatchTime, range: &InputRange) -> Result<Claim, SourceError>;

    /// A batch that was claimed is over, successfully or not.
    fn batch_ended(&mut self, _time: BatchTime, _times: BatchTimes) {}

    /// Nothing will ever come again: later claims are empty batches. A topology whose sources are
    /// all exhausted is finished.
    fn is_exhausted(&self) -> bool;

    /// Takes in nothing more, for a graceful stop: when it is done, the next claim takes everything
    /// that was received. Sources without a receiver have nothing to do. Needs the runtime that the
    /// source was opened with.
    fn stop(&mut self) -> Stopping<'_> {
        Box::pin(async {})
    }
}

/// What a claim took, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// For the batch.
    pub range: InputRange,
    /// Behind it.
    pub position: InputPosition,
}

/// What a source has for one batch time.
pub enum Claim {
    /// A batch, maybe empty, maybe without partitions.
    Batch(Vec<Box<dyn PartitionReader>>),
    /// No batch at this time (spec 5.1).
    NoBatch,
}

/// Reads one partition of a claimed batch, chunk by chunk. Reads only what was claimed, so that
/// reading it again gives the same rows.
pub trait PartitionReader: Send {
    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// When what was claimed cannot be read or decoded; the batch fails.
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError>;
}

/// Rows as read from a source.
#[derive(Debug, Clone)]
pub struct SourceChunk {
    /// With the source's schema; may have no rows.
    pub rows: RecordBatch,
    /// Lines that were none, with the source's `rejected` schema; none if there were none.
    pub rejected: Option<RecordBatch>,
    /// Lines in which broken UTF-8 was replaced.
    pub replaced: usize,
    /// Bytes read for this chunk.
    pub bytes: usize,
}
