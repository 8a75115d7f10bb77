//! Batches that are done and still kept: what they were made from, so that they can be made once
//! more. Whoever looks changes nothing, and the run that they belong to may go on.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    CheckpointError, Manifest, ProgramFiles, RecoveredClaim, Rows, SourceFact, StateEntry, Version,
    blocks::JournalRows,
    chain,
    fact::Fact,
    opening::{look_at, unusable},
    program,
    recovered::History,
    references,
    store::{read_chain, read_manifest},
    version::{forgotten, owner},
};
use crate::{
    journal::{Disk, Journal, Place},
    model::{BatchTime, Location, Schema},
    receiver::StoredRows,
    scheduler::SavedMemory,
};

/// How often what a run is replacing is read again.
const READS: usize = 5;

/// All batches that a checkpoint can make once more, or that it has still to make.
#[derive(Debug)]
pub struct Retained {
    disk: Arc<dyn Disk>,
    manifest: Manifest,
    /// Of the journal, by rising time; older ones may lack their blocks.
    claims: Vec<RecoveredClaim>,
    /// In the order in which they began.
    versions: Vec<Version>,
    /// By source and number: where they lie.
    blocks: BTreeMap<String, BTreeMap<u64, Place>>,
}

/// What there was before a batch.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// The batch behind which the state was written; none: it is the beginning.
    pub state: Option<BatchTime>,
    /// What operators remembered; none: nothing yet.
    pub memory: Option<SavedMemory>,
    /// How far each source had come.
    pub sources: Vec<SourceFact>,
}

impl Retained {
    /// Of the checkpoint in this place, with what there was before a batch.
    ///
    /// # Errors
    /// When there is no checkpoint, it is damaged, or does not keep this batch any more.
    pub fn at(location: &Location, batch: BatchTime) -> Result<(Self, Before), CheckpointError> {
        let found = steady(|| look_at(location), |retained| retained.before(batch))?;
        found.ok_or_else(|| {
            let nothing = std::io::Error::other("it holds no checkpoint");
            unusable(location, nothing)
        })
    }

    /// The same of the checkpoint on this disk, which may be open; none if there is none.
    ///
    /// # Errors
    /// As there.
    pub fn on_disk(
        disk: &Arc<dyn Disk>,
        batch: BatchTime,
    ) -> Result<Option<(Self, Before)>, CheckpointError> {
        steady(|| Ok(disk.clone()), |retained| retained.before(batch))
    }

