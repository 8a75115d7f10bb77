//! Rows that are already there, handed out in chunks.

use arrow_array::{Array, RecordBatch};
use arrow_schema::ArrowError;

use super::{PartitionReader, SourceChunk, SourceError};
use crate::model::{CHUNK_BYTES, CHUNK_ROWS};

/// Cuts rows into chunks, without copying.
#[derive(Debug)]
pub(super) struct RowPartition {
    rows: RecordBatch,
    /// Rows in a chunk, by their mean size.
    step: usize,
    bytes_per_row: usize,
    next: usize,
}

impl RowPartition {
    pub(super) fn new(rows: RecordBatch) -> Self {
        let sizes = rows
            .columns()
            .iter()
            .map(|column| column.to_data().get_slice_memory_size());
        let bytes: usize = sizes.sum::<Result<_, ArrowError>>().unwrap_or(0);
        let bytes_per_row = bytes / rows.num_rows().max(1);
        Self {
            step: (CHUNK_BYTES / bytes_per_row.max(1)).clamp(1, CHUNK_ROWS),
            bytes_per_row,
            next: 0,
            rows,
        }
    }
}

impl PartitionReader for RowPartition {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        let left = self.rows.num_rows() - self.next;
        if left == 0 {
            return Ok(None);
        }
        let rows = self.rows.slice(self.next, left.min(self.step));
        self.next += rows.num_rows();
        Ok(Some(SourceChunk {
            bytes: self.bytes_per_row * rows.num_rows(),
            rows,
            rejected: None,
            replaced: 0,
        }))
    }
}
