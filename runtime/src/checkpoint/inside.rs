//! What lies in a checkpoint, for whoever looks at it.

use std::path::Path;

use super::{
    CheckpointError, Manifest, RecoveredClaim,
    fact::Fact,
    recovered::History,
    store::{read_manifest, read_state},
};
use crate::{
    journal::{DirectoryDisk, Journal},
    scheduler::SavedMemory,
};

/// All of a checkpoint. Nobody needs to be stopped to look, and nothing is changed.
#[derive(Debug)]
pub struct Inside {
    /// What it is of.
    pub manifest: Manifest,
    /// The state after [`Manifest::state`]'s batch.
    pub memory: Option<SavedMemory>,
    /// Batches behind the state.
    pub claims: Vec<RecoveredClaim>,
    /// By source: how many blocks wait or are needed by batches behind the state.
    pub blocks: Vec<(String, usize)>,
}

impl Inside {
    /// Reads the checkpoint in a directory.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let failed = |error| CheckpointError::Directory {
            path: path.to_owned(),
            error,
        };
        let disk = DirectoryDisk::look_at(path).map_err(failed)?;
        let manifest = read_manifest(&disk)?
            .ok_or_else(|| failed(std::io::Error::other("it holds no checkpoint")))?;
        let memory = read_state(&disk, &manifest)?;
        let mut history = History::new(&manifest);
        let disk = std::sync::Arc::new(disk);
        Journal::open(disk, manifest.journal_from, |entry| {
            history.add(Fact::decode(entry.payload)?, entry.place);
            Ok::<_, CheckpointError>(())
        })?;
        let blocks = history.blocks.iter();
        Ok(Self {
            memory,
            blocks: blocks
                .map(|(source, of)| (source.clone(), of.blocks.len()))
                .collect(),
            claims: history.claims.into_values().collect(),
            manifest,
        })
    }
}
