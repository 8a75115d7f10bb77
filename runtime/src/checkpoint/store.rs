//! A checkpoint: opened, added to, written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    CheckpointError, Manifest, Program, Recovered, RecoveredClaim, Written,
    blocks::LoggedBlocks,
    chain,
    fact::{ClaimFact, Fact, SourceFact},
    letters,
    letters::BatchLetters,
    lock::Lock,
    manifest::StateEntry,
    needs::Needs,
    program::{begun, belongs},
    recovered::History,
    references::{References, Rows},
    retry::{Wanted, forget_claimed},
    sealed::{seal, unseal},
    shared::{Log, Shared},
    version,
};
use crate::{
    codec,
    journal::{Disk, Journal, read_whole, write_whole},
    model::BatchTime,
    scheduler::SavedMemory,
    topology::Topology,
};

const MANIFEST: &str = "manifest";
/// Raised when the manifest or the state change their form.
const VERSION: u16 = 4;
/// A file that is there while the journal may have versions that the manifest has not.
pub(super) const SWAPPING: &str = "swapping";

/// Where a topology writes what must outlive the process. One process at a time has it open.
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) shared: Arc<Shared>,
    pub(super) logged: LoggedBlocks,
    pub(super) manifest: Mutex<Manifest>,
    references: References,
    pub(super) letters: Mutex<letters::Sizes>,
    /// Dead letters that someone wants to be retried.
    pub(super) wanted: Mutex<Wanted>,
    /// The last batch that is committed.
    pub(super) committed: Mutex<Option<i64>>,
    /// Whoever writes or removes what programs are made of has it.
    pub(super) programs: Mutex<()>,
    /// Batches that can be made again behind the newest state.
    retain: u64,
    _lock: Option<Lock>,
}

/// A checkpoint that was opened, and what it held.
#[derive(Debug)]
pub struct Opened {
    /// For what comes.
    pub checkpoint: Arc<Checkpoint>,
    /// What was there; none if it is new.
    pub recovered: Option<Recovered>,
}

/// What is left for the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Batches behind the state, which are made again; committed ones without their outputs.
    pub batches: u64,
    /// Blocks that are logged and that no batch has taken.
    pub blocks: u64,
}

/// What a batch takes, to be written down.
#[derive(Debug)]
pub struct NewClaim<'a> {
    /// The batch.
    pub time: BatchTime,
    /// Its number.
    pub number: u64,
    /// What it takes from each source; none: it could not be claimed.
    pub sources: Option<Vec<SourceFact>>,
    /// The rows of reference data, in the topology's order.
    pub references: &'a [Rows],
    /// Dead letters that it takes once more.
    pub letters: &'a [BatchLetters],
}

impl Checkpoint {
    /// Opens the checkpoint on a disk that nobody else uses. What makes it `unique` becomes its uid.
    ///
    /// # Errors
    /// As [`open_at`](Self::open_at).
    pub fn open(
        disk: Arc<dyn Disk>,
        topology: &Topology,
        program: Program,
        unique: &str,
    ) -> Result<Opened, CheckpointError> {
        Self::open_locked(disk, topology, program, unique, None)
    }

