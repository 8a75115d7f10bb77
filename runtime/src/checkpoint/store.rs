//! A checkpoint: opened, added to, written.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    CheckpointError, Manifest, Program, Recovered, Written,
    blocks::LoggedBlocks,
    fact::{ClaimFact, Fact, SourceFact},
    lock::Lock,
    manifest::StateEntry,
    needs::Needs,
    recovered::History,
    references::{References, Rows},
    shared::{Log, Shared},
};
use crate::{
    codec,
    journal::{DirectoryDisk, Disk, Journal, read_whole, write_whole},
    model::BatchTime,
    scheduler::SavedMemory,
    topology::Topology,
};

const MANIFEST: &str = "manifest";
/// Raised when the manifest or the state change their form.
const VERSION: u16 = 1;

/// Where a topology writes what must outlive the process. One process at a time has it open.
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) shared: Arc<Shared>,
    pub(super) logged: LoggedBlocks,
    manifest: Mutex<Manifest>,
    references: References,
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
}

impl Program {
    /// Of a topology's text and the digests of its plugins, in its order.
    pub fn new(topology: &str, plugins: Vec<String>) -> Self {
        Self {
            topology: blake3::hash(topology.as_bytes()).to_hex().to_string(),
            plugins,
        }
    }
}

impl Checkpoint {
    /// Opens the checkpoint in a directory, or begins one there. `now` is the wall clock's time, in
    /// milliseconds since the epoch.
    ///
    /// # Errors
    /// When another process has it open, it is of another topology, it is damaged, or it holds
    /// batches that this program would make differently.
    pub fn open_directory(
        path: &Path,
        topology: &Topology,
        program: Program,
        now: i64,
    ) -> Result<Opened, CheckpointError> {
        let disk = DirectoryDisk::open(path).map_err(|error| CheckpointError::Directory {
            path: path.to_owned(),
            error,
        })?;
        let lock = Lock::take(disk.path(), now)?;
        // Unlike others at this time and place.
        let unique = format!(
            "{} {now} {} {}",
            topology.name,
            std::process::id(),
            path.display()
        );
        Self::open_locked(Arc::new(disk), topology, program, &unique, Some(lock))
    }

