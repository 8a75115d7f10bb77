//! Records to blocks. A pure state machine: whoever drives it has the clock.
//!
//! **Invariant:** every record added is, in order, in the buffer, in a queued block, or in a block
//! that was taken.

use std::{collections::VecDeque, sync::Arc};

use arrow_array::{BinaryArray, RecordBatch};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use crate::model::{Kind, Schema};

/// Blocks that wait to be stored, at most (spec 9.3).
const QUEUE: usize = 10;

/// A block is cut before its time when it has so many bytes.
const LARGEST: usize = 8 << 20;

/// Bytes of a record, at most.
pub(super) const LONGEST: usize = 1 << 30;

/// How far its life has come (spec 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GeneratorState {
    /// Not started.
    Initialized,
    /// Takes records.
    Active,
    /// Takes no more; what it has is still to be cut.
    StoppedAddingData,
    /// All is cut; blocks are still to be taken.
    StoppedGeneratingBlocks,
    /// Nothing is left.
    StoppedAll,
}

/// Starting twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the block generator was started before")]
pub struct AlreadyStarted;

/// Adding to a generator that does not take records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the block generator is {0:?} and takes no records")]
pub struct NotActive(pub GeneratorState);

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is in the buffer.
    Buffered,
    /// It is the first one in the buffer: there is something to cut at the next block interval.
    First,
    /// It is in the buffer, and before it a block was cut early: there is one to take.
    BufferedAndCut,
    /// There is no room before a block is taken: try again.
    Full,
}

/// What became of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It is a block now.
    Queued,
    /// It was empty, and an empty buffer makes no block.
    Empty,
    /// The queue has no room; the buffer stays.
    Full,
}

/// Gathers records and cuts them into blocks.
#[derive(Debug)]
pub struct BlockGenerator {
    state: GeneratorState,
    bytes: Vec<u8>,
    ends: Vec<i32>,
    queue: VecDeque<RecordBatch>,
    schema: Schema,
}

impl BlockGenerator {
    /// Not started yet.
    pub fn new() -> Self {
        Self {
            state: GeneratorState::Initialized,
            bytes: Vec::new(),
            ends: vec![0],
            queue: VecDeque::with_capacity(QUEUE),
            schema: Schema::plain(Kind::Binary),
        }
    }

    /// How far it has come.
    pub fn state(&self) -> GeneratorState {
        self.state
    }

    /// Begins to take records.
    ///
    /// # Errors
    /// When it was started before.
    pub fn start(&mut self) -> Result<(), AlreadyStarted> {
        if self.state != GeneratorState::Initialized {
            return Err(AlreadyStarted);
        }
        self.state = GeneratorState::Active;
        Ok(())
    }

    /// Takes a record of at most 1 GiB.
    ///
    /// # Errors
    /// When it does not take records.
    pub fn add(&mut self, record: &[u8]) -> Result<Added, NotActive> {
        if self.state != GeneratorState::Active {
            return Err(NotActive(self.state));
        }
        let mut added = match self.is_empty() {
            true => Added::First,
            false => Added::Buffered,
        };
        if !self.is_empty() && self.bytes.len() + record.len() > LARGEST {
            match self.cut_buffer() {
                Cut::Full => return Ok(Added::Full),
                Cut::Queued => added = Added::BufferedAndCut,
                Cut::Empty => {}
            }
        }
        self.bytes.extend_from_slice(record);
        // The buffer is below `LARGEST` or holds one record of at most `LONGEST`.
        let end = i32::try_from(self.bytes.len()).unwrap_or(i32::MAX);
        self.ends.push(end);
        Ok(added)
    }

    /// Cuts the buffer into a block; called at each block interval, and to finish.
    pub fn cut(&mut self) -> Cut {
        let cut = self.cut_buffer();
        if self.state == GeneratorState::StoppedAddingData && cut != Cut::Full {
            self.state = GeneratorState::StoppedGeneratingBlocks;
            self.end_if_drained();
        }
        cut
    }

    /// Takes the oldest block.
    pub fn take(&mut self) -> Option<RecordBatch> {
        let block = self.queue.pop_front();
        self.end_if_drained();
        block
    }

    /// Takes no more records. What is buffered is still to be cut, then taken.
    pub fn stop_adding(&mut self) {
        if self.state < GeneratorState::StoppedAddingData {
            self.state = GeneratorState::StoppedAddingData;
        }
    }

    fn is_empty(&self) -> bool {
        self.ends.len() == 1
    }

    fn end_if_drained(&mut self) {
        if self.state == GeneratorState::StoppedGeneratingBlocks && self.queue.is_empty() {
            self.state = GeneratorState::StoppedAll;
        }
    }

    fn cut_buffer(&mut self) -> Cut {
        if self.is_empty() {
            return Cut::Empty;
        }
        if self.queue.len() == QUEUE {
            return Cut::Full;
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(
            &mut self.ends,
            vec![0],
        )));
        let bytes = Buffer::from_vec(std::mem::take(&mut self.bytes));
        let records = BinaryArray::new(offsets, bytes, None);
        let block = RecordBatch::try_new(self.schema.to_arrow(), vec![Arc::new(records)]);
        // One column of the type that the schema says: it always fits.
        self.queue.extend(block.ok());
        Cut::Queued
    }
}

impl Default for BlockGenerator {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
