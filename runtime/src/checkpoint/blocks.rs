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
    format::{rows_from_bytes, rows_to_bytes},
    model::{Kind, NodeName, Position, Schema},
    receiver::{BlockLog, BlockLogs, BlockRows, ReceiverLog},
};

/// The log of one source.
#[derive(Debug)]
struct SourceLog {
    shared: Arc<Shared>,
    source: String,
    schema: Schema,
}

impl BlockLog for SourceLog {
    fn append(&self, id: u64, rows: &BlockRows, position: Option<&Position>) -> Result<(), String> {
        let (is_records, schema) = match rows {
            BlockRows::Records(_) => (true, &Schema::plain(Kind::Binary)),
            BlockRows::Rows(_) => (false, &self.schema),
        };
        let bytes = rows_to_bytes(schema, std::slice::from_ref(rows.chunk()));
        let fact = Fact::Block {
            source: self.source.clone(),
            id,
            position: position.map(|position| ByteBuf::from(position.0.clone())),
            is_records,
            rows: bytes.map_err(|error| error.to_string())?,
        };
        self.shared
            .block(&self.source, id, position, &fact)
            .map_err(|error| error.to_string())
    }

    fn sync(&self) -> Result<(), String> {
        self.shared.sync().map_err(|error| error.to_string())
    }
}

/// What earlier runs logged, until each receiver has taken its own.
#[derive(Debug, Default)]
pub(super) struct LoggedBlocks(Mutex<BTreeMap<String, Logged>>);

#[derive(Debug)]
struct Logged {
    schema: Schema,
    blocks: Vec<(u64, BlockRows)>,
    next_id: u64,
    position: Option<Position>,
}

impl LoggedBlocks {
    /// Of all sources of a topology, with their columns.
    pub(super) fn new(
        schemas: &BTreeMap<String, Schema>,
        mut found: BTreeMap<String, SourceBlocks>,
    ) -> Result<Self, CheckpointError> {
        let records = Schema::plain(Kind::Binary);
        let mut logged = BTreeMap::new();
        for (source, schema) in schemas {
            let found = found.remove(source).unwrap_or_default();
            let mut blocks = Vec::with_capacity(found.blocks.len());
            for (id, (is_records, bytes)) in found.blocks {
                let schema = if is_records { &records } else { schema };
                let rows = rows_from_bytes(schema, &bytes)?.into_iter().next();
                let rows =
                    rows.unwrap_or_else(|| arrow_array::RecordBatch::new_empty(schema.to_arrow()));
                let rows = match is_records {
                    true => BlockRows::Records(rows),
                    false => BlockRows::Rows(rows),
                };
                blocks.push((id, rows));
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
