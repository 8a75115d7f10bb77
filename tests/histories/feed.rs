//! A source that deals rows out in partitions and chunks of whatever sizes a test wants.

use std::{iter::Cycle, vec::IntoIter};

use arrow_array::RecordBatch;
use rsrt::{
    format::rows_from_json,
    model::{BatchTime, Schema},
    source::{Claim, PartitionReader, Source, SourceChunk, SourceError},
};

use super::reference::Batches;

/// How batches are dealt out. No result depends on it.
#[derive(Debug, Clone)]
pub(super) struct Deal {
    /// Partitions of one batch after the other, in turn. A batch without rows may have none.
    pub(super) partitions: Vec<usize>,
    /// Rows of one chunk after the other, in turn; not all are 0.
    pub(super) chunks: Vec<usize>,
}

/// Hands out given batches, one at a time.
pub(super) struct Feed {
    schema: Schema,
    batches: IntoIter<Option<Vec<serde_json::Value>>>,
    partitions: Cycle<IntoIter<usize>>,
    chunks: Vec<usize>,
}

impl Feed {
    pub(super) fn new(schema: &Schema, batches: Batches, deal: Deal) -> Self {
        Self {
            schema: schema.clone(),
            batches: batches.into_iter(),
            partitions: deal.partitions.into_iter().cycle(),
            chunks: deal.chunks,
        }
    }
}

impl Source for Feed {
    fn claim(&mut self, _: BatchTime) -> Result<Claim, SourceError> {
        let partitions = self.partitions.next().unwrap();
        let Some(rows) = self.batches.next().unwrap() else {
            return Ok(Claim::NoBatch);
        };
        let n = rows.len();
        let p = partitions.max(usize::from(n > 0));
        let readers = (0..p).map(|i| {
            let rows = &rows[i * n / p..(i + 1) * n / p];
            let chunks = Chunks {
                rows: rows_from_json(&self.schema, rows).unwrap(),
                sizes: self.chunks.clone().into_iter().cycle(),
            };
            Box::new(chunks) as Box<dyn PartitionReader>
        });
        Ok(Claim::Batch(readers.collect()))
    }

    fn is_exhausted(&self) -> bool {
        self.batches.as_slice().is_empty()
    }
}

/// One partition: the rows that are left.
struct Chunks {
    rows: RecordBatch,
    sizes: Cycle<IntoIter<usize>>,
}

impl PartitionReader for Chunks {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        let left = self.rows.num_rows();
        if left == 0 {
            return Ok(None);
        }
        let size = self.sizes.next().unwrap().min(left);
        let rows = self.rows.slice(0, size);
        self.rows = self.rows.slice(size, left - size);
        Ok(Some(SourceChunk {
            rows,
            rejected: None,
            replaced: 0,
            bytes: 0,
        }))
    }
}
