//! Blocks that no batch has claimed yet, in memory and on disk.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::{Block, BlockLog, BlockRows, ReceiverLog, StoreError, StoredRows, block::Held};
use crate::{
    account::{Account, Room, Taken},
    model::{PersistLevel, Position, Schema},
    spill::{Spill, SpillError, Spilled},
    topology::BlockStorage,
};

/// Keeps blocks until a batch claims them. Its room is taken up by all blocks that still exist, so
/// also by those that a batch is reading.
///
/// What is logged and does not lie in memory is read from the log; what is not logged is spilled.
///
/// **Invariant:** each block is claimed exactly once, in the order in which blocks were kept.
#[derive(Debug)]
pub struct BlockStore {
    unclaimed: Mutex<Unclaimed>,
    schema: Schema,
    log: Option<Arc<dyn BlockLog>>,
    persist: PersistLevel,
    memory: Room,
    disk: Room,
    /// Whose blocks they are; all of its namespace share some room.
    account: Arc<Account>,
    spill: Spill,
    /// Why nothing more is to come.
    failed: OnceLock<StoreError>,
    /// Cancelled then.
    stop: CancellationToken,
}

/// Room in the store of a receiver, and in what its namespace has.
pub(super) type BothTaken = (Option<Taken>, Option<Taken>);

#[derive(Debug, Default)]
struct Unclaimed {
    /// By rising number.
    blocks: Vec<Arc<Block>>,
    next_id: u64,
    /// Of the first block of this run: those before it are of earlier runs, which logged them.
    first_id: u64,
}

impl BlockStore {
    /// For blocks of rows with this schema, or of records. With a log each block is written to it,
    /// unless the source is not to be logged, and the blocks that are there already can be claimed.
    /// When blocks cannot be kept any more, `stop` is cancelled.
    ///
    /// # Errors
    /// When there cannot be files in the directory for spilled blocks.
    pub fn new(
        schema: &Schema,
        storage: &BlockStorage,
        log: Option<ReceiverLog>,
        (account, stop): (Arc<Account>, CancellationToken),
    ) -> Result<Self, SpillError> {
        let most = storage.disk.get() as u64;
        let may_spill = storage.persist != PersistLevel::Memory && (log.is_none() || !storage.log);
        let spill = match &storage.spill_directory {
            Some(directory) if may_spill => Spill::in_directory(directory, most)?,
            _ => Spill::temporary(most),
        };
        let mut store = Self {
            unclaimed: Mutex::default(),
            schema: schema.clone(),
            log: None,
            persist: storage.persist,
            memory: Room::new(storage.memory.get()),
            disk: Room::new(storage.disk.get()),
            account,
            spill,
            failed: OnceLock::new(),
            stop,
        };
        if let Some(log) = log {
            store.log = storage.log.then_some(log.log);
            let blocks = log.blocks.into_iter().map(|block| {
                Arc::new(Block {
                    id: block.id,
                    records: block.records,
                    rows: Held::Stored(block.rows),
                    // They were let in by the run that logged them, even if there is no room now.
                    _room: (store.disk.take(block.bytes), store.shared_room(block.bytes)),
                })
            });
            store.unclaimed = Mutex::new(Unclaimed {
                blocks: blocks.collect(),
                next_id: log.next_id,
                first_id: log.next_id,
            });
        }
        Ok(store)
    }

    /// Keeps a block, once there is room for it. With a log it is written there, but durable only
    /// later.
    pub(super) async fn keep(
        &self,
        rows: BlockRows,
        position: Option<&Position>,
    ) -> Result<(), StoreError> {
        let bytes = rows.chunk().get_array_memory_size();
        let shared = self.wait_for_shared_room(bytes).await;
        // No room means that the limit was lifted, as the last batch is about to come: then
        // everything is kept.
        let (in_memory, room) = match self.persist {
            PersistLevel::Memory => (true, self.memory.wait(bytes).await),
            PersistLevel::Disk => (false, self.disk.wait(bytes).await),
            PersistLevel::MemoryAndDisk => tokio::select! {
                biased;
                Some(room) = self.memory.wait(bytes) => (true, Some(room)),
                room = self.disk.wait(bytes) => (false, room),
            },
        };
        if in_memory || self.log.is_some() {
            return self.add(rows, in_memory, (room, shared), position);
        }
        match self.spill(&rows) {
            Ok(spilled) => {
                let records = rows.chunk().num_rows() as u64;
                self.lock()
                    .push(records, Held::Stored(spilled), (room, shared));
                Ok(())
            }
            Err(why) => {
                self.fail(StoreError::NotSpilled(why));
                self.add(rows, true, (None, shared), position)
            }
        }
    }

