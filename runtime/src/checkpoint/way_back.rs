//! The way back to the version before the one that makes batches.

use super::{
    Before, Checkpoint, CheckpointError, Retained,
    fact::Fact,
    store::{SWAPPING, lock, write_manifest},
    version,
};
use crate::{journal::write_whole, model::BatchTime};

impl Checkpoint {
    /// What the batches from this one on were made from, and what there was before it.
    ///
    /// # Errors
    /// When it is not kept any more, or is damaged.
    pub fn retained_from(&self, first: BatchTime) -> Result<(Retained, Before), CheckpointError> {
        let disk = &self.shared.disk;
        Retained::on_disk(disk, first)?.ok_or_else(|| CheckpointError::NoWayBack {
            place: disk.place(),
        })
    }

    /// The version before the last one makes the batches of that again, and goes on. When it
    /// returns, all runs to come know, and the state that counts is the one before those batches.
    /// Nobody may write a state meanwhile. `now` is the wall clock's time, in milliseconds since
    /// the epoch.
    ///
    /// # Errors
    /// When it cannot be made durable, or there is no way back: then nobody may go on.
    pub fn go_back(&self, now: i64, why: &str) -> Result<(), CheckpointError> {
        let disk = &*self.shared.disk;
        let back = version::way_back(&lock(&self.shared.log).versions, now, why.to_owned());
        let Some(back) = back else {
            return Err(CheckpointError::NoWayBack {
                place: disk.place(),
            });
        };
        write_whole(disk, SWAPPING, &[])?;
        let from = back.from;
        // Noted in one with the record: the next manifest has one or the other.
        self.shared.append(&Fact::Version(back.clone()), |log, _| {
            log.versions.push(back);
        })?;
        let mut manifest = lock(&self.manifest);
        let mut next = manifest.clone();
        next.states.retain(|state| state.time < from);
        next.versions.clone_from(&lock(&self.shared.log).versions);
        // Before another state takes the name of one that counts no more.
        write_manifest(disk, &next)?;
        *manifest = next;
        self.remove_others(&manifest);
        Ok(())
    }
}
