//! Lines, side by side in one buffer.

use arrow_buffer::Buffer;

use super::{InvalidLine, Rejected};

/// Lines without their ends.
///
/// **Invariant:** `offsets` starts with 0, never falls, and ends with the buffer's length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    bytes: Buffer,
    offsets: Vec<i32>,
    read: usize,
}

impl Lines {
    /// From a buffer and where the lines in it end. `read` is how many bytes they took up where
    /// they came from. None if the offsets do not fit the buffer.
    pub fn new(bytes: Buffer, offsets: Vec<i32>, read: usize) -> Option<Self> {
        let last = offsets
            .last()
            .copied()
            .and_then(|end| usize::try_from(end).ok());
        let fit = offsets.first() == Some(&0) && offsets.is_sorted() && last == Some(bytes.len());
        fit.then_some(Self {
            bytes,
            offsets,
            read,
        })
    }

    /// From offsets that are right by construction.
    pub(super) fn of_split(bytes: Buffer, offsets: Vec<i32>, read: usize) -> Self {
        Self {
            bytes,
            offsets,
            read,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that were read for them, ends included.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Each in turn.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.offsets
            .windows(2)
            .map(|ends| &self.bytes[at(ends[0])..at(ends[1])])
    }

    /// Bytes of the longest.
    pub fn longest(&self) -> usize {
        let lengths = self.offsets.windows(2).map(|ends| ends[1] - ends[0]);
        at(lengths.max().unwrap_or(0))
    }

    /// Drops the first, if there is one.
    #[must_use]
    pub fn without_first(self) -> Self {
        let Some(first) = self.offsets.get(1).copied() else {
            return self;
        };
        Self {
            bytes: self.bytes.slice(at(first)),
            offsets: self.offsets[1..].iter().map(|end| end - first).collect(),
            read: self.read,
        }
    }

    /// Rejects those that are too long.
    pub(super) fn without_long(
        self,
        max_line: usize,
        rejected: &mut Rejected,
    ) -> Result<Self, InvalidLine> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        for (at, line) in self.iter().enumerate() {
            if line.len() > max_line {
                rejected.push_long(at, line)?;
            } else {
                bytes.extend_from_slice(line);
                // Never more than what was counted before.
                offsets.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            }
        }
        Ok(Self {
            bytes: Buffer::from_vec(bytes),
            offsets,
            read: self.read,
        })
    }

    pub(super) fn into_parts(self) -> (Buffer, Vec<i32>) {
        (self.bytes, self.offsets)
    }
}

fn at(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}