    /// Reads which batches the checkpoint on this disk keeps, but no state; none if there is none.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn on(disk: &Arc<dyn Disk>) -> Result<Option<Self>, CheckpointError> {
        let found = steady(|| Ok(disk.clone()), |_| Ok(()))?;
        Ok(found.map(|(retained, ())| retained))
    }

    fn of(disk: Arc<dyn Disk>, manifest: Manifest) -> Result<Self, CheckpointError> {
        let mut history = History::with_all(&manifest);
        Journal::read(disk.clone(), manifest.journal_from, |entry| {
            history.add(Fact::decode(entry.payload)?, entry.place);
            Ok::<_, CheckpointError>(())
        })?;
        let blocks = history.blocks.into_iter();
        Ok(Self {
            disk,
            manifest,
            claims: history.claims.into_values().collect(),
            versions: history.versions,
            blocks: blocks.map(|(source, of)| (source, of.blocks)).collect(),
        })
    }

    /// What the checkpoint is of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The batches that can be made, by rising time.
    pub fn batches(&self) -> impl Iterator<Item = &RecoveredClaim> {
        let can = |claim: &&RecoveredClaim| claim.claim.is_some() && self.base(claim.time).is_ok();
        self.claims.iter().filter(can)
    }

    /// All that was claimed, or could not be, behind a state up to a batch: what must be made to
    /// come from one to the other.
    pub fn claims(&self, state: Option<BatchTime>, until: BatchTime) -> &[RecoveredClaim] {
        let from = state.map_or(0, |state| {
            self.claims.partition_point(|claim| claim.time <= state)
        });
        let to = self.claims.partition_point(|claim| claim.time <= until);
        self.claims.get(from..to).unwrap_or_default()
    }

    /// Which programs made and make batches, in the order in which they began.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The place of the version that makes a batch.
    pub fn maker(&self, batch: BatchTime) -> usize {
        owner(&self.versions, batch.as_millis())
    }

    /// Operators whose state of after this batch the version at this place did not take over.
    pub fn forgotten(&self, after: BatchTime, version: usize) -> Vec<String> {
        forgotten(&self.versions, after.as_millis(), version)
    }

    /// What a version is made of; none: it was not kept.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn files(&self, version: &Version) -> Result<Option<ProgramFiles>, CheckpointError> {
        program::read(&*self.disk, &version.program)
    }

    /// The logged blocks of a source with these columns, by number. They are read when someone
    /// asks them for their rows.
    pub fn blocks(&self, source: &str, schema: &Schema) -> BTreeMap<u64, Arc<dyn StoredRows>> {
        let blocks = self.blocks.get(source).into_iter().flatten();
        let stored = blocks.map(|(id, place)| {
            let rows = JournalRows::new(self.disk.clone(), *place, schema.clone());
            (*id, Arc::new(rows) as Arc<dyn StoredRows>)
        });
        stored.collect()
    }

    /// Reference data with these columns that a claim names.
    ///
    /// # Errors
    /// When they are not there any more, or are damaged.
    pub fn reference(&self, schema: &Schema, digest: &str) -> Result<Rows, CheckpointError> {
        references::read(&*self.disk, schema, digest)
    }

    /// The newest state before a batch, and how far sources had come with it.
    ///
    /// # Errors
    /// When the batch is not kept, or the state is damaged.
    pub fn before(&self, batch: BatchTime) -> Result<Before, CheckpointError> {
        let kept = self.batches().any(|claim| claim.time == batch);
        let base = match kept {
            true => self.base(batch)?,
            false => return Err(self.not_retained(batch)),
        };
        let Some(at) = base else {
            return Ok(Before::default());
        };
        let states = &self.manifest.states;
        let state = &states[at];
        Ok(Before {
            state: Some(BatchTime::from_millis(state.time)),
            memory: read_chain(&*self.disk, chain::until(states, at))?,
            sources: state.sources.clone(),
        })
    }

    /// The place of the newest state before a batch; none: it is made from the beginning.
    fn base(&self, batch: BatchTime) -> Result<Option<usize>, CheckpointError> {
        let states = &self.manifest.states;
        let older = states.partition_point(|state| state.time < batch.as_millis());
        // What is complete behind an older state is complete behind this one.
        let reaches = |at: usize| self.is_complete_behind(states.get(at));
        let is_complete = (0..older).any(reaches) || self.is_complete_behind(None);
        match is_complete {
            true => Ok(older.checked_sub(1)),
            false => Err(self.not_retained(batch)),
        }
    }

    /// The journal has all claims behind this state; none: behind the beginning. Segments go with
    /// the state that covers them, so what is left may begin in the middle.
    fn is_complete_behind(&self, state: Option<&StateEntry>) -> bool {
        let (time, number) = state.map_or((i64::MIN, 0), |state| (state.time, state.number));
        let mut claims = self.claims.iter();
        let has_before = claims.any(|claim| claim.time.as_millis() <= time);
        let behind = self.claims.iter();
        let mut behind = behind.filter(|claim| claim.time.as_millis() > time);
        let is_next = behind.next().is_some_and(|next| next.number == number + 1);
        let is_all = match state {
            None => self.manifest.journal_from <= 1,
            Some(state) => self.manifest.state() == Some(state),
        };
        has_before || is_next || is_all
    }

    fn not_retained(&self, batch: BatchTime) -> CheckpointError {
        let times: Vec<_> = self.batches().map(|claim| claim.time).collect();
        let there = match &times[..] {
            [] => "none".to_owned(),
            [first, .., last] if times.len() > 3 && self.are_in_step(&times) => {
                let interval = self.manifest.interval;
                format!("{first} to {last}, one every {interval} ms")
            }
            times => {
                let times: Vec<_> = times.iter().map(ToString::to_string).collect();
                times.join(", ")
            }
        };
        CheckpointError::NotRetained {
            batch,
            place: self.disk.place(),
            there,
        }
    }

    fn are_in_step(&self, times: &[BatchTime]) -> bool {
        let interval = self.manifest.interval;
        let mut steps = times.windows(2);
        steps.all(|two| two[1].as_millis() - two[0].as_millis() == interval)
    }
}

/// Reads what belongs together, again if a run has replaced some of it meanwhile.
fn steady<T>(
    look: impl Fn() -> Result<Arc<dyn Disk>, CheckpointError>,
    read: impl Fn(&Retained) -> Result<T, CheckpointError>,
) -> Result<Option<(Retained, T)>, CheckpointError> {
    let mut disk = look()?;
    let mut manifest = read_manifest(&*disk)?;
    for left in (0..READS).rev() {
        let Some(found) = manifest else {
            return Ok(None);
        };
        let retained = Retained::of(disk, found.clone());
        let done = retained.and_then(|retained| {
            let more = read(&retained)?;
            Ok((retained, more))
        });
        let error = match done {
            Ok(done) => return Ok(Some(done)),
            Err(error) => error,
        };
        disk = look()?;
        manifest = read_manifest(&*disk)?;
        if left == 0 || manifest.as_ref() == Some(&found) {
            return Err(error);
        }
    }
    Ok(None)
}
