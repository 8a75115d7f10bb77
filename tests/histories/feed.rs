//! A source that deals rows out in partitions and chunks of whatever sizes a test wants.

use std::{iter::Cycle, vec::IntoIter};

use arrow_array::RecordBatch;
use rsrt::{
    format::rows_from_json,
    model::{BatchTime, InputPosition, InputRange, Schema},
    source::{Claim, PartitionReader, Source, SourceChunk, SourceError, Taken},
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
    batches: Batches,
    deal: Deal,
    /// Batches that were handed out.
    taken: u64,
}

impl Feed {
    pub(super) fn new(schema: &Schema, batches: Batches, deal: Deal) -> Self {
        Self {
            schema: schema.clone(),
            batches,
            deal,
            taken: 0,
        }
    }

    fn batch(&self, at: u64) -> Claim {
        let at = usize::try_from(at).unwrap();
        let Some(rows) = &self.batches[at] else {
            return Claim::NoBatch;
        };
        let partitions = self.deal.partitions[at % self.deal.partitions.len()];
        let n = rows.len();
        let p = partitions.max(usize::from(n > 0));
        let readers = (0..p).map(|i| {
            let rows = &rows[i * n / p..(i + 1) * n / p];
            let chunks = Chunks {
                rows: rows_from_json(&self.schema, rows).unwrap(),
                sizes: self.deal.chunks.clone().into_iter().cycle(),
            };
            Box::new(chunks) as Box<dyn PartitionReader>
        });
        Claim::Batch(readers.collect())
    }
}

impl Source for Feed {
    fn claim(&mut self, _: BatchTime) -> Result<Claim, SourceError> {
        self.taken += 1;
        Ok(self.batch(self.taken - 1))
    }

    fn taken(&self) -> Option<Taken> {
        let to = self.taken;
        let from = to.checked_sub(1)?;
        Some(Taken {
            range: InputRange::Batches { from, to },
            position: InputPosition::Batches(to),
        })
    }

    fn resume(&mut self, position: &InputPosition) -> Result<(), SourceError> {
        match *position {
            InputPosition::Batches(taken) => self.taken = taken,
            _ => panic!("{position:?} is of another source"),
        }
        Ok(())
    }

    fn replay(&mut self, _: BatchTime, range: &InputRange) -> Result<Claim, SourceError> {
        match *range {
            InputRange::Batches { from, to } if to == from + 1 => {
                self.taken = to;
                Ok(self.batch(from))
            }
            _ => panic!("{range:?} was never taken"),
        }
    }

    fn is_exhausted(&self) -> bool {
        self.taken >= self.batches.len() as u64
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
