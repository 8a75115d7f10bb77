//! A file, read once from start to end.

use std::{fs::File, num::NonZeroUsize, sync::Arc};

use super::{
    Claim, PartitionReader, Source, SourceError, SourceProblem, Taken,
    error::another_type,
    file_range::{FilePartition, FileRange, read_at, unreadable},
};
use crate::{
    confine::Place,
    format::LineDecoder,
    model::{BatchTime, InputPosition, InputRange, NodeName},
};

/// Bytes looked at once when a line's end is searched.
const STRIDE: usize = 16 << 10;

/// Cuts a file into batches, and batches into partitions, at line ends.
///
/// **Invariant:** the ranges of all claims, in order, are the file as it was when it was opened.
#[derive(Debug)]
pub struct FileSource {
    name: NodeName,
    path: Place,
    file: File,
    length: u64,
    position: u64,
    batch_bytes: u64,
    partitions: NonZeroUsize,
    decoder: Arc<LineDecoder>,
    /// Of the last claim.
    taken: Option<(u64, u64)>,
}

impl FileSource {
    /// Opens the file. What is appended to it later is not read.
    ///
    /// # Errors
    /// When it cannot be opened or is no file.
    pub fn open(
        name: &NodeName,
        path: impl Into<Place>,
        batch_bytes: NonZeroUsize,
        partitions: NonZeroUsize,
        decoder: LineDecoder,
    ) -> Result<Self, SourceError> {
        let path = path.into();
        let failed = |error| SourceError::new(name, unreadable(&path, error));
        let file = path.open().map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            let error = std::io::Error::other("it is no regular file");
            return Err(failed(error));
        }
        Ok(Self {
            name: name.clone(),
            path,
            file,
            length: metadata.len(),
            position: 0,
            batch_bytes: u64::try_from(batch_bytes.get()).unwrap_or(u64::MAX),
            partitions,
            decoder: Arc::new(decoder),
            taken: None,
        })
    }

    /// Where the line ends that holds the byte before `target`.
    fn line_end(&self, target: u64) -> Result<u64, SourceError> {
        let mut at = target.saturating_sub(1);
        let mut buffer = vec![0; STRIDE];
        while at < self.length {
            let read = read_at(&self.file, &mut buffer, at)
                .map_err(|error| SourceError::new(&self.name, unreadable(&self.path, error)))?;
            if let Some(end) = memchr::memchr(b'\n', &buffer[..read]) {
                return Ok((at + u64::try_from(end).unwrap_or(0) + 1).min(self.length));
            }
            if read == 0 {
                break; // it shrank: the reader says so
            }
            at += u64::try_from(read).unwrap_or(0);
        }
        Ok(self.length)
    }
}

impl FileSource {
    /// Each partition ends with the line in which its share is reached; so partitions may be empty.
    fn batch(&mut self, start: u64, end: u64) -> Result<Claim, SourceError> {
        let count = u64::try_from(self.partitions.get()).unwrap_or(u64::MAX);
        let mut readers: Vec<Box<dyn PartitionReader>> = Vec::with_capacity(self.partitions.get());
        let mut from = start;
        for partition in 1..=count {
            let share = u128::from(end - start) * u128::from(partition) / u128::from(count);
            let target = start + u64::try_from(share).unwrap_or(0);
            let to = if partition == count || target >= end {
                end
            } else if target <= from {
                from
            } else {
                self.line_end(target)?.min(end)
            };
            let claimed = FileRange {
                path: self.path.clone(),
                range: from..to,
                length: self.length,
            };
            let decoder = self.decoder.clone();
            readers.push(Box::new(FilePartition::new(&self.name, claimed, decoder)));
            from = to;
        }
        self.position = end;
        self.taken = Some((start, end));
        Ok(Claim::Batch(readers))
    }
}

impl Source for FileSource {
    /// The batch ends with the line in which `batch-bytes` are reached.
    fn claim(&mut self, _: BatchTime) -> Result<Claim, SourceError> {
        let start = self.position;
        let target = start.saturating_add(self.batch_bytes);
        let end = if target >= self.length {
            self.length
        } else {
            self.line_end(target)?
        };
        self.batch(start, end)
    }

    fn taken(&self) -> Option<Taken> {
        let (from, to) = self.taken?;
        Some(Taken {
            range: InputRange::Bytes { from, to },
            position: InputPosition::Bytes {
                at: to,
                length: self.length,
            },
        })
    }

    fn resume(&mut self, position: &InputPosition) -> Result<(), SourceError> {
        let InputPosition::Bytes { at, length } = *position else {
            return Err(another_type(&self.name));
        };
        if self.length < length {
            let problem = SourceProblem::Changed {
                path: self.path.shown(),
                expected: length,
                found: self.length,
            };
            return Err(SourceError::new(&self.name, problem));
        }
        self.length = length;
        self.position = at;
        Ok(())
    }

    fn replay(&mut self, _: BatchTime, range: &InputRange) -> Result<Claim, SourceError> {
        match *range {
            InputRange::Bytes { from, to } if from <= to && to <= self.length => {
                self.batch(from, to)
            }
            _ => Err(another_type(&self.name)),
        }
    }

    fn is_exhausted(&self) -> bool {
        self.position >= self.length
    }
}

#[cfg(test)]
mod tests;
