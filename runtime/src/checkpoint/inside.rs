//! What lies in a checkpoint, for whoever looks at it.

use std::{path::Path, sync::Arc};

use super::{
    CheckpointError, Manifest, Pending, RecoveredClaim,
    fact::Fact,
    program,
    recovered::History,
    store::{read_manifest, read_state},
};
use crate::{
    journal::{DirectoryDisk, Disk, Journal},
    scheduler::SavedMemory,
};

/// All of a checkpoint. Nobody needs to be stopped to look, and nothing is changed.
#[derive(Debug)]
pub struct Inside {
    /// What it is of.
    pub manifest: Manifest,
    /// The newest state, after [`Manifest::state`]'s batch.
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
        let disk = look_at(path)?;
        let manifest = read_manifest(&*disk)?.ok_or_else(|| {
            let error = std::io::Error::other("it holds no checkpoint");
            CheckpointError::Directory {
                path: path.to_owned(),
                error,
            }
        })?;
        let memory = read_state(&*disk, &manifest)?;
        let history = read_history(disk, &manifest)?;
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

impl Pending {
    /// Batches in the checkpoint in a directory that only their own program can make again; none
    /// if there are none, or there is no checkpoint.
    ///
    /// # Errors
    /// When the checkpoint is damaged.
    pub fn read(path: &Path) -> Result<Option<Self>, CheckpointError> {
        if !path.is_dir() {
            return Ok(None);
        }
        let disk = look_at(path)?;
        let Some(manifest) = read_manifest(&*disk)? else {
            return Ok(None);
        };
        let files = program::read(&*disk, &manifest.program)?;
        let history = read_history(disk, &manifest)?;
        let bound = history.claims.values().filter(|claim| !claim.is_free());
        let batches = bound.count();
        Ok((batches > 0).then_some(Self {
            program: manifest.program,
            files,
            batches,
        }))
    }
}

fn look_at(path: &Path) -> Result<Arc<DirectoryDisk>, CheckpointError> {
    let disk = DirectoryDisk::look_at(path);
    disk.map(Arc::new)
        .map_err(|error| CheckpointError::Directory {
            path: path.to_owned(),
            error,
        })
}

fn read_history(disk: Arc<dyn Disk>, manifest: &Manifest) -> Result<History, CheckpointError> {
    let mut history = History::new(manifest);
    let (_, entries) = Journal::open(disk, manifest.journal_from)?;
    for entry in entries {
        history.add(Fact::decode(&entry.payload)?);
    }
    Ok(history)
}
