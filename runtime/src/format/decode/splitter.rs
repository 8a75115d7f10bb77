//! Bytes to lines, piece by piece.

use arrow_buffer::Buffer;

use super::Lines;
use crate::model::{CHUNK_BYTES, CHUNK_ROWS};

/// Cuts bytes into chunks of lines, whatever pieces the bytes come in. Of a line over the limit it
/// keeps one byte more than the limit, so that the decoder knows it by its length.
#[derive(Debug)]
pub struct LineSplitter {
    max_line: usize,
    strips_return: bool,
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    /// The unfinished line is over the limit; the rest of it is dropped.
    skipping: bool,
    read: usize,
}

impl LineSplitter {
    /// For lines of at most `max_line` bytes without their end.
    pub(super) fn new(max_line: usize, strips_return: bool) -> Self {
        Self {
            // One more must still have a place in a 32-bit offset.
            max_line: max_line.min(1 << 30),
            strips_return,
            bytes: Vec::new(),
            offsets: vec![0],
            skipping: false,
            read: 0,
        }
    }

    /// Takes bytes, up to the end of the line that fills the chunk, and returns how many.
    pub fn push(&mut self, piece: &[u8]) -> usize {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(piece.len().min(CHUNK_BYTES));
            self.offsets.reserve(CHUNK_ROWS);
        }
        let mut start = 0;
        if !self.is_full() {
            for end in memchr::memchr_iter(b'\n', piece) {
                self.extend(&piece[start..end]);
                self.end_line();
                start = end + 1;
                if self.is_full() {
                    self.read += start;
                    return start;
                }
            }
            self.extend(&piece[start..]);
            start = piece.len();
        }
        self.read += start;
        start
    }

    /// A chunk is waiting to be taken.
    pub fn is_full(&self) -> bool {
        self.lines() >= CHUNK_ROWS || self.ended() >= CHUNK_BYTES
    }

    /// A line has ended since the last [`take`](Self::take).
    pub fn has_lines(&self) -> bool {
        self.lines() > 0
    }

    /// Takes the lines that have ended. What there is of an unfinished one stays.
    pub fn take(&mut self) -> Lines {
        let ended = self.ended();
        // The next chunk is likely to be about as long.
        let mut next = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 8);
        next.extend_from_slice(&self.bytes[ended..]);
        self.bytes.truncate(ended);
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        let offsets = std::mem::replace(&mut self.offsets, offsets);
        let bytes = std::mem::replace(&mut self.bytes, next);
        let read = std::mem::take(&mut self.read);
        Lines::of_split(Buffer::from_vec(bytes), offsets, read)
    }

    /// Ends the last line, if it has no end of its own.
    pub fn finish(&mut self) {
        if self.bytes.len() > self.ended() || self.skipping {
            self.end_line();
        }
    }

    fn lines(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Bytes of the lines that have ended.
    fn ended(&self) -> usize {
        let end = self.offsets.last().copied().unwrap_or(0);
        usize::try_from(end).unwrap_or(0)
    }

    #[inline]
    fn extend(&mut self, part: &[u8]) {
        if self.skipping {
            return;
        }
        let held = self.bytes.len() - self.ended();
        if held + part.len() <= self.max_line {
            self.bytes.extend_from_slice(part);
        } else {
            self.extend_long(part);
        }
    }

    /// One byte over the limit may be the return of a line that is just within it.
    #[cold]
    fn extend_long(&mut self, part: &[u8]) {
        let room = self.max_line + 1 - (self.bytes.len() - self.ended());
        self.bytes.extend_from_slice(&part[..room.min(part.len())]);
        self.skipping = part.len() > room;
    }

    #[inline]
    fn end_line(&mut self) {
        let has_return = self.bytes.len() > self.ended() && self.bytes.last() == Some(&b'\r');
        if has_return && self.strips_return && !self.skipping {
            self.bytes.pop();
        }
        self.skipping = false;
        // A chunk is closed by CHUNK_BYTES and a line has at most 2^30 more.
        self.offsets
            .push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }
}
