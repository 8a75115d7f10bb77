//! What an earlier run left behind.

use std::collections::BTreeMap;

use super::{
    BatchLetters, Version,
    fact::{ClaimFact, Fact, SourceFact},
    manifest::{Manifest, StateEntry},
};
use crate::{journal::Place, model::BatchTime, scheduler::SavedMemory};

/// Where a run goes on.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The first batch less an interval; none if no batch was ever claimed.
    pub zero: Option<BatchTime>,
    /// The last batch that was claimed or given up.
    pub last: Option<BatchTime>,
    /// The batch whose state is in `memory`.
    pub state: Option<BatchTime>,
    /// The state after the batch before those of `claims`; none: there is none yet.
    pub memory: Option<SavedMemory>,
    /// How far each source had come then.
    pub sources: Vec<SourceFact>,
    /// What was claimed since, by rising time.
    pub claims: Vec<RecoveredClaim>,
    /// All sources had ended, and all batches were committed.
    pub finished: bool,
    /// Operators whose state in `memory` is of a version before, and was not taken over.
    pub forgets: Vec<String>,
    /// Another version goes on behind these claims: nothing new is claimed by this one.
    pub is_followed: bool,
    /// The first batch of this version, if it took over while the stream ran: from there leads a
    /// way back to the version before.
    pub on_trial: Option<BatchTime>,
}

/// A batch that must be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredClaim {
    /// Its time.
    pub time: BatchTime,
    /// Its number.
    pub number: u64,
    /// What it takes; none: it could not be claimed.
    pub claim: Option<ClaimFact>,
    /// Dead letters that it takes once more.
    pub letters: Vec<BatchLetters>,
    /// It is committed: the sinks have it. And whether part of it failed.
    pub committed: Option<bool>,
    /// An operator failed on it, so no sink was given any of it.
    pub failed: bool,
    /// A version before the one that makes it claimed it; if it is not committed, no sink has
    /// anything of it.
    pub superseded: bool,
    /// It was made on trial, and may have been given to sinks.
    pub given: bool,
}

impl RecoveredClaim {
    /// Another program may make it: no sink can have anything of it.
    pub fn is_free(&self) -> bool {
        (self.failed || self.superseded) && self.committed.is_none()
    }
}

/// Blocks of one source that no batch covered by the state has taken.
#[derive(Debug, Default)]
pub(super) struct SourceBlocks {
    /// By number: where they lie.
    pub(super) blocks: BTreeMap<u64, Place>,
    pub(super) next_id: u64,
    pub(super) position: Option<Vec<u8>>,
}

/// Puts facts together.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) claims: BTreeMap<i64, RecoveredClaim>,
    pub(super) blocks: BTreeMap<String, SourceBlocks>,
    pub(super) finished: bool,
    /// In the order in which they began.
    pub(super) versions: Vec<Version>,
    /// Those that count: what a version has written from which a way back leads does not.
    pub(super) states: Vec<StateEntry>,
    /// Committed batches that versions which took over later make again: those, by their ids.
    pub(super) overtaken: BTreeMap<i64, Vec<u64>>,
}

impl History {
    /// Of all that the journal has, until it is [settled](Self::settle).
    pub(super) fn new(manifest: &Manifest) -> Self {
        let mut history = Self {
            states: manifest.states.clone(),
            finished: manifest.finished,
            versions: manifest.versions.clone(),
            ..Self::default()
        };
        for (source, next) in &manifest.next_blocks {
            history.of(source).next_id = *next;
        }
        for (source, position) in &manifest.positions {
            history.of(source).position = Some(position.clone());
        }
        history
    }

    fn of(&mut self, source: &str) -> &mut SourceBlocks {
        self.blocks.entry(source.to_owned()).or_default()
    }

    /// Takes the next fact, which lies there.
    pub(super) fn add(&mut self, fact: Fact, place: Place) {
        match fact {
            Fact::Block {
                source,
                id,
                position,
                ..
            } => {
                let of = self.of(&source);
                of.next_id = of.next_id.max(id + 1);
                if let Some(position) = position {
                    of.position = Some(position.into_vec());
                }
                of.blocks.insert(id, place);
            }
            Fact::Claim(claim) => self.claim(claim, Vec::new()),
            Fact::ClaimRetrying(claim, letters) => self.claim(claim, letters),
            Fact::NoClaim { time, number } => {
                let recovered = RecoveredClaim {
                    time: BatchTime::from_millis(time),
                    number,
                    claim: None,
                    letters: Vec::new(),
                    committed: None,
                    failed: false,
                    superseded: false,
                    given: false,
                };
                self.claims.insert(time, recovered);
            }
            Fact::Commit { time, failed } => {
                if let Some(claim) = self.claims.get_mut(&time) {
                    claim.committed = Some(failed);
                }
            }
            Fact::Failed { time } => {
                if let Some(claim) = self.claims.get_mut(&time) {
                    claim.failed = true;
                }
            }
            Fact::Given { time } => {
                if let Some(claim) = self.claims.get_mut(&time) {
                    claim.given = true;
                }
            }
            Fact::Finished => self.finished = true,
            Fact::Version(version) => {
                for (time, claim) in self.claims.range_mut(version.from..) {
                    claim.superseded = true;
                    if claim.committed.is_some() {
                        self.overtaken.entry(*time).or_default().push(version.id);
                    }
                }
                // The manifest has those of which it knew, and no state that does not count.
                if self.versions.last().is_none_or(|last| last.id < version.id) {
                    self.states.retain(|state| state.time < version.from);
                    self.versions.push(version);
                }
            }
        }
    }

    /// All facts are known: what the newest state covers is over.
    pub(super) fn settle(&mut self) {
        let Some(covered) = self.states.last().map(|state| state.time) else {
            return;
        };
        let later = self.claims.split_off(&covered.saturating_add(1));
        let covered = std::mem::replace(&mut self.claims, later);
        for claim in covered.into_values().filter_map(|of| of.claim) {
            for taken in &claim.sources {
                self.forget(taken);
            }
        }
    }

    fn claim(&mut self, claim: ClaimFact, letters: Vec<BatchLetters>) {
        let recovered = RecoveredClaim {
            time: BatchTime::from_millis(claim.time),
            number: claim.number,
            committed: None,
            failed: false,
            superseded: false,
            given: false,
            letters,
            claim: Some(claim),
        };
        self.claims.insert(recovered.time.as_millis(), recovered);
    }

    fn forget(&mut self, taken: &SourceFact) {
        if let crate::model::InputRange::Blocks(ids) = &taken.range {
            let of = self.of(&taken.source);
            for id in ids {
                of.blocks.remove(id);
            }
        }
    }
}
