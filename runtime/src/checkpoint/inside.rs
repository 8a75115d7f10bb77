//! What lies in a checkpoint, for whoever looks at it.

use std::sync::Arc;

use super::{
    CheckpointError, Manifest, Pending, Program, RecoveredClaim,
    fact::Fact,
    opening::{look_at, unusable},
    program,
    recovered::History,
    store::{read_manifest, read_state},
};
use crate::{
    journal::{Disk, Journal},
    model::Location,
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
    /// Reads the checkpoint in this place.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(location: &Location) -> Result<Self, CheckpointError> {
        let disk = look_at(location)?;
        let manifest = read_manifest(&*disk)?
            .ok_or_else(|| unusable(location, std::io::Error::other("it holds no checkpoint")))?;
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
    /// Batches in the checkpoint in this place that only another program than `now` can make again;
    /// none if there are none, or there is no checkpoint.
    ///
    /// # Errors
    /// When the checkpoint is damaged.
    pub fn read(location: &Location, now: &Program) -> Result<Option<Self>, CheckpointError> {
        if matches!(location, Location::Directory(path) if !path.is_directory()) {
            return Ok(None);
        }
        let disk = look_at(location)?;
        let Some(manifest) = read_manifest(&*disk)? else {
            return Ok(None);
        };
        if manifest.program == *now {
            return Ok(None); // without a look at the journal, which is read anyway
        }
        let files = program::read(&*disk, &manifest.program)?;
        let history = read_history(disk, &manifest)?;
        let bound = history.claims.values().filter(|claim| !claim.is_free());
        let batches = bound.count();
        Ok((batches > 0).then_some(Self { files, batches }))
    }
}

/// What lies behind the state.
pub(super) fn read_history(
    disk: Arc<dyn Disk>,
    manifest: &Manifest,
) -> Result<History, CheckpointError> {
    let mut history = History::new(manifest);
    Journal::open(disk, manifest.journal_from, |entry| {
        history.add(Fact::decode(entry.payload)?, entry.place);
        Ok::<_, CheckpointError>(())
    })?;
    Ok(history)
}
