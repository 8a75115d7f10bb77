//! A range of a file as a partition: read in pieces, cut into lines, decoded.

use std::{fs::File, ops::Range, os::unix::fs::FileExt, sync::Arc};

use super::{PartitionReader, SourceChunk, SourceError, SourceProblem};
use crate::{
    confine::Place,
    format::{DecodeError, LineDecoder, LineSplitter},
    model::NodeName,
};

/// Bytes read at once. About a chunk of short lines, so that a piece is still in the CPU's cache
/// when its lines are copied out of it.
const PIECE: usize = 256 << 10;

/// Bytes of a file as they were when they were claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileRange {
    pub(super) path: Place,
    pub(super) range: Range<u64>,
    /// Of the whole file, when it was claimed.
    pub(super) length: u64,
}

/// Reads one range.
#[derive(Debug)]
pub(super) struct FilePartition {
    source: NodeName,
    claimed: FileRange,
    decoder: Arc<LineDecoder>,
    splitter: LineSplitter,
    file: Option<File>,
    /// Where the next piece starts.
    position: u64,
    piece: Vec<u8>,
    /// What of the piece is not yet split.
    unsplit: Range<usize>,
    lines: usize,
    ended: bool,
}

impl FilePartition {
    pub(super) fn new(source: &NodeName, claimed: FileRange, decoder: Arc<LineDecoder>) -> Self {
        Self {
            source: source.clone(),
            position: claimed.range.start,
            splitter: decoder.splitter(),
            file: None,
            piece: Vec::new(),
            unsplit: 0..0,
            lines: 0,
            ended: false,
            claimed,
            decoder,
        }
    }

    fn error(&self, problem: SourceProblem) -> SourceError {
        SourceError::new(&self.source, problem)
    }

    /// Reads the next piece; false at the end of the range.
    fn read_piece(&mut self) -> Result<bool, SourceError> {
        let left = self.claimed.range.end - self.position;
        if left == 0 {
            return Ok(false);
        }
        let path = &self.claimed.path;
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        self.piece.resize(wanted, 0);
        let file = match self.file.take() {
            Some(file) => file,
            None => path.open().map_err(|e| self.error(unreadable(path, e)))?,
        };
        let read = read_at(&file, &mut self.piece, self.position)
            .map_err(|error| self.error(unreadable(path, error)))?;
        if read == 0 {
            let found = file.metadata().map_or(self.position, |file| file.len());
            return Err(self.error(SourceProblem::Shrank {
                path: path.shown(),
                expected: self.claimed.length,
                found,
            }));
        }
        self.file = Some(file);
        self.position += u64::try_from(read).unwrap_or(0);
        self.unsplit = 0..read;
        Ok(true)
    }
}

impl PartitionReader for FilePartition {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        while !self.splitter.is_full() {
            if self.unsplit.is_empty() && !self.read_piece()? {
                self.splitter.finish();
                self.ended = true;
                break;
            }
            self.unsplit.start += self.splitter.push(&self.piece[self.unsplit.clone()]);
        }
        let mut lines = self.splitter.take();
        if lines.read() == 0 && lines.is_empty() {
            return Ok(None);
        }
        let bytes = lines.read();
        let first = self.lines;
        self.lines += lines.len();
        let has_header = first == 0 && self.claimed.range.start == 0 && self.decoder.has_header();
        if has_header {
            lines = lines.without_first();
        }
        let before = first + usize::from(has_header);
        let decoded = self.decoder.decode(lines).map_err(|error| {
            self.error(match error {
                DecodeError::Line(line) => SourceProblem::Line {
                    path: self.claimed.path.shown(),
                    range: self.claimed.range.clone(),
                    error: line.after(before),
                },
                DecodeError::Chunk(error) => SourceProblem::Internal(error.to_string()),
            })
        })?;
        Ok(Some(SourceChunk {
            rows: decoded.rows,
            rejected: decoded.rejected,
            replaced: decoded.replaced,
            bytes,
        }))
    }
}

/// Reads until `into` is full or the file ends.
pub(super) fn read_at(file: &File, into: &mut [u8], mut position: u64) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], position) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                position += u64::try_from(read).unwrap_or(0);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub(super) fn unreadable(path: &Place, error: std::io::Error) -> SourceProblem {
    SourceProblem::Unreadable {
        path: path.shown(),
        error: Arc::new(error),
    }
}
