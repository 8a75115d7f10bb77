//! What a checkpoint is of, and where its state lies.

use serde::{Deserialize, Serialize};

use super::{Version, fact::SourceFact};

/// The one file that says which others count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Names this stream of batches for ever; sinks that keep identities use it.
    pub uid: String,
    /// Of the topology.
    pub topology: String,
    /// In milliseconds.
    pub interval: i64,
    /// What made the batches behind the oldest state that is needed, and what took over from it;
    /// never empty. The journal may have more.
    pub versions: Vec<Version>,
    /// States that can be read, by rising number; none before the first was written.
    pub states: Vec<StateEntry>,
    /// The journal is read from this segment on.
    pub journal_from: u64,
    /// Of each source with a receiver: the number of its next block.
    pub next_blocks: Vec<(String, u64)>,
    /// Of each source with a reliable receiver: where it stood.
    pub positions: Vec<(String, Vec<u8>)>,
    /// All sources have ended.
    pub finished: bool,
}

impl Manifest {
    /// Partitions after a shuffle.
    pub fn parallelism(&self) -> u64 {
        self.versions.last().map_or(1, |last| last.parallelism)
    }

    /// The newest state.
    pub fn state(&self) -> Option<&StateEntry> {
        self.states.last()
    }
}

/// The state after a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateEntry {
    /// The batch's time, in milliseconds since the epoch.
    pub time: i64,
    /// Its number.
    pub number: u64,
    /// The file.
    pub file: String,
    /// Of the file: BLAKE3, hexadecimal.
    pub digest: String,
    /// It is all of the state; if not, it belongs upon the one before.
    pub whole: bool,
    /// Of the file.
    pub bytes: u64,
    /// How far each source had come.
    pub sources: Vec<SourceFact>,
}

/// What makes batches: the same program makes the same batches of the same claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Digest of the topology's text.
    pub topology: String,
    /// Its plugins, in its order: what it calls them, and their digests. None is the default one.
    pub plugins: Vec<(Option<String>, String)>,
}
