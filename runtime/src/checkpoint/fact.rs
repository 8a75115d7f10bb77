//! What the journal says.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{BatchLetters, Version};
use crate::{
    codec::{self, CodecError},
    model::{InputPosition, InputRange},
};

/// Raised when a fact changes its form.
const VERSION: u16 = 4;

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
        /// An Arrow IPC stream. It lies behind the rest of the fact, so that it is not copied.
        #[serde(skip)]
        rows: Vec<u8>,
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
    /// An operator failed on a batch, so no sink was given any of it: it may be claimed once more,
    /// by another program.
    Failed {
        /// Its time, in milliseconds since the epoch.
        time: i64,
    },
    /// All sources have ended and all batches are committed.
    Finished,
    /// Batches from some time on are made by this program.
    Version(Version),
    /// A claim of a batch that takes dead letters, too; they are none any more.
    ClaimRetrying(ClaimFact, Vec<BatchLetters>),
    /// A batch of a version from which there is a way back is given to its sinks: from here on no
    /// other version may make it.
    Given {
        /// Its time, in milliseconds since the epoch.
        time: i64,
    },
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
    /// As bytes: the length of the first part in four bytes, little-endian, the first part, and the
    /// rows of a block.
    pub(super) fn encode(&self) -> Result<Encoded<'_>, CodecError> {
        let fact = codec::encode(VERSION, self)?;
        let length = u32::try_from(fact.len());
        let length = length.map_err(|error| CodecError::Unwritable(error.to_string()))?;
        Ok(Encoded {
            length: length.to_le_bytes(),
            fact,
            rows: match self {
                Self::Block { rows, .. } => rows,
                _ => &[],
            },
        })
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (length, rest) = bytes.split_first_chunk().ok_or(CodecError::NotARecord)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (fact, tail) = rest
            .split_at_checked(length)
            .ok_or(CodecError::NotARecord)?;
        let mut fact = codec::decode(VERSION, fact)?;
        if let Self::Block { rows, .. } = &mut fact {
            *rows = tail.to_vec();
        }
        Ok(fact)
    }
}

/// A fact, ready to be written.
pub(super) struct Encoded<'a> {
    length: [u8; 4],
    fact: Vec<u8>,
    rows: &'a [u8],
}

impl Encoded<'_> {
    /// One after the other.
    pub(super) fn parts(&self) -> [&[u8]; 3] {
        [&self.length, &self.fact, self.rows]
    }
}