    /// Gives the directory of a checkpoint another name, so that a new one can begin in its place;
    /// answers with that name, or none if there is no such directory.
    ///
    /// # Errors
    /// When another process has it open, or the system says no.
    pub fn move_aside(path: &Path, now: i64) -> Result<Option<PathBuf>, CheckpointError> {
        if !path.exists() {
            return Ok(None);
        }
        let _lock = Lock::take(path, now)?;
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".before-{now}"));
        let aside = PathBuf::from(aside);
        DirectoryDisk::rename_all(path, &aside).map_err(|error| CheckpointError::Directory {
            path: path.to_owned(),
            error,
        })?;
        Ok(Some(aside))
    }

    /// Opens the checkpoint on a disk that nobody else uses. What makes it `unique` becomes its uid.
    ///
    /// # Errors
    /// As [`open_directory`](Self::open_directory).
    pub fn open(
        disk: Arc<dyn Disk>,
        topology: &Topology,
        program: Program,
        unique: &str,
    ) -> Result<Opened, CheckpointError> {
        Self::open_locked(disk, topology, program, unique, None)
    }

    fn open_locked(
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
        let memory = read_state(&*disk, &manifest)?;
        let mut history = History::new(&manifest);
        let mut needs = Needs::default();
        let journal = Journal::open(disk.clone(), manifest.journal_from, |entry| {
            let (fact, segment) = (Fact::decode(entry.payload)?, entry.place.segment);
            match &fact {
                Fact::Block { source, id, .. } => needs.block(source, *id, segment),
                Fact::Claim(claim) => needs.claim(claim, segment),
                Fact::NoClaim { time, .. } => needs.no_claim(*time, segment),
                Fact::Commit { .. } | Fact::Finished => {}
            }
            history.add(fact, entry.place);
            Ok::<_, CheckpointError>(())
        })?;
        if let Some(state) = &manifest.state {
            needs.covered(state.time);
        }
        let claims: Vec<_> = history.claims.into_values().collect();
        same_program(&manifest.program, &program, &claims)?;
        if manifest.program != program {
            // The batches from here on are made by another one.
            manifest.program = program;
            write_manifest(&*disk, &manifest)?;
        }

        let blocks = history.blocks.iter();
        let next_blocks = blocks.map(|(source, of)| (source.clone(), of.next_id));
        let positions = history.blocks.iter();
        let positions = positions.filter_map(|(s, of)| Some((s.clone(), of.position.clone()?)));
        let log = Log {
            journal,
            needs,
            next_blocks: next_blocks.collect(),
            positions: positions.collect(),
        };
        let schemas = topology.sources.iter();
        let schemas = schemas.map(|source| (source.name.to_string(), source.schema.clone()));
        let logged = LoggedBlocks::new(&schemas.collect(), history.blocks, &disk)?;
        let state = manifest.state.as_ref();
        let first = claims
            .first()
            .map(|claim| (claim.time.as_millis(), claim.number));
        let anchor = state.map(|state| (state.time, state.number)).or(first);
        let zero = anchor.map(|(time, number)| {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            BatchTime::from_millis(time - number.saturating_mul(manifest.interval))
        });
        let last = claims.last().map(|claim| claim.time);
        let written = state.map(|state| BatchTime::from_millis(state.time));
        let recovered = Recovered {
            zero,
            last: last.or(written),
            state: written,
            sources: state.map_or_else(Vec::new, |state| state.sources.clone()),
            memory,
            claims,
            finished: history.finished,
        };
        let checkpoint = Self {
            shared: Arc::new(Shared {
                disk,
                log: Mutex::new(log),
            }),
            logged,
            manifest: Mutex::new(manifest),
            references: References::new(topology),
            _lock: lock,
        };
        Ok(Opened {
            checkpoint: Arc::new(checkpoint),
            recovered: (!is_new).then_some(recovered),
        })
    }

    /// The partitions after a shuffle that the checkpoint in a directory was begun with; none if
    /// there is no checkpoint that can be read.
    pub fn parallelism(path: &Path) -> Option<NonZeroUsize> {
        let disk = DirectoryDisk::look_at(path).ok()?;
        let manifest = read_manifest(&disk).ok()??;
        NonZeroUsize::new(usize::try_from(manifest.parallelism).ok()?)
    }

    /// Names this stream of batches for ever.
    pub fn uid(&self) -> String {
        lock(&self.manifest).uid.clone()
    }

    /// What a run that begins now would find to do.
    pub fn left(&self) -> Left {
        let log = lock(&self.shared.log);
        Left {
            batches: log.needs.claims(),
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
                .append(&fact, |needs, segment| needs.no_claim(time, segment));
        };
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
        let fact = Fact::Claim(claim.clone());
        self.shared
            .append(&fact, |needs, segment| needs.claim(&claim, segment))
    }

    /// A batch is where it belongs, or part of it `failed` and the topology goes on.
    ///
    /// # Errors
    /// When it cannot be made durable: the next run will make the batch again.
    pub fn commit(&self, time: BatchTime, failed: bool) -> Result<(), CheckpointError> {
        let time = time.as_millis();
        self.shared
            .append(&Fact::Commit { time, failed }, |_, _| {})
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

    /// Writes the state after a batch, and releases what it covers. If a later one has been written
    /// already, nothing is done.
    ///
    /// # Errors
    /// When it cannot be made durable; the state before it still counts then.
    pub fn write(&self, written: &Written) -> Result<(), CheckpointError> {
        let mut manifest = lock(&self.manifest);
        let is_later = |state: &StateEntry| state.number >= written.number;
        if manifest.state.as_ref().is_some_and(is_later) {
            return Ok(());
        }
        let disk = &*self.shared.disk;
        let file = format!("state-{:012}", written.number);
        let bytes = codec::encode(VERSION, &written.memory)?;
        let entry = StateEntry {
            time: written.time.as_millis(),
            number: written.number,
            digest: blake3::hash(&bytes).to_hex().to_string(),
            file: file.clone(),
            sources: written.sources.clone(),
        };
        write_whole(disk, &file, &bytes)?;
        let mut next = Manifest {
            state: Some(entry),
            ..manifest.clone()
        };
        {
            let mut log = lock(&self.shared.log);
            log.needs.covered(written.time.as_millis());
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
        self.remove_others(&file);
        Ok(())
    }

    /// The rows of reference data that a claim of an earlier run names.
    ///
    /// # Errors
    /// When they are not there any more, or are damaged.
    pub fn reference(&self, at: usize, digest: &str) -> Result<Rows, CheckpointError> {
        self.references.read(&*self.shared.disk, at, digest)
    }

    /// Removes states and reference data that nothing names. What stays by accident does no harm.
    fn remove_others(&self, state: &str) {
        let disk = &*self.shared.disk;
        let needed = lock(&self.shared.log).needs.references();
        self.references.release(disk, &needed);
        for file in disk.list().unwrap_or_default() {
            if file.starts_with("state-") && file != state {
                let _ = disk.remove(&file);
            }
        }
    }
}

pub(super) fn read_manifest(disk: &dyn Disk) -> Result<Option<Manifest>, CheckpointError> {
    let bytes = read_whole(disk, MANIFEST)?;
    let manifest = bytes.map(|bytes| codec::decode(VERSION, &bytes));
    Ok(manifest.transpose()?)
}

fn write_manifest(disk: &dyn Disk, manifest: &Manifest) -> Result<(), CheckpointError> {
    Ok(write_whole(
        disk,
        MANIFEST,
        &codec::encode(VERSION, manifest)?,
    )?)
}

fn begun(topology: &Topology, program: Program, unique: &str) -> Manifest {
    let uid = blake3::hash(unique.as_bytes()).to_hex();
    Manifest {
        uid: uid.as_str()[..16].to_owned(),
        topology: topology.name.to_string(),
        interval: topology.batch_interval.as_millis(),
        parallelism: topology.parallelism.get() as u64,
        program,
        state: None,
        journal_from: 1,
        next_blocks: Vec::new(),
        positions: Vec::new(),
        finished: false,
    }
}

/// Checks that it is of this topology.
fn belongs(manifest: &Manifest, topology: &Topology, place: &str) -> Result<(), CheckpointError> {
    if manifest.topology != topology.name.as_str() {
        return Err(CheckpointError::OtherTopology {
            place: place.to_owned(),
            found: manifest.topology.clone(),
            expected: topology.name.to_string(),
        });
    }
    let changed = |what, before: String, now: String| CheckpointError::Changed {
        what,
        before,
        now,
        place: place.to_owned(),
    };
    let interval = topology.batch_interval.as_millis();
    if manifest.interval != interval {
        let (before, now) = (
            format!("{} ms", manifest.interval),
            format!("{interval} ms"),
        );
        return Err(changed("`batch-interval`", before, now));
    }
    let parallelism = topology.parallelism.get() as u64;
    if manifest.parallelism != parallelism {
        let (before, now) = (manifest.parallelism.to_string(), parallelism.to_string());
        return Err(changed("`parallelism`", before, now));
    }
    Ok(())
}

/// Checks that batches can be made again as they were.
fn same_program(
    before: &Program,
    now: &Program,
    claims: &[super::RecoveredClaim],
) -> Result<(), CheckpointError> {
    let what = match before {
        _ if before.topology != now.topology => "the topology",
        _ if before.plugins != now.plugins => "its plugins",
        _ => return Ok(()),
    };
    match claims {
        [] => Ok(()),
        [first, ..] => Err(CheckpointError::OtherProgram {
            claims: claims.len(),
            from: first.time.as_millis(),
            what,
        }),
    }
}

pub(super) fn read_state(
    disk: &dyn Disk,
    manifest: &Manifest,
) -> Result<Option<SavedMemory>, CheckpointError> {
    let Some(state) = &manifest.state else {
        return Ok(None);
    };
    let damaged = |why: &str| CheckpointError::Damaged {
        file: state.file.clone(),
        place: disk.place(),
        why: why.to_owned(),
    };
    let bytes = read_whole(disk, &state.file)?.ok_or_else(|| damaged("is missing"))?;
    if blake3::hash(&bytes).to_hex().as_str() != state.digest {
        return Err(damaged("is not what was written"));
    }
    Ok(Some(codec::decode(VERSION, &bytes)?))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
