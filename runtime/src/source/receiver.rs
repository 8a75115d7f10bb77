//! A receiver as a source: each block that waits at a tick is a partition of the batch.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{Array, BinaryArray, RecordBatch, cast::AsArray};

use super::{
    Claim, PartitionReader, Source, SourceChunk, SourceError, SourceProblem, Stopping, Taken,
    error::another_type, rows::RowPartition,
};
use crate::{
    format::{DecodeError, LineDecoder, Lines},
    model::{BatchTime, CHUNK_BYTES, CHUNK_ROWS, InputPosition, InputRange, NodeName},
    receiver::{
        BatchTimes, Block, BlockRows, PidEstimator, RunningReceiver, StoreError, StoredRows,
    },
};

/// Claims the blocks of a receiver.
#[derive(Debug)]
pub struct ReceiverSource {
    name: NodeName,
    receiver: RunningReceiver,
    decoder: Arc<LineDecoder>,
    /// By the last claim.
    taken: Option<Vec<u64>>,
    /// Says how fast the receiver should be.
    estimator: Option<PidEstimator>,
    /// Records of batches that are not over.
    records: BTreeMap<BatchTime, u64>,
}

impl ReceiverSource {
    /// Of a receiver that runs; its records are lines for `decoder`.
    pub fn new(name: &NodeName, receiver: RunningReceiver, decoder: Arc<LineDecoder>) -> Self {
        Self {
            name: name.clone(),
            receiver,
            decoder,
            taken: None,
            estimator: None,
            records: BTreeMap::new(),
        }
    }

    /// The same, with a receiver that is as fast as batches can take (spec 11).
    #[must_use]
    pub fn with_estimator(self, estimator: Option<PidEstimator>) -> Self {
        Self { estimator, ..self }
    }
}

impl Source for ReceiverSource {
    /// All blocks that wait, whenever they were received (spec 4.2). Once the receiver has given up,
    /// or blocks cannot be kept any more, and those there are have been claimed, a fatal error.
    fn claim(&mut self, time: BatchTime) -> Result<Claim, SourceError> {
        let blocks = self.receiver.claim();
        if blocks.is_empty()
            && let Some(gave_up) = self.receiver.gave_up()
        {
            let problem = SourceProblem::GaveUp {
                attempts: gave_up.attempts,
                last: gave_up.last,
            };
            return Err(SourceError::new(&self.name, problem));
        }
        if blocks.is_empty()
            && let Some(failed) = self.receiver.failed()
        {
            return Err(SourceError::new(&self.name, SourceProblem::Store(failed)));
        }
        let records = blocks.iter().map(|block| block.records);
        self.records.insert(time, records.sum());
        Ok(self.batch(blocks))
    }

    fn batch_ended(&mut self, time: BatchTime, times: BatchTimes) {
        let records = self.records.remove(&time).unwrap_or(0);
        let estimator = self.estimator.as_mut();
        if let Some(rate) = estimator.and_then(|pid| pid.compute(records, times)) {
            self.receiver.set_rate(rate);
        }
    }

    fn taken(&self) -> Option<Taken> {
        Some(Taken {
            range: InputRange::Blocks(self.taken.clone()?),
            position: InputPosition::Blocks {
                controller: self.estimator.as_ref().and_then(PidEstimator::state),
            },
        })
    }

    fn resume(&mut self, position: &InputPosition) -> Result<(), SourceError> {
        match position {
            InputPosition::Blocks { controller } => {
                if let (Some(estimator), Some(state)) = (&mut self.estimator, controller) {
                    estimator.resume(*state);
                }
                Ok(())
            }
            _ => Err(another_type(&self.name)),
        }
    }

    /// What was not logged is lost.
    fn replay(&mut self, time: BatchTime, range: &InputRange) -> Result<Claim, SourceError> {
        let InputRange::Blocks(ids) = range else {
            return Err(another_type(&self.name));
        };
        let blocks = self.receiver.claim_again(ids).map_err(|missing| {
            let what = format!("block {missing} was not logged");
            SourceError::new(&self.name, SourceProblem::NotThere(what))
        })?;
        let lost = ids.len() - blocks.len();
        if lost > 0 {
            tracing::warn!(
                source = %self.name,
                "batch {time} is made again without {lost} of its {} blocks, which were not logged (log = false)",
                ids.len()
            );
        }
        Ok(self.batch(blocks))
    }

    fn is_exhausted(&self) -> bool {
        self.receiver.is_drained()
    }

    fn stop(&mut self) -> Stopping<'_> {
        Box::pin(self.receiver.stop())
    }
}

impl ReceiverSource {
    /// How many records a second the receiver may take in; none: any number.
    pub fn rate(&self) -> Option<u64> {
        self.receiver.rate()
    }

