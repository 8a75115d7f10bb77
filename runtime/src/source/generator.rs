//! Made-up rows, for load. The same rows in every run.

use std::{num::NonZeroUsize, ops::Range, sync::Arc};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::{
    Claim, PartitionReader, Source, SourceChunk, SourceError, SourceProblem, Taken,
    error::another_type,
};
use crate::{
    model::{
        BatchInterval, BatchTime, CHUNK_BYTES, CHUNK_ROWS, InputPosition, InputRange, NodeName,
        Schema,
    },
    topology::GeneratorSpec,
};

/// Words in the vocabulary are ranked below 2 to this power.
const RANK_BITS: u64 = 17;

/// Makes rows at a steady rate of batch time: the integers from 0, or lines of words in which the
/// word of rank r is about r times as rare as the first.
///
/// **Invariant:** after the batch at t, exactly rate x (t - zero) rows have been made, rounded down,
/// but no more than `count`.
#[derive(Debug)]
pub struct GeneratorSource {
    name: NodeName,
    schema: Schema,
    spec: GeneratorSpec,
    partitions: NonZeroUsize,
    interval: BatchInterval,
    /// The start of the first batch, once it is known.
    zero: Option<i64>,
    made: u64,
    /// By the last claim.
    taken: Option<Range<u64>>,
}

impl GeneratorSource {
    /// Rows as `spec` says, with `partitions` where it names none.
    pub fn new(
        name: &NodeName,
        schema: &Schema,
        spec: &GeneratorSpec,
        partitions: NonZeroUsize,
        interval: BatchInterval,
    ) -> Self {
        Self {
            name: name.clone(),
            schema: schema.clone(),
            partitions: spec.partitions.unwrap_or(partitions),
            spec: spec.clone(),
            interval,
            zero: None,
            made: 0,
            taken: None,
        }
    }

    /// Rows that must have been made by `time`.
    fn due(&mut self, time: BatchTime) -> u64 {
        let zero = *self
            .zero
            .get_or_insert_with(|| self.interval.previous(time).as_millis());
        let passed = u128::try_from(i128::from(time.as_millis()) - i128::from(zero)).unwrap_or(0);
        let rate = u128::try_from(self.spec.rate.get()).unwrap_or(u128::MAX);
        let due = u64::try_from(rate.saturating_mul(passed) / 1_000).unwrap_or(u64::MAX);
        due.min(self.spec.count.unwrap_or(u64::MAX)).max(self.made)
    }
}

impl GeneratorSource {
    fn batch(&mut self, rows: &Range<u64>) -> Claim {
        self.made = rows.end;
        self.taken = Some(rows.clone());
        let count = u128::try_from(self.partitions.get()).unwrap_or(u128::MAX);
        let bound = |partition: u128| {
            let share = u128::from(rows.end - rows.start) * partition / count;
            rows.start + u64::try_from(share).unwrap_or(0)
        };
        let readers = (0..count).map(|partition| {
            Box::new(GeneratedPartition {
                source: self.name.clone(),
                schema: self.schema.clone(),
                rows: bound(partition)..bound(partition + 1),
                words: self.spec.words,
            }) as Box<dyn PartitionReader>
        });
        Claim::Batch(readers.collect())
    }
}

impl Source for GeneratorSource {
    fn claim(&mut self, time: BatchTime) -> Result<Claim, SourceError> {
        let rows = self.made..self.due(time);
        Ok(self.batch(&rows))
    }

    fn taken(&self) -> Option<Taken> {
        let rows = self.taken.clone()?;
        Some(Taken {
            position: InputPosition::Rows {
                zero: self.zero,
                made: rows.end,
            },
            range: InputRange::Rows {
                from: rows.start,
                to: rows.end,
            },
        })
    }

    fn resume(&mut self, position: &InputPosition) -> Result<(), SourceError> {
        let InputPosition::Rows { zero, made } = *position else {
            return Err(another_type(&self.name));
        };
        (self.zero, self.made) = (zero, made);
        Ok(())
    }

    fn replay(&mut self, time: BatchTime, range: &InputRange) -> Result<Claim, SourceError> {
        let InputRange::Rows { from, to } = *range else {
            return Err(another_type(&self.name));
        };
        self.due(time); // notes the start
        Ok(self.batch(&(from..to.max(from))))
    }

    fn is_exhausted(&self) -> bool {
        self.spec.count.is_some_and(|count| self.made >= count)
    }
}

/// Makes the rows of these numbers.
#[derive(Debug)]
struct GeneratedPartition {
    source: NodeName,
    schema: Schema,
    rows: Range<u64>,
    words: Option<NonZeroUsize>,
}

impl GeneratedPartition {
    fn make(&mut self) -> Result<(ArrayRef, usize), ArrowError> {
        let left = usize::try_from(self.rows.end - self.rows.start).unwrap_or(CHUNK_ROWS);
        let wanted = left.min(CHUNK_ROWS);
        let numbers = self.rows.by_ref();
        let Some(words) = self.words else {
            let ints = numbers
                .take(wanted)
                .map(|n| i64::try_from(n).unwrap_or(i64::MAX));
            let ints = Int64Array::from_iter_values(ints);
            return Ok((Arc::new(ints), 8 * wanted));
        };
        let mut text = Vec::new();
        let mut ends = Vec::with_capacity(wanted + 1);
        ends.push(0);
        for number in numbers.take(wanted) {
            write_line(number, words.get(), &mut text);
            let end = i32::try_from(text.len());
            ends.push(end.map_err(|_| ArrowError::OffsetOverflowError(text.len()))?);
            if text.len() >= CHUNK_BYTES {
                break;
            }
        }
        let bytes = text.len();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let lines = StringArray::try_new(offsets, Buffer::from_vec(text), None)?;
        Ok((Arc::new(lines), bytes))
    }
}

impl PartitionReader for GeneratedPartition {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let made = self.make().and_then(|(column, bytes)| {
            let rows = RecordBatch::try_new(self.schema.to_arrow(), vec![column])?;
            Ok(SourceChunk {
                rows,
                rejected: None,
                replaced: 0,
                bytes,
            })
        });
        let failed = |error: ArrowError| {
            SourceError::new(&self.source, SourceProblem::Internal(error.to_string()))
        };
        made.map(Some).map_err(failed)
    }
}

/// Appends line `number`.
fn write_line(number: u64, words: usize, out: &mut Vec<u8>) {
    let mut seed = number;
    for place in 0..words {
        if place > 0 {
            out.push(b' ');
        }
        // Every power of two of ranks is equally likely, so that frequency falls as 1/rank.
        let power = next(&mut seed) % RANK_BITS;
        let rank = (1 << power) + next(&mut seed) % (1 << power);
        write_word(rank, out);
    }
}

/// SplitMix64.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Appends the word of this rank: syllables, the frequent words shortest.
fn write_word(mut rank: u64, out: &mut Vec<u8>) {
    const CONSONANTS: &[u8; 16] = b"tnshrdlcmwfgypbv";
    const VOWELS: &[u8; 4] = b"eaoi";
    loop {
        let digit = usize::try_from(rank % 64).unwrap_or(0);
        out.extend_from_slice(&[CONSONANTS[digit / 4], VOWELS[digit % 4]]);
        rank /= 64;
        if rank == 0 {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
