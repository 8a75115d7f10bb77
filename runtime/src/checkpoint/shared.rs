//! What batches and receivers write to: the journal, and what is known of what lies in it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::{CheckpointError, Program, Version, fact::Fact, needs::Needs, store::lock};
use crate::{
    journal::{Disk, Journal, JournalError, Place},
    model::Position,
};

/// What is written by batches and by receivers.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) log: Mutex<Log>,
    /// Who syncs has it; whoever waits for it most likely finds that its record was synced, too.
    pub(super) syncing: Mutex<()>,
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) journal: Journal,
    pub(super) needs: Needs,
    pub(super) next_blocks: BTreeMap<String, u64>,
    pub(super) positions: BTreeMap<String, Vec<u8>>,
    /// In the order in which they began.
    pub(super) versions: Vec<Version>,
    /// Programs that may take over, and are kept already.
    pub(super) upcoming: Vec<Program>,
}

impl Shared {
    /// Adds a fact and makes it durable, with all blocks before it.
    pub(super) fn append(
        &self,
        fact: &Fact,
        note: impl FnOnce(&mut Log, u64),
    ) -> Result<(), CheckpointError> {
        let encoded = fact.encode()?;
        let mut log = lock(&self.log);
        let place = log.journal.append(&encoded.parts())?;
        note(&mut log, place.segment);
        let record = log.journal.last();
        drop(log);
        Ok(self.sync_until(record)?)
    }

    /// Adds a block; answers where it lies.
    pub(super) fn block(
        &self,
        source: &str,
        id: u64,
        position: Option<&Position>,
        fact: &Fact,
    ) -> Result<Place, CheckpointError> {
        let encoded = fact.encode()?;
        let mut log = lock(&self.log);
        let place = log.journal.append(&encoded.parts())?;
        log.needs.block(source, id, place.segment);
        log.next_blocks.insert(source.to_owned(), id + 1);
        if let Some(position) = position {
            log.positions.insert(source.to_owned(), position.0.clone());
        }
        Ok(place)
    }

    /// Makes all blocks durable that are there now.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        let last = lock(&self.log).journal.last();
        self.sync_until(last)
    }

    /// Makes the records up to this one durable. While the disk works at it others append; what they
    /// have appended until it begins becomes durable with it.
    fn sync_until(&self, record: u64) -> Result<(), JournalError> {
        let _turn = lock(&self.syncing);
        let begun = {
            let log = lock(&self.log);
            match log.journal.is_durable(record) {
                true => return Ok(()),
                false => log.journal.begin_sync()?,
            }
        };
        let Some(syncing) = begun else {
            return Ok(());
        };
        let synced = syncing.run();
        lock(&self.log).journal.end_sync(&syncing, synced)
    }
}
