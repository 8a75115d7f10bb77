//! Blocks that no batch has claimed yet, in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Block, BlockLog, BlockRows, ReceiverLog, StoreError};
use crate::model::Position;

/// Room is counted in pieces of so many bytes.
const PIECE: usize = 1 << 10;

/// Keeps blocks until a batch claims them. Its room is taken up by all blocks that still exist, so
/// also by those that a batch is reading.
///
/// **Invariant:** each block is claimed exactly once, in the order in which blocks were kept.
#[derive(Debug)]
pub struct BlockStore {
    unclaimed: Mutex<Unclaimed>,
    log: Option<Arc<dyn BlockLog>>,
    room: Arc<Semaphore>,
    /// In pieces.
    capacity: u32,
}

#[derive(Debug, Default)]
struct Unclaimed {
    /// By rising number.
    blocks: Vec<Arc<Block>>,
    next_id: u64,
}

impl BlockStore {
    /// The same, with a log that each block is written to, and the blocks that are there already.
    #[must_use]
    pub fn with_log(self, log: Option<ReceiverLog>) -> Self {
        let Some(log) = log else {
            return self;
        };
        let blocks = log.blocks.into_iter().map(|(id, rows)| {
            Arc::new(Block {
                id,
                rows,
                _room: None, // they were let in by the run that logged them
            })
        });
        Self {
            unclaimed: Mutex::new(Unclaimed {
                blocks: blocks.collect(),
                next_id: log.next_id,
            }),
            log: Some(log.log),
            ..self
        }
    }

    /// Room for about so many bytes. A block that is larger by itself takes up all of it.
    pub fn new(bytes: usize) -> Self {
        let capacity = u32::try_from(bytes / PIECE).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(capacity).unwrap_or(usize::MAX);
        Self {
            unclaimed: Mutex::default(),
            log: None,
            room: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            capacity,
        }
    }

    /// Keeps a block, once there is room for it. With a log it is written there, but durable only
    /// later.
    pub(super) async fn keep(
        &self,
        rows: BlockRows,
        position: Option<&Position>,
    ) -> Result<(), StoreError> {
        let bytes = rows.chunk().get_array_memory_size();
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX);
        let room = self.room.clone();
        // Closed means that the last batch is about to come: then everything is kept.
        let room = room
            .acquire_many_owned(pieces.min(self.capacity))
            .await
            .ok();
        self.add(rows, room, position)
    }

    /// Numbers are given, blocks logged and made known in one order.
    fn add(
        &self,
        rows: BlockRows,
        room: Option<OwnedSemaphorePermit>,
        position: Option<&Position>,
    ) -> Result<(), StoreError> {
        let mut unclaimed = self.lock();
        let id = unclaimed.next_id;
        if let Some(log) = &self.log {
            log.append(id, &rows, position)
                .map_err(StoreError::NotLogged)?;
        }
        unclaimed.next_id += 1;
        unclaimed.blocks.push(Arc::new(Block {
            id,
            rows,
            _room: room,
        }));
        Ok(())
    }

    /// Makes all blocks durable, if there is a log.
    pub(super) async fn sync(&self) -> Result<(), StoreError> {
        let Some(log) = self.log.clone() else {
            return Ok(());
        };
        let synced = tokio::task::spawn_blocking(move || log.sync()).await;
        let synced = synced.unwrap_or_else(|_| Err("the log's thread panicked".to_owned()));
        synced.map_err(StoreError::NotLogged)
    }

    /// Takes all blocks that no batch has claimed (spec 4.2).
    pub fn claim(&self) -> Vec<Arc<Block>> {
        std::mem::take(&mut self.lock().blocks)
    }

    /// Takes the blocks with these numbers, in this order.
    ///
    /// # Errors
    /// The number of the first that is not there; nothing is taken then.
    pub fn claim_again(&self, ids: &[u64]) -> Result<Vec<Arc<Block>>, u64> {
        let mut unclaimed = self.lock();
        let blocks = ids.iter().map(|id| {
            let mut blocks = unclaimed.blocks.iter();
            blocks.find(|block| block.id == *id).cloned().ok_or(*id)
        });
        let blocks: Vec<_> = blocks.collect::<Result<_, _>>()?;
        unclaimed.blocks.retain(|block| !ids.contains(&block.id));
        Ok(blocks)
    }

    /// There is nothing to claim.
    pub fn is_empty(&self) -> bool {
        self.lock().blocks.is_empty()
    }

    /// From now on nobody waits for room.
    pub(super) fn lift_limit(&self) {
        self.room.close();
    }

    fn lock(&self) -> MutexGuard<'_, Unclaimed> {
        // A list of blocks is whole whatever happened to who held it.
        self.unclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
