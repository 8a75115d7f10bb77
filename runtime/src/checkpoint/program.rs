//! Whose a checkpoint is, and what made its batches.

use std::sync::Arc;

use super::{CheckpointError, Manifest, Program, Version};
use crate::{
    journal::{Disk, JournalError, read_whole, write_whole},
    topology::Topology,
};

/// What a program is made of, so that it can make its batches again after it was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramFiles {
    /// Of the topology.
    pub text: String,
    /// Its plugins, in its order: what it calls them, and their bytes. None is the default one.
    pub plugins: Vec<(Option<String>, Arc<[u8]>)>,
}

/// Batches that only the program that claimed them can make again.
#[derive(Debug)]
pub struct Pending {
    /// What that program is made of; none: it was not kept.
    pub files: Option<ProgramFiles>,
    /// How many batches.
    pub batches: usize,
}

impl Program {
    /// Of a topology's text and its plugins, in its order: what it calls them, and their digests.
    pub fn new(topology: &str, plugins: Vec<(Option<String>, String)>) -> Self {
        Self {
            topology: digest(topology.as_bytes()),
            plugins,
        }
    }

    /// That is made of this.
    pub fn of(files: &ProgramFiles) -> Self {
        let plugins = files.plugins.iter();
        let plugins = plugins.map(|(alias, bytes)| (alias.clone(), digest(bytes)));
        Self::new(&files.text, plugins.collect())
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let plugins = self.plugins.iter();
        let plugins = plugins.map(|(_, digest)| file_name(digest));
        plugins.chain([file_name(&self.topology)])
    }
}

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn file_name(digest: &str) -> String {
    format!("program-{digest}")
}

/// Writes down what a program is made of, if it is not there.
pub(super) fn keep(disk: &dyn Disk, files: &ProgramFiles) -> Result<(), CheckpointError> {
    let there = list(disk)?;
    let plugins = files.plugins.iter().map(|(_, bytes)| &**bytes);
    for bytes in plugins.chain([files.text.as_bytes()]) {
        let name = file_name(&digest(bytes));
        if !there.contains(&name) {
            write_whole(disk, &name, bytes)?;
        }
    }
    Ok(())
}

/// Of programs that nobody needs nothing stays. What stays by accident does no harm.
pub(super) fn release<'a>(disk: &dyn Disk, needed: impl Iterator<Item = &'a Program>) {
    let needed: Vec<String> = needed.flat_map(Program::names).collect();
    for name in list(disk).unwrap_or_default() {
        if name.starts_with("program-") && !needed.contains(&name) {
            let _ = disk.remove(&name);
        }
    }
}

fn list(disk: &dyn Disk) -> Result<Vec<String>, CheckpointError> {
    let failed = |error| JournalError::Disk {
        action: "list",
        name: "files".to_owned(),
        place: disk.place(),
        error,
    };
    Ok(disk.list().map_err(failed)?)
}

/// What a program is made of, if it was kept.
pub(super) fn read(
    disk: &dyn Disk,
    program: &Program,
) -> Result<Option<ProgramFiles>, CheckpointError> {
    let one = |wanted: &str| {
        let name = file_name(wanted);
        let bytes = read_whole(disk, &name)?;
        match bytes {
            Some(bytes) if digest(&bytes) != wanted => Err(CheckpointError::Damaged {
                file: name,
                place: disk.place(),
                why: "is not what was written".to_owned(),
            }),
            bytes => Ok(bytes),
        }
    };
    let text = one(&program.topology)?.map(String::from_utf8);
    let Some(Ok(text)) = text else {
        return Ok(None);
    };
    let mut plugins = Vec::with_capacity(program.plugins.len());
    for (alias, digest) in &program.plugins {
        let Some(bytes) = one(digest)? else {
            return Ok(None);
        };
        plugins.push((alias.clone(), bytes.into()));
    }
    Ok(Some(ProgramFiles { text, plugins }))
}

/// The manifest of a checkpoint that begins. What makes it `unique` becomes its uid.
pub(super) fn begun(topology: &Topology, program: Program, unique: &str) -> Manifest {
    let uid = blake3::hash(unique.as_bytes()).to_hex();
    Manifest {
        uid: uid.as_str()[..16].to_owned(),
        topology: topology.name.to_string(),
        interval: topology.batch_interval.as_millis(),
        versions: vec![Version {
            id: 1,
            from: i64::MIN,
            program,
            parallelism: topology.parallelism.get() as u64,
            forgets: Vec::new(),
            since: None,
            back: None,
        }],
        states: Vec::new(),
        journal_from: 1,
        next_blocks: Vec::new(),
        positions: Vec::new(),
        finished: false,
    }
}

/// Checks that it is of this topology.
pub(super) fn belongs(
    manifest: &Manifest,
    topology: &Topology,
    place: &str,
) -> Result<(), CheckpointError> {
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
    Ok(())
}
