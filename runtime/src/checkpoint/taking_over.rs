//! Programs that make batches, one after the other.

use super::{
    Checkpoint, CheckpointError, Program, Version,
    fact::Fact,
    program::{self, ProgramFiles},
    store::{SWAPPING, lock},
    version,
};
use crate::{journal::write_whole, model::BatchTime};

/// A program that takes over.
#[derive(Debug)]
pub struct NewVersion {
    /// From this batch on.
    pub from: BatchTime,
    /// What it is.
    pub program: Program,
    /// Operators of the program before whose state it does not take over.
    pub forgets: Vec<String>,
    /// The wall clock's time, in milliseconds since the epoch.
    pub now: i64,
}

impl Checkpoint {
    /// Keeps what the program is made of, so that it can make its batches again once it is replaced.
    /// To be called before the first claim.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn keep_program(&self, files: &ProgramFiles) -> Result<(), CheckpointError> {
        {
            let _turn = lock(&self.programs);
            program::keep(&*self.shared.disk, files)?;
        }
        self.release_programs();
        Ok(())
    }

    /// Keeps what a program is made of that may take over while the stream runs.
    ///
    /// # Errors
    /// When it cannot be made durable: then it must not take over.
    pub fn keep_next(&self, files: &ProgramFiles) -> Result<(), CheckpointError> {
        lock(&self.shared.log).upcoming.push(Program::of(files));
        write_whole(&*self.shared.disk, SWAPPING, &[])?;
        let _turn = lock(&self.programs);
        program::keep(&*self.shared.disk, files)
    }

    /// A program that was kept will not take over now.
    pub fn drop_next(&self, program: &Program) {
        let upcoming = &mut lock(&self.shared.log).upcoming;
        if let Some(at) = upcoming.iter().position(|upcoming| upcoming == program) {
            upcoming.swap_remove(at);
        }
    }

    /// Another program makes the batches from here on. When it returns, all runs to come know.
    ///
    /// # Errors
    /// When it cannot be made durable: then nobody may go on.
    pub fn begin_version(&self, next: NewVersion) -> Result<(), CheckpointError> {
        let from = next.from.as_millis();
        let mut forgets = next.forgets;
        let (id, parallelism) = {
            let log = lock(&self.shared.log);
            let last = log.versions.last();
            if let Some(last) = last.filter(|last| last.from >= from) {
                // It has made no batch: what it began with is what this one begins with.
                forgets.extend(last.forgets.clone());
            }
            let parallelism = last.map_or(1, |last| last.parallelism);
            (version::next_id(&log.versions), parallelism)
        };
        let program = next.program.clone();
        let version = Version {
            id,
            from,
            program: next.program,
            parallelism,
            forgets,
            since: Some(next.now),
            back: None,
        };
        let fact = Fact::Version(version.clone());
        // Noted in one with the record: the next manifest has one or the other.
        self.shared
            .append(&fact, |log, _| log.versions.push(version))?;
        self.drop_next(&program);
        Ok(())
    }

    /// Which programs made and make batches, in the order in which they began.
    pub fn versions(&self) -> Vec<Version> {
        lock(&self.shared.log).versions.clone()
    }

    /// Removes what programs are made of that nobody needs.
    pub(super) fn release_programs(&self) {
        let _turn = lock(&self.programs);
        let (versions, upcoming) = {
            let log = lock(&self.shared.log);
            (log.versions.clone(), log.upcoming.clone())
        };
        let needed = versions.iter().map(|version| &version.program);
        program::release(&*self.shared.disk, needed.chain(&upcoming));
    }
}
