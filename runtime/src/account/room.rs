//! Room for bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is counted in pieces of so many bytes.
const PIECE: usize = 1 << 10;

/// Room that is taken up; it is given back by dropping it.
pub type Taken = OwnedSemaphorePermit;

/// A bound for bytes, about. What takes up room holds a [`Taken`].
#[derive(Debug)]
pub struct Room {
    free: Arc<Semaphore>,
    /// In pieces.
    capacity: u32,
}

impl Room {
    /// For so many bytes. What is larger by itself takes up all of it.
    pub fn new(bytes: usize) -> Self {
        let capacity = u32::try_from(bytes / PIECE).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(capacity).unwrap_or(usize::MAX);
        Self {
            free: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            capacity,
        }
    }

    /// Waits until there is room for so many bytes; none: the limit has been lifted.
    pub async fn wait(&self, bytes: usize) -> Option<Taken> {
        let pieces = self.pieces(bytes);
        self.free.clone().acquire_many_owned(pieces).await.ok()
    }

    /// The room for so many bytes, if it is free.
    pub fn take(&self, bytes: usize) -> Option<Taken> {
        let pieces = self.pieces(bytes);
        self.free.clone().try_acquire_many_owned(pieces).ok()
    }

    /// From now on nobody waits.
    pub fn lift_limit(&self) {
        self.free.close();
    }

    /// Bytes that are taken, about.
    pub fn taken(&self) -> usize {
        let capacity = usize::try_from(self.capacity).unwrap_or(usize::MAX);
        let taken = capacity.saturating_sub(self.free.available_permits());
        taken.saturating_mul(PIECE)
    }

    fn pieces(&self, bytes: usize) -> u32 {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX);
        pieces.min(self.capacity)
    }
}