    fn batch(&mut self, blocks: Vec<Arc<Block>>) -> Claim {
        self.taken = Some(blocks.iter().map(|block| block.id).collect());
        let readers = blocks.into_iter().map(|block| {
            let block = ClaimedBlock::Received(block);
            Box::new(BlockReader::new(&self.name, &self.decoder, block)) as _
        });
        Claim::Batch(readers.collect())
    }
}

/// A block of a batch.
#[derive(Debug)]
pub(super) enum ClaimedBlock {
    /// Its room in the store is taken until it is read.
    Received(Arc<Block>),
    /// It was logged, and has this number.
    Logged(u64, Arc<dyn StoredRows>),
}

impl ClaimedBlock {
    fn id(&self) -> u64 {
        match self {
            Self::Received(block) => block.id,
            Self::Logged(id, _) => *id,
        }
    }

    fn read(&self) -> Result<BlockRows, StoreError> {
        match self {
            Self::Received(block) => block.read(),
            Self::Logged(block, rows) => rows.read().map_err(|why| {
                let block = *block;
                StoreError::NotRead { block, why }
            }),
        }
    }
}

/// Reads a block: from where it lies when its turn comes, not before.
#[derive(Debug)]
pub(super) struct BlockReader {
    source: NodeName,
    decoder: Arc<LineDecoder>,
    reading: Option<Reading>,
    block: ClaimedBlock,
}

impl BlockReader {
    pub(super) fn new(source: &NodeName, decoder: &Arc<LineDecoder>, block: ClaimedBlock) -> Self {
        Self {
            source: source.clone(),
            decoder: decoder.clone(),
            reading: None,
            block,
        }
    }
}

/// A block in memory.
#[derive(Debug)]
enum Reading {
    Rows(RowPartition),
    /// Records, to be decoded from this one on.
    Records(RecordBatch, usize),
}

impl PartitionReader for BlockReader {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        if self.reading.is_none() {
            let rows = self.block.read();
            let rows = rows.map_err(|error| self.failed(SourceProblem::Store(error)))?;
            self.reading = Some(match rows {
                BlockRows::Rows(rows) => Reading::Rows(RowPartition::new(rows)),
                BlockRows::Records(records) => Reading::Records(records, 0),
            });
        }
        match &mut self.reading {
            Some(Reading::Rows(rows)) => rows.next_chunk(),
            Some(Reading::Records(records, next)) => {
                let (records, from) = (records.clone(), *next);
                let decoded = self.decode(&records, from)?;
                let Some((chunk, next)) = decoded else {
                    return Ok(None);
                };
                self.reading = Some(Reading::Records(records, next));
                Ok(Some(chunk))
            }
            None => Ok(None),
        }
    }
}

impl BlockReader {
    /// A chunk of the records from this one on, and the first behind it; none at the end.
    fn decode(
        &self,
        records: &RecordBatch,
        first: usize,
    ) -> Result<Option<(SourceChunk, usize)>, SourceError> {
        let internal = |what: &str| self.failed(SourceProblem::Internal(what.to_owned()));
        let records = records.column(0).as_binary_opt();
        let records = records.ok_or_else(|| internal("a block holds no records"))?;
        let Some(lines) = next_lines(records, first) else {
            return Ok(None);
        };
        let (bytes, next) = (lines.read(), first + lines.len());
        let decoded = self.decoder.decode(lines).map_err(|error| match error {
            DecodeError::Line(line) => self.failed(SourceProblem::Received {
                block: self.block.id(),
                error: line.after(first),
            }),
            DecodeError::Chunk(error) => internal(&error.to_string()),
        })?;
        let chunk = SourceChunk {
            rows: decoded.rows,
            rejected: decoded.rejected,
            replaced: decoded.replaced,
            bytes,
        };
        Ok(Some((chunk, next)))
    }

    fn failed(&self, problem: SourceProblem) -> SourceError {
        SourceError::new(&self.source, problem)
    }
}

/// The records from `from` on that make a chunk; none at the end.
fn next_lines(records: &BinaryArray, from: usize) -> Option<Lines> {
    let ends = records.value_offsets();
    let most = (from + CHUNK_ROWS).min(records.len());
    let start = *ends.get(from)?;
    let full = i64::from(start) + i64::try_from(CHUNK_BYTES).unwrap_or(i64::MAX);
    let rows = ends.get(from + 1..=most)?;
    if rows.is_empty() {
        return None;
    }
    // With the record in which the chunk gets full.
    let below = rows.partition_point(|end| i64::from(*end) < full);
    let rows = &rows[..(below + 1).min(rows.len())];
    let end = rows.last().copied().unwrap_or(start);
    let mut offsets = Vec::with_capacity(rows.len() + 1);
    offsets.push(0);
    offsets.extend(rows.iter().map(|end| end - start));
    let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
    let bytes = records.values().slice_with_length(start, end - start);
    Lines::new(bytes, offsets, end - start)
}

#[cfg(test)]
mod tests;
