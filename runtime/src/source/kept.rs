//! What a batch reads, kept so that it can be read more than once.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Claim, PartitionReader, SourceChunk, SourceError, SourceProblem};
use crate::model::NodeName;

/// A claim of which any number of others can be made, all of the same rows. Chunks are kept as long
/// as one of its clones or of its readers is there.
#[derive(Debug, Clone)]
pub enum KeptClaim {
    /// A batch, partition by partition.
    Batch(Vec<Kept>),
    /// No batch at this time.
    NoBatch,
}

impl KeptClaim {
    /// Keeps what is read of this claim of the source of this name.
    pub fn new(source: &NodeName, claim: Claim) -> Self {
        let kept = |reader| Kept::new(source, reader);
        match claim {
            Claim::NoBatch => Self::NoBatch,
            Claim::Batch(readers) => Self::Batch(readers.into_iter().map(kept).collect()),
        }
    }

    /// The same claim, to be read from its beginning.
    pub fn claim(&self) -> Claim {
        match self {
            Self::NoBatch => Claim::NoBatch,
            Self::Batch(kept) => Claim::Batch(kept.iter().map(Kept::reader).collect()),
        }
    }
}

/// A partition of a claimed batch whose chunks stay. Each is read once, by the first of its readers
/// that comes to it.
#[derive(Clone)]
pub struct Kept(Arc<Mutex<Inner>>);

struct Inner {
    chunks: Vec<SourceChunk>,
    /// Reads on behind the chunks.
    rest: Option<Box<dyn PartitionReader>>,
    /// What comes when there is no reader any more.
    end: Result<(), SourceError>,
}

impl Kept {
    /// Keeps what this reader of the source of this name reads.
    pub fn new(source: &NodeName, reader: Box<dyn PartitionReader>) -> Self {
        let panicked = "its reader panicked; this is a bug in rsrt".to_owned();
        Self(Arc::new(Mutex::new(Inner {
            chunks: Vec::new(),
            rest: Some(reader),
            end: Err(SourceError::new(source, SourceProblem::Internal(panicked))),
        })))
    }

    /// Reads the partition from its beginning.
    pub fn reader(&self) -> Box<dyn PartitionReader> {
        Box::new(KeptReader {
            kept: self.clone(),
            next: 0,
        })
    }

    fn chunk(&self, at: usize) -> Result<Option<SourceChunk>, SourceError> {
        // Whoever holds it reads, and waits for no core meanwhile.
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while inner.chunks.len() <= at {
            match inner.read()? {
                Some(chunk) => inner.chunks.push(chunk),
                None => return Ok(None),
            }
        }
        Ok(inner.chunks.get(at).cloned())
    }
}

impl Inner {
    /// The chunk behind those that are kept.
    fn read(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        // One that panics is not put back: what it has read is no whole partition.
        let Some(mut rest) = self.rest.take() else {
            return self.end.clone().map(|()| None);
        };
        let read = rest.next_chunk();
        match &read {
            Ok(Some(_)) => self.rest = Some(rest),
            Ok(None) => self.end = Ok(()),
            Err(error) => self.end = Err(error.clone()),
        }
        read
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// Reads what is kept, and keeps what it reads behind that.
struct KeptReader {
    kept: Kept,
    next: usize,
}

impl PartitionReader for KeptReader {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        let chunk = self.kept.chunk(self.next)?;
        self.next += usize::from(chunk.is_some());
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests;
