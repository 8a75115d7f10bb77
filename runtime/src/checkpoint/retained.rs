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
    recovered::{History, SourceBlocks},
    references,
    store::{read_chain, read_manifest},
    version::{forgotten, owner},
};
use crate::{
    journal::{Disk, Journal, Place},
    model::{BatchTime, InputRange, Location, Schema},
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
    /// Committed batches that versions which took over later make again: those, by their ids.
    overtaken: BTreeMap<i64, Vec<u64>>,
    /// The first of the states behind which nothing is missing; the beginning comes before all.
    oldest: Option<Base>,
}

/// Versions in the order in which they began, as they were when a batch was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(Vec<Version>);

impl Line {
    /// The version that makes a batch; none: there is none at all.
    pub fn maker(&self, batch: BatchTime) -> Option<&Version> {
        self.0.get(owner(&self.0, batch.as_millis()))
    }

    /// Operators whose state of after this batch the version did not take over.
    pub fn forgotten(&self, after: BatchTime, version: &Version) -> Vec<String> {
        let place = self.0.iter().position(|known| known.id == version.id);
        place.map_or_else(Vec::new, |place| {
            forgotten(&self.0, after.as_millis(), place)
        })
    }
}

/// What batches are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Base {
    Beginning,
    /// A state, by its place.
    State(usize),
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

    fn of(disk: Arc<dyn Disk>, mut manifest: Manifest) -> Result<Self, CheckpointError> {
        let mut history = History::new(&manifest);
        Journal::read(disk.clone(), manifest.journal_from, |entry| {
            history.add(Fact::decode(entry.payload)?, entry.place);
            Ok::<_, CheckpointError>(())
        })?;
        manifest.states = history.states;
        let claims: Vec<_> = history.claims.into_values().collect();
        let data = references::digests(&*disk)?;
        let is_there = |claim: &RecoveredClaim| {
            let mut facts = claim.claim.iter();
            facts.all(|claim| {
                let has_data = claim.references.iter().all(|of| data.contains(of));
                has_data
                    && claim
                        .sources
                        .iter()
                        .all(|of| has_blocks(&history.blocks, of))
            })
        };
        let oldest = oldest(&manifest, &claims, is_there);
        let blocks = history.blocks.into_iter();
        Ok(Self {
            oldest,
            disk,
            manifest,
            claims,
            versions: history.versions,
            overtaken: history.overtaken,
            blocks: blocks.map(|(source, of)| (source, of.blocks)).collect(),
        })
    }

    /// What the checkpoint is of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The batches that can be made, by rising time.
    pub fn batches(&self) -> impl Iterator<Item = &RecoveredClaim> {
        let can =
            |claim: &&RecoveredClaim| claim.claim.is_some() && self.base(claim.time).is_some();
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

    /// The versions that sinks have this batch from, and those before it: not one that went back
    /// behind it later.
    pub fn line(&self, batch: BatchTime) -> Line {
        let later = self.overtaken.get(&batch.as_millis());
        let was_there = |version: &&Version| later.is_none_or(|later| !later.contains(&version.id));
        Line(self.versions.iter().filter(was_there).cloned().collect())
    }

    /// The versions as they are now.
    pub fn last_line(&self) -> Line {
        Line(self.versions.clone())
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
        let base = self.base(batch).filter(|_| kept);
        let at = match base.ok_or_else(|| self.not_retained(batch))? {
            Base::Beginning => return Ok(Before::default()),
            Base::State(at) => at,
        };
        let states = &self.manifest.states;
        let state = &states[at];
        Ok(Before {
            state: Some(BatchTime::from_millis(state.time)),
            memory: read_chain(&*self.disk, chain::until(states, at))?,
            sources: state.sources.clone(),
        })
    }

    /// What a batch is made from: the newest state before it. None if something between is not there
    /// any more.
    fn base(&self, batch: BatchTime) -> Option<Base> {
        let states = &self.manifest.states;
        let later = self.overtaken.get(&batch.as_millis()).into_iter().flatten();
        let own = |id: &u64| self.versions.iter().find(|version| version.id == *id);
        // What a version that went back has written is of its own batches.
        let went_back = later.filter_map(own).map(|version| version.from).min();
        let until = went_back.map_or(batch.as_millis(), |from| from.min(batch.as_millis()));
        let older = states.partition_point(|state| state.time < until);
        let newest = older.checked_sub(1).map_or(Base::Beginning, Base::State);
        (self.oldest? <= newest).then_some(newest)
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

/// What a run no longer keeps goes when nothing holds it, so some of it may still be there: claims
/// whose blocks are gone, or states that others lie upon. What is complete behind a state is complete
/// behind each that is newer.
fn oldest(
    manifest: &Manifest,
    claims: &[RecoveredClaim],
    is_there: impl Fn(&RecoveredClaim) -> bool,
) -> Option<Base> {
    let mut lacking = claims.iter().rev().filter(|claim| !is_there(claim));
    let since = lacking.next().map(|claim| claim.time.as_millis());
    if since.is_none() && is_complete_behind(None, manifest, claims) {
        return Some(Base::Beginning);
    }
    let at = manifest.states.iter().position(|state| {
        let is_behind = since.is_none_or(|since| since <= state.time);
        is_behind && is_complete_behind(Some(state), manifest, claims)
    });
    at.map(Base::State)
}

/// Of a source whose blocks are logged the journal has these; of another one nobody expects them.
fn has_blocks(logged: &BTreeMap<String, SourceBlocks>, taken: &SourceFact) -> bool {
    let of = logged.get(&taken.source).filter(|of| of.next_id > 0);
    match (&taken.range, of) {
        (InputRange::Blocks(ids), Some(of)) => ids.iter().all(|id| of.blocks.contains_key(id)),
        _ => true,
    }
}

/// All claims behind this state are there; none: behind the beginning.
fn is_complete_behind(
    state: Option<&StateEntry>,
    manifest: &Manifest,
    claims: &[RecoveredClaim],
) -> bool {
    let (time, number) = state.map_or((i64::MIN, 0), |state| (state.time, state.number));
    let until = claims.partition_point(|claim| claim.time.as_millis() <= time);
    let next = claims.get(until);
    let is_all = match state {
        None => manifest.journal_from <= 1,
        Some(state) => manifest.state() == Some(state),
    };
    until > 0 || next.is_some_and(|next| next.number == number.saturating_add(1)) || is_all
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
