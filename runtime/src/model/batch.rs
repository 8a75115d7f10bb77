//! A batch: what one stream holds at one batch time.

use arrow_array::RecordBatch;

use super::Schema;

/// Rows in a chunk, at most. Bigger chunks leave the CPU's caches; smaller ones pay for the call.
pub const CHUNK_ROWS: usize = 4096;

/// Bytes of a chunk, about: it is closed by the row that reaches either limit. One row may be longer.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The chunks of one partition, in order. May be empty.
pub type Partition = Vec<RecordBatch>;

/// One stream's data at one batch time. "No batch" (spec 5.1) is the absence of this, not an
/// empty one.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Columns of every chunk.
    pub schema: Schema,
    /// In order; the order of a stream's rows is partition by partition, chunk by chunk.
    pub partitions: Vec<Partition>,
}

impl Batch {
    /// Rows in all partitions.
    pub fn rows(&self) -> usize {
        self.chunks().map(RecordBatch::num_rows).sum()
    }

    /// All chunks, partition by partition.
    pub fn chunks(&self) -> impl Iterator<Item = &RecordBatch> {
        self.partitions.iter().flatten()
    }
}
