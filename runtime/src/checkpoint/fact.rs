//! What the journal says.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    codec::{self, CodecError},
    model::{InputPosition, InputRange},
};

/// Raised when a fact changes its form.
const VERSION: u16 = 1;

/// One thing that has happened, durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A receiver stored a block.
    Block {
        /// Its source.
        source: String,
        /// Its number there.
        id: u64,
        /// Where the receiver stood behind it, if it said so.
        position: Option<ByteBuf>,
        /// The rows are records in the source's format.
        is_records: bool,
        /// An Arrow IPC stream.
        rows: ByteBuf,
    },
    /// A batch takes this, and will take nothing else.
    Claim(ClaimFact),
    /// A batch could not be claimed; it is given up.
    NoClaim {
        /// Its time, in milliseconds since the epoch.
        time: i64,
        /// Its number, from 1.
        number: u64,
    },
    /// A batch is where it belongs.
    Commit {
        /// Its time, in milliseconds since the epoch.
        time: i64,
        /// Part of it failed, and the topology goes on.
        failed: bool,
    },
    /// All sources have ended and all batches are committed.
    Finished,
}

/// What a batch takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimFact {
    /// Its time, in milliseconds since the epoch.
    pub time: i64,
    /// Its number: its time is zero time + number x interval.
    pub number: u64,
    /// From each source that is read.
    pub sources: Vec<SourceFact>,
    /// Digests of reference data, in the topology's order.
    pub references: Vec<String>,
}

/// What a batch takes from one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFact {
    /// Its name.
    pub source: String,
    /// What is taken.
    pub range: InputRange,
    /// How far the source has come with it.
    pub position: InputPosition,
}

impl Fact {
    /// As bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(VERSION, self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(VERSION, bytes)
    }
}