    pub(super) fn open_locked(
        disk: Arc<dyn Disk>,
        topology: &Topology,
        program: Program,
        unique: &str,
        lock: Option<Lock>,
    ) -> Result<Opened, CheckpointError> {
        let found = read_manifest(&*disk)?;
        let is_new = found.is_none();
        let mut manifest = match found {
            Some(manifest) => manifest,
            None => begun(topology, program.clone(), unique),
        };
        if is_new {
            // Durable before the first claim.
            write_manifest(&*disk, &manifest)?;
        }
        belongs(&manifest, topology, &disk.place())?;
        let (journal, mut history, mut needs) = read_journal(&disk, &manifest)?;
        history.settle();
        let memory = read_state(&*disk, &history.states)?;
        // A run that died on the way back may have left states that no longer count.
        let mut is_changed = manifest.states != history.states;
        manifest.states = history.states;
        let retain = retained(topology);
        if let Some(state) = chain::oldest_needed(&manifest.states, retain) {
            needs.covered(state.time);
        }
        let claims: Vec<_> = history.claims.into_values().collect();
        let versions = history.versions;
        let turn = version::turn(&versions, claims, (&program, topology), &disk.place())?;
        let written = manifest.state().map(|state| state.time);
        let claims = turn.claims;
        let last = claims.last().map(|claim| claim.time);
        let last = last.or(written.map(BatchTime::from_millis));
        manifest.versions = versions;
        if turn.version.is_none() {
            // The batches from here on are made by another one.
            let of = (program, topology);
            let next = version::following(&manifest.versions, &claims, last, of);
            manifest.versions.push(next);
            is_changed = true;
        }
        if is_changed {
            write_manifest(&*disk, &manifest)?;
        }
        let forgets = written.zip(turn.version);
        let forgets = forgets.map(|(of, at)| version::forgotten(&manifest.versions, of, at));

        let blocks = history.blocks.iter();
        let next_blocks = blocks.map(|(source, of)| (source.clone(), of.next_id));
        let positions = history.blocks.iter();
        let positions = positions.filter_map(|(s, of)| Some((s.clone(), of.position.clone()?)));
        let log = Log {
            journal,
            needs,
            next_blocks: next_blocks.collect(),
            positions: positions.collect(),
            versions: manifest.versions.clone(),
            upcoming: Vec::new(),
        };
        let schemas = topology.sources.iter();
        let schemas = schemas.map(|source| (source.name.to_string(), source.schema.clone()));
        let logged = LoggedBlocks::new(&schemas.collect(), history.blocks, &disk)?;
        let state = manifest.state();
        let written = written.map(BatchTime::from_millis);
        let recovered = Recovered {
            zero: zero_time(&manifest, &claims),
            last,
            state: written,
            sources: state.map_or_else(Vec::new, |state| state.sources.clone()),
            memory,
            claims,
            finished: history.finished,
            forgets: forgets.unwrap_or_default(),
            is_followed: turn.is_followed,
            on_trial: version::on_trial(&manifest.versions).filter(|_| !turn.is_followed),
        };
        let mut sizes = letters::sizes(&*disk)?;
        forget_claimed(&*disk, &mut sizes, &recovered.claims)?;
        let mut claimed = recovered.claims.iter();
        let committed = claimed.rfind(|claim| claim.committed.is_some());
        let committed = committed.map(|claim| claim.time).or(written);
        let checkpoint = Self {
            shared: Arc::new(Shared {
                disk,
                log: Mutex::new(log),
                syncing: Mutex::new(()),
            }),
            logged,
            manifest: Mutex::new(manifest),
            references: References::new(topology),
            letters: Mutex::new(sizes),
            programs: Mutex::default(),
            wanted: Mutex::default(),
            committed: Mutex::new(committed.map(BatchTime::as_millis)),
            retain,
            _lock: lock,
        };
        Ok(Opened {
            checkpoint: Arc::new(checkpoint),
            recovered: (!is_new).then_some(recovered),
        })
    }

    /// Names this stream of batches for ever.
    pub fn uid(&self) -> String {
        lock(&self.manifest).uid.clone()
    }

    /// What a run that begins now would find to do.
    pub fn left(&self) -> Left {
        let state = lock(&self.manifest).state().map(|state| state.time);
        let log = lock(&self.shared.log);
        Left {
            batches: log.needs.claims_after(state),
            blocks: log.needs.unclaimed(),
        }
    }

    /// A batch takes this. When it returns, so do all runs to come.
    ///
    /// # Errors
    /// When it cannot be made durable: then the batch must not be executed.
    pub fn claim(&self, claim: &NewClaim<'_>) -> Result<(), CheckpointError> {
        let (time, number) = (claim.time.as_millis(), claim.number);
        let Some(sources) = &claim.sources else {
            let fact = Fact::NoClaim { time, number };
            return self
                .shared
                .append(&fact, |log, segment| log.needs.no_claim(time, segment));
        };
        let letters = claim.letters;
        let mut references = Vec::with_capacity(claim.references.len());
        for (at, rows) in claim.references.iter().enumerate() {
            references.push(self.references.keep(&*self.shared.disk, at, rows)?);
        }
        let claim = ClaimFact {
            time,
            number,
            sources: sources.clone(),
            references,
        };
        let fact = match letters {
            [] => Fact::Claim(claim.clone()),
            letters => Fact::ClaimRetrying(claim.clone(), letters.to_vec()),
        };
        self.shared
            .append(&fact, |log, segment| log.needs.claim(&claim, segment))?;
        self.forget_taken(letters)
    }

