//! Blocks that no batch has claimed yet, in memory.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Block, BlockRows};

/// Room is counted in pieces of so many bytes.
const PIECE: usize = 1 << 10;

/// Keeps blocks until a batch claims them. Its room is taken up by all blocks that still exist, so
/// also by those that a batch is reading.
///
/// **Invariant:** each block is claimed exactly once, in the order in which blocks were kept.
#[derive(Debug)]
pub struct BlockStore {
    unclaimed: Mutex<Vec<Arc<Block>>>,
    next_id: AtomicU64,
    room: Arc<Semaphore>,
    /// In pieces.
    capacity: u32,
}

impl BlockStore {
    /// Room for about so many bytes. A block that is larger by itself takes up all of it.
    pub fn new(bytes: usize) -> Self {
        let capacity = u32::try_from(bytes / PIECE).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(capacity).unwrap_or(usize::MAX);
        Self {
            unclaimed: Mutex::default(),
            next_id: AtomicU64::new(0),
            room: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            capacity,
        }
    }

    /// Keeps a block, once there is room for it.
    pub(super) async fn keep(&self, rows: BlockRows) {
        let bytes = rows.chunk().get_array_memory_size();
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX);
        let room = self.room.clone();
        // Closed means that the last batch is about to come: then everything is kept.
        let room = room
            .acquire_many_owned(pieces.min(self.capacity))
            .await
            .ok();
        self.add(rows, room);
    }

    fn add(&self, rows: BlockRows, room: Option<OwnedSemaphorePermit>) {
        let mut unclaimed = self.lock();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        unclaimed.push(Arc::new(Block {
            id,
            rows,
            _room: room,
        }));
    }

    /// Takes all blocks that no batch has claimed (spec 4.2).
    pub fn claim(&self) -> Vec<Arc<Block>> {
        std::mem::take(&mut *self.lock())
    }

    /// There is nothing to claim.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// From now on nobody waits for room.
    pub(super) fn lift_limit(&self) {
        self.room.close();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Block>>> {
        // A list of blocks is whole whatever happened to who held it.
        self.unclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
