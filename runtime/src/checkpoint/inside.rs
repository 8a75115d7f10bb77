//! What lies in a checkpoint, for whoever looks at it.

use std::sync::Arc;

use super::{
    CheckpointError, Manifest, Pending, Program, ProgramFiles, RecoveredClaim, Version,
    fact::Fact,
    opening::{look_at, unusable},
    program,
    recovered::History,
    store::{SWAPPING, read_manifest, read_state},
    version::{first_bound, owner},
};
use crate::{
    journal::{Disk, Journal, read_whole},
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
    /// Which programs made and make batches, in the order in which they began.
    pub versions: Vec<Version>,
    /// By source: how many blocks wait or are needed by batches behind the state.
    pub blocks: Vec<(String, usize)>,
}

impl Inside {
    /// Reads the checkpoint in this place.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(location: &Location) -> Result<Self, CheckpointError> {
        let missing = || unusable(location, std::io::Error::other("it holds no checkpoint"));
        Self::on(look_at(location)?)?.ok_or_else(missing)
    }

    /// Reads the checkpoint on this disk; none if there is none.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn on(disk: Arc<dyn Disk>) -> Result<Option<Self>, CheckpointError> {
        let Some(manifest) = read_manifest(&*disk)? else {
            return Ok(None);
        };
        let history = read_history(disk.clone(), &manifest)?;
        let memory = read_state(&*disk, &history.states)?;
        let manifest = Manifest {
            states: history.states.clone(),
            ..manifest
        };
        let blocks = history.blocks.iter();
        Ok(Some(Self {
            memory,
            blocks: blocks
                .map(|(source, of)| (source.clone(), of.blocks.len()))
                .collect(),
            claims: history.claims.into_values().collect(),
            versions: history.versions,
            manifest,
        }))
    }
}

impl ProgramFiles {
    /// What the program is made of that makes the batches to come of the checkpoint in this place;
    /// none: it was not kept.
    ///
    /// # Errors
    /// When there is no checkpoint, or it is damaged.
    pub fn kept(location: &Location) -> Result<Option<Self>, CheckpointError> {
        let last = Version::last(location)?;
        program::read(&*look_at(location)?, &last.program)
    }
}

impl Version {
    /// The one that makes the batches to come of the checkpoint in this place. States are not read.
    ///
    /// # Errors
    /// When there is no checkpoint, or it is damaged.
    pub fn last(location: &Location) -> Result<Self, CheckpointError> {
        let missing = || unusable(location, std::io::Error::other("it holds no checkpoint"));
        let disk = look_at(location)?;
        let manifest = read_manifest(&*disk)?.ok_or_else(missing)?;
        let history = read_history(disk, &manifest)?;
        history.versions.last().cloned().ok_or_else(missing)
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
        Self::on(look_at(location)?, now)
    }

    /// The same of the checkpoint on this disk.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn on(disk: Arc<dyn Disk>, now: &Program) -> Result<Option<Self>, CheckpointError> {
        let Some(manifest) = read_manifest(&*disk)? else {
            return Ok(None);
        };
        if is_its_own(&*disk, &manifest, now)? {
            return Ok(None); // without a look at the journal, which is read anyway
        }
        let history = read_history(disk.clone(), &manifest)?;
        let versions = history.versions;
        let claims: Vec<_> = history.claims.into_values().collect();
        let Some(first) = first_bound(&versions, &claims) else {
            return Ok(None);
        };
        let program = &versions[first].program;
        if first + 1 == versions.len() && program == now {
            return Ok(None);
        }
        let bound = claims.iter().filter(|claim| !claim.is_free());
        let own = bound.filter(|claim| owner(&versions, claim.time.as_millis()) == first);
        Ok(Some(Self {
            batches: own.count(),
            files: program::read(&*disk, program)?,
        }))
    }
}

/// Everything behind the newest state is of this program, as far as that is seen without a look at
/// the journal.
pub(super) fn is_its_own(
    disk: &dyn Disk,
    manifest: &Manifest,
    program: &Program,
) -> Result<bool, CheckpointError> {
    let behind = manifest.state().map_or(i64::MIN, |state| state.time);
    let owner = owner(&manifest.versions, behind.saturating_add(1));
    let is_last = owner + 1 == manifest.versions.len();
    let is_it = manifest.versions[owner].program == *program;
    Ok(is_last && is_it && read_whole(disk, SWAPPING)?.is_none())
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
    history.settle();
    Ok(history)
}