    /// A batch is where it belongs, or part of it `failed` and the topology goes on.
    ///
    /// # Errors
    /// When it cannot be made durable: the next run will make the batch again.
    pub fn commit(&self, time: BatchTime, failed: bool) -> Result<(), CheckpointError> {
        let time = time.as_millis();
        self.shared
            .append(&Fact::Commit { time, failed }, |_, _| {})?;
        *lock(&self.committed) = Some(time);
        Ok(())
    }

    /// A batch that was made on trial is given to its sinks now. When it returns, no other version
    /// will ever make it.
    ///
    /// # Errors
    /// When it cannot be made durable: then no sink may have it.
    pub fn given(&self, time: BatchTime) -> Result<(), CheckpointError> {
        let time = time.as_millis();
        self.shared.append(&Fact::Given { time }, |_, _| {})
    }

    /// An operator failed on a batch; no sink was given any of it.
    ///
    /// # Errors
    /// When it cannot be made durable: then only the same program may make the batch again.
    pub fn failed(&self, time: BatchTime) -> Result<(), CheckpointError> {
        let time = time.as_millis();
        self.shared.append(&Fact::Failed { time }, |_, _| {})
    }

    /// All sources have ended and all batches are committed.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn finish(&self) -> Result<(), CheckpointError> {
        self.shared.append(&Fact::Finished, |_, _| {})?;
        lock(&self.manifest).finished = true;
        Ok(())
    }

    /// The next state should be a whole one.
    pub fn is_whole_due(&self) -> bool {
        chain::is_whole_due(&lock(&self.manifest).states)
    }

    /// Writes the state after a batch, and releases what nobody needs any more. States are written
    /// in the order of their batches; one that is not whole belongs upon the one before.
    ///
    /// # Errors
    /// When it cannot be made durable; the state before it still counts then.
    pub fn write(&self, written: &Written) -> Result<(), CheckpointError> {
        let mut manifest = lock(&self.manifest);
        let disk = &*self.shared.disk;
        let file = format!("state-{:012}", written.number);
        let bytes = codec::encode(VERSION, &written.memory)?;
        let entry = StateEntry {
            time: written.time.as_millis(),
            number: written.number,
            digest: blake3::hash(&bytes).to_hex().to_string(),
            file: file.clone(),
            whole: written.whole,
            bytes: bytes.len() as u64,
            sources: written.sources.clone(),
        };
        write_whole(disk, &file, &bytes)?;
        let mut next = manifest.clone();
        next.states.push(entry);
        chain::release(&mut next.states, self.retain);
        let needed = chain::oldest_needed(&next.states, self.retain);
        {
            let mut log = lock(&self.shared.log);
            if let Some(state) = needed {
                log.needs.covered(state.time);
            }
            version::release(&mut log.versions, needed.map(|state| state.time));
            next.versions.clone_from(&log.versions);
            log.journal.roll();
            next.journal_from = log.needs.first().unwrap_or(log.journal.segment());
            next.next_blocks = log.next_blocks.clone().into_iter().collect();
            next.positions = log.positions.clone().into_iter().collect();
        }
        write_manifest(disk, &next)?;
        *manifest = next;
        lock(&self.shared.log)
            .journal
            .release(manifest.journal_from);
        self.remove_others(&manifest);
        Ok(())
    }

    /// Batches that can be made again behind the newest state.
    pub fn retained(&self) -> u64 {
        self.retain
    }

    /// Bytes of all states that are kept.
    pub fn state_bytes(&self) -> u64 {
        let manifest = lock(&self.manifest);
        manifest.states.iter().map(|state| state.bytes).sum()
    }

    /// The rows of reference data that a claim of an earlier run names.
    ///
    /// # Errors
    /// When they are not there any more, or are damaged.
    pub fn reference(&self, at: usize, digest: &str) -> Result<Rows, CheckpointError> {
        self.references.read(&*self.shared.disk, at, digest)
    }

    /// Removes states and reference data that nothing names. What stays by accident does no harm.
    pub(super) fn remove_others(&self, manifest: &Manifest) {
        let disk = &*self.shared.disk;
        let needed = lock(&self.shared.log).needs.references();
        self.references.release(disk, &needed);
        let files = disk.list().unwrap_or_default();
        for file in &files {
            let is_needed = manifest.states.iter().any(|state| state.file == *file);
            if file.starts_with("state-") && !is_needed {
                let _ = disk.remove(file);
            }
        }
        self.release_programs();
        if files.iter().any(|file| file == SWAPPING) {
            let log = lock(&self.shared.log);
            if log.upcoming.is_empty() && log.versions == manifest.versions {
                let _ = disk.remove(SWAPPING);
            }
        }
    }
}