    /// What is free of the room of all receivers of the namespace.
    fn shared_room(&self, bytes: usize) -> Option<Taken> {
        self.account.allowance().blocks()?.take(bytes)
    }

    /// Waits for room that all receivers of the namespace share; none if there is no limit, or this
    /// one is stopped, whose blocks are kept then.
    async fn wait_for_shared_room(&self, bytes: usize) -> Option<Taken> {
        let room = self.account.allowance().blocks()?;
        tokio::select! {
            taken = room.wait(bytes) => taken,
            () = self.stop.cancelled() => None,
        }
    }

    /// Numbers are given, blocks logged and made known in one order.
    fn add(
        &self,
        rows: BlockRows,
        in_memory: bool,
        room: BothTaken,
        position: Option<&Position>,
    ) -> Result<(), StoreError> {
        let mut unclaimed = self.lock();
        let id = unclaimed.next_id;
        let logged = self.log.as_ref();
        let logged = logged.map(|log| log.append(id, &rows, position));
        let logged = logged.transpose().map_err(StoreError::NotLogged)?;
        let records = rows.chunk().num_rows() as u64;
        let rows = match logged {
            Some(logged) if !in_memory => Held::Stored(logged),
            _ => Held::Memory(rows),
        };
        unclaimed.push(records, rows, room);
        Ok(())
    }

    fn spill(&self, rows: &BlockRows) -> Result<Box<dyn StoredRows>, String> {
        if self.failed().is_some() {
            return Err("it has failed before".to_owned());
        }
        let bytes = rows.to_bytes(&self.schema);
        let bytes = bytes.map_err(|error| error.to_string())?;
        let spilled = self
            .spill
            .write(&bytes)
            .map_err(|error| error.to_string())?;
        Ok(Box::new(SpilledRows {
            spilled,
            are_records: rows.are_records(),
            schema: self.schema.clone(),
        }))
    }

    /// The receiver is stopped. What it has got by then is kept in memory, whatever the limit.
    fn fail(&self, why: StoreError) {
        if self.failed.set(why).is_ok() {
            self.stop.cancel();
            self.lift_limit();
        }
    }

    /// Why nothing more is kept, if nobody asked for that.
    pub(super) fn failed(&self) -> Option<&StoreError> {
        self.failed.get()
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

    /// Takes the blocks of earlier runs with these numbers, in this order. Those that are not there
    /// are left out if blocks are not logged.
    ///
    /// # Errors
    /// The number of the first that is not there but should be; nothing is taken then.
    pub fn claim_again(&self, ids: &[u64]) -> Result<Vec<Arc<Block>>, u64> {
        let mut unclaimed = self.lock();
        let mut taken = Vec::with_capacity(ids.len());
        for id in ids {
            // This run may have given the number of a block that was not logged to another one.
            let old = (*id < unclaimed.first_id).then_some(&unclaimed.blocks);
            let mut old = old.into_iter().flatten();
            match old.find(|block| block.id == *id) {
                Some(block) => taken.push(block.clone()),
                None if self.log.is_some() => return Err(*id),
                None => {}
            }
        }
        let is_taken = |block: &Arc<Block>| taken.iter().any(|taken| taken.id == block.id);
        unclaimed.blocks.retain(|block| !is_taken(block));
        Ok(taken)
    }

    /// There is nothing to claim.
    pub fn is_empty(&self) -> bool {
        self.lock().blocks.is_empty()
    }

    /// Bytes of blocks in memory and on disk, about, those that are being read among them.
    pub fn taken(&self) -> (usize, usize) {
        (self.memory.taken(), self.disk.taken())
    }

    /// From now on nobody waits for room.
    pub(super) fn lift_limit(&self) {
        self.memory.lift_limit();
        self.disk.lift_limit();
    }

    fn lock(&self) -> MutexGuard<'_, Unclaimed> {
        // A list of blocks is whole whatever happened to who held it.
        self.unclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unclaimed {
    fn push(&mut self, records: u64, rows: Held, room: BothTaken) {
        let id = self.next_id;
        self.next_id += 1;
        self.blocks.push(Arc::new(Block {
            id,
            records,
            rows,
            _room: room,
        }));
    }
}

/// Rows in a spill file.
#[derive(Debug)]
struct SpilledRows {
    spilled: Spilled,
    are_records: bool,
    /// Of the source.
    schema: Schema,
}

impl StoredRows for SpilledRows {
    fn read(&self) -> Result<BlockRows, String> {
        let bytes = self.spilled.read().map_err(|error| error.to_string())?;
        let rows = BlockRows::from_bytes(self.are_records, &self.schema, &bytes);
        rows.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
