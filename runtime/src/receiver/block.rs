//! A block: records that were received together.

use arrow_array::RecordBatch;

use super::{StoreError, StoredRows, block_store::BothTaken};
use crate::{
    format::{IpcError, rows_from_bytes, rows_to_bytes},
    model::{Kind, Schema},
};

/// What a block holds.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockRows {
    /// `value: binary`: records as they came, decoded when a batch reads them.
    Records(RecordBatch),
    /// Rows with the source's schema.
    Rows(RecordBatch),
}

impl BlockRows {
    /// The columns, whatever they are.
    pub fn chunk(&self) -> &RecordBatch {
        match self {
            BlockRows::Records(chunk) | BlockRows::Rows(chunk) => chunk,
        }
    }

    /// They are records, not rows.
    pub fn are_records(&self) -> bool {
        matches!(self, BlockRows::Records(_))
    }

    /// As an Arrow IPC stream; `schema` is the source's.
    ///
    /// # Errors
    /// When the rows have other columns.
    pub fn to_bytes(&self, schema: &Schema) -> Result<Vec<u8>, IpcError> {
        let chunk = std::slice::from_ref(self.chunk());
        match self {
            BlockRows::Records(_) => rows_to_bytes(&Schema::plain(Kind::Binary), chunk),
            BlockRows::Rows(_) => rows_to_bytes(schema, chunk),
        }
    }

    /// What [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn from_bytes(are_records: bool, schema: &Schema, bytes: &[u8]) -> Result<Self, IpcError> {
        let records = Schema::plain(Kind::Binary);
        let schema = if are_records { &records } else { schema };
        let rows = rows_from_bytes(schema, bytes)?.into_iter().next();
        let rows = rows.unwrap_or_else(|| RecordBatch::new_empty(schema.to_arrow()));
        Ok(match are_records {
            true => BlockRows::Records(rows),
            false => BlockRows::Rows(rows),
        })
    }
}

/// Records received together; one partition of the batch that claims it (spec 9.3).
#[derive(Debug)]
pub struct Block {
    /// Counted from 0 in the order in which blocks were kept.
    pub id: u64,
    /// How many records it has.
    pub records: u64,
    pub(super) rows: Held,
    /// Its room in the block store, given back when the last reader drops the block.
    pub(super) _room: BothTaken,
}

/// Where the rows of a block are.
#[derive(Debug)]
pub(super) enum Held {
    Memory(BlockRows),
    Stored(Box<dyn StoredRows>),
}

impl Block {
    /// What it holds, which is read now if it does not lie in memory.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn read(&self) -> Result<BlockRows, StoreError> {
        match &self.rows {
            Held::Memory(rows) => Ok(rows.clone()),
            Held::Stored(stored) => stored.read().map_err(|why| StoreError::NotRead {
                block: self.id,
                why,
            }),
        }
    }

    /// It lies in memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.rows, Held::Memory(_))
    }
}
