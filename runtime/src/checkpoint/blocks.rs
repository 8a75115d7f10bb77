//! The logs of receivers: their blocks as facts in the journal.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_bytes::ByteBuf;

use super::{
    CheckpointError, fact::Fact, recovered::SourceBlocks, shared::Shared, store::Checkpoint,
};
use crate::{
    codec::CodecError,
    journal::{Disk, Place},
    model::{NodeName, Position, Schema},
    receiver::{BlockLog, BlockLogs, BlockRows, LoggedBlock, ReceiverLog, StoredRows},
};

/// The log of one source.
#[derive(Debug)]
struct SourceLog {
    shared: Arc<Shared>,
    source: String,
    schema: Schema,
}

impl BlockLog for SourceLog {
    fn append(
        &self,
        id: u64,
        rows: &BlockRows,
        position: Option<&Position>,
    ) -> Result<Box<dyn StoredRows>, String> {
        let bytes = rows.to_bytes(&self.schema);
        let fact = Fact::Block {
            source: self.source.clone(),
            id,
            position: position.map(|position| ByteBuf::from(position.0.clone())),
            is_records: rows.are_records(),
            rows: bytes.map_err(|error| error.to_string())?,
        };
        let place = self.shared.block(&self.source, id, position, &fact);
        let place = place.map_err(|error| error.to_string())?;
        Ok(Box::new(JournalRows {
            disk: self.shared.disk.clone(),
            place,
            schema: self.schema.clone(),
        }))
    }

    fn sync(&self) -> Result<(), String> {
        self.shared.sync().map_err(|error| error.to_string())
    }
}

/// The rows of a block, where they lie in the journal. Their segment stays as long as [`Needs`] has
/// the block, that is until the state covers the batch that takes it.
///
/// [`Needs`]: super::needs::Needs
#[derive(Debug)]
pub(super) struct JournalRows {
    disk: Arc<dyn Disk>,
    place: Place,
    /// Of the source.
    schema: Schema,
}

impl JournalRows {
    pub(super) fn new(disk: Arc<dyn Disk>, place: Place, schema: Schema) -> Self {
        Self {
            disk,
            place,
            schema,
        }
    }

    fn rows(&self) -> Result<BlockRows, CheckpointError> {
        let bytes = self.place.read(&*self.disk)?;
        match Fact::decode(&bytes)? {
            Fact::Block {
                is_records, rows, ..
            } => Ok(BlockRows::from_bytes(is_records, &self.schema, &rows)?),
            _ => Err(CodecError::NotARecord.into()),
        }
    }
}

impl StoredRows for JournalRows {
    fn read(&self) -> Result<BlockRows, String> {
        self.rows().map_err(|error| error.to_string())
    }
}

/// What earlier runs logged, until each receiver has taken its own.
#[derive(Debug, Default)]
pub(super) struct LoggedBlocks(Mutex<BTreeMap<String, Logged>>);

#[derive(Debug)]
struct Logged {
    schema: Schema,
    blocks: Vec<LoggedBlock>,
    next_id: u64,
    position: Option<Position>,
}

impl LoggedBlocks {
    /// Of all sources of a topology, with their columns. Each block is read once, to see that it is
    /// what the source takes, and stays where it is.
    pub(super) fn new(
        schemas: &BTreeMap<String, Schema>,
        mut found: BTreeMap<String, SourceBlocks>,
        disk: &Arc<dyn Disk>,
    ) -> Result<Self, CheckpointError> {
        let mut logged = BTreeMap::new();
        for (source, schema) in schemas {
            let found = found.remove(source).unwrap_or_default();
            let mut blocks = Vec::with_capacity(found.blocks.len());
            for (id, place) in found.blocks {
                let rows = JournalRows {
                    disk: disk.clone(),
                    place,
                    schema: schema.clone(),
                };
                blocks.push(LoggedBlock {
                    id,
                    records: rows.rows()?.chunk().num_rows() as u64,
                    bytes: place.length(),
                    rows: Box::new(rows),
                });
            }
            let entry = Logged {
                schema: schema.clone(),
                blocks,
                next_id: found.next_id,
                position: found.position.map(Position),
            };
            logged.insert(source.clone(), entry);
        }
        for (source, left) in found {
            let blocks = left.blocks.len();
            if blocks > 0 {
                tracing::warn!(
                    "{blocks} logged blocks of source {source} are left: the topology has no such source"
                );
            }
        }
        Ok(Self(Mutex::new(logged)))
    }
}

impl BlockLogs for Checkpoint {
    /// Each source's may be taken once.
    fn of(&self, source: &NodeName) -> Option<ReceiverLog> {
        let mut logged = self.logged.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = logged.remove(source.as_str())?;
        let log = SourceLog {
            shared: self.shared.clone(),
            source: source.to_string(),
            schema: found.schema,
        };
        Some(ReceiverLog {
            log: Arc::new(log),
            blocks: found.blocks,
            next_id: found.next_id,
            position: found.position,
        })
    }
}