/// What the journal says, and what of it is needed.
fn read_journal(
    disk: &Arc<dyn Disk>,
    manifest: &Manifest,
) -> Result<(Journal, History, Needs), CheckpointError> {
    let mut history = History::new(manifest);
    let mut needs = Needs::default();
    let journal = Journal::open(disk.clone(), manifest.journal_from, |entry| {
        let (fact, segment) = (Fact::decode(entry.payload)?, entry.place.segment);
        match &fact {
            Fact::Block { source, id, .. } => needs.block(source, *id, segment),
            Fact::Claim(claim) | Fact::ClaimRetrying(claim, _) => needs.claim(claim, segment),
            Fact::NoClaim { time, .. } => needs.no_claim(*time, segment),
            Fact::Commit { .. }
            | Fact::Failed { .. }
            | Fact::Given { .. }
            | Fact::Finished
            | Fact::Version(_) => {}
        }
        history.add(fact, entry.place);
        Ok::<_, CheckpointError>(())
    })?;
    Ok((journal, history, needs))
}

pub(super) fn read_manifest(disk: &dyn Disk) -> Result<Option<Manifest>, CheckpointError> {
    let bytes = read_whole(disk, MANIFEST)?;
    let manifest = bytes.map(|bytes| unseal(VERSION, &bytes, (disk, MANIFEST)));
    manifest.transpose()
}

/// The time of batch 0, as the newest state or the first claim tells it.
fn zero_time(manifest: &Manifest, claims: &[RecoveredClaim]) -> Option<BatchTime> {
    let state = manifest.state().map(|state| (state.time, state.number));
    let first = claims.first();
    let first = first.map(|claim| (claim.time.as_millis(), claim.number));
    let (time, number) = state.or(first)?;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let since = number.saturating_mul(manifest.interval);
    Some(BatchTime::from_millis(time - since))
}

pub(super) fn write_manifest(disk: &dyn Disk, manifest: &Manifest) -> Result<(), CheckpointError> {
    Ok(write_whole(disk, MANIFEST, &seal(VERSION, manifest)?)?)
}

fn retained(topology: &Topology) -> u64 {
    let checkpoint = topology.checkpoint.as_ref();
    checkpoint.map_or(0, |checkpoint| checkpoint.retain_batches)
}

/// The newest state.
pub(super) fn read_state(
    disk: &dyn Disk,
    states: &[StateEntry],
) -> Result<Option<SavedMemory>, CheckpointError> {
    read_chain(disk, chain::newest(states))
}

/// A state, of the states that it lies upon.
pub(super) fn read_chain(
    disk: &dyn Disk,
    states: &[StateEntry],
) -> Result<Option<SavedMemory>, CheckpointError> {
    let mut memory: Option<SavedMemory> = None;
    for state in states {
        let part = read_part(disk, state)?;
        memory = Some(match memory {
            Some(before) => part.upon(&before)?,
            None => part,
        });
    }
    Ok(memory)
}

fn read_part(disk: &dyn Disk, state: &StateEntry) -> Result<SavedMemory, CheckpointError> {
    let damaged = |why: &str| CheckpointError::Damaged {
        file: state.file.clone(),
        place: disk.place(),
        why: why.to_owned(),
    };
    let bytes = read_whole(disk, &state.file)?.ok_or_else(|| damaged("is missing"))?;
    if blake3::hash(&bytes).to_hex().as_str() != state.digest {
        return Err(damaged("is not what was written"));
    }
    Ok(codec::decode(VERSION, &bytes)?)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
