//! Dead letters: rows on which functions fail, a file for each batch that has any.
//!
//! The file of a batch is durable before the batch's commit, and is written in whole under the
//! batch's time: a batch that is made again replaces it by the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Checkpoint, CheckpointError,
    lock::Lock,
    opening::{look_at, unusable},
    sealed::{seal, unseal},
    store::lock,
};
use crate::{
    journal::{DirectoryDisk, Disk, JournalError, read_whole, write_whole},
    model::{BatchTime, InputRange, Location},
};

/// What the files' names begin with; then the batch's time and the bytes of the file.
const PREFIX: &str = "letters-";
/// Raised when the files change their form.
const VERSION: u16 = 2;

/// What was left out of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLetters {
    /// The batch, in milliseconds since the epoch.
    pub time: i64,
    /// What it took from each source.
    pub sources: Vec<(String, InputRange)>,
    /// In the order of stages and partitions.
    pub letters: Vec<DeadLetter>,
}

/// Rows on which a function fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The operator.
    pub operator: String,
    /// The function; empty if the host found that it cannot be called.
    pub function: String,
    /// The fault.
    pub reason: String,
    /// The guest's stack; may be empty.
    pub backtrace: String,
    /// Of the operator.
    pub partition: u64,
    /// Names and types of the columns; none if there is only a key, which had no values.
    pub columns: Vec<(String, String)>,
    /// An Arrow IPC stream.
    pub rows: Vec<u8>,
}

/// Bytes of each file, by batch time.
pub(super) type Sizes = BTreeMap<i64, u64>;

/// The files that are there.
pub(super) fn sizes(disk: &dyn Disk) -> Result<Sizes, CheckpointError> {
    let names = disk.list().map_err(|error| failed(disk, "list", error))?;
    Ok(names.iter().filter_map(|name| parsed(name)).collect())
}

fn parsed(name: &str) -> Option<(i64, u64)> {
    let (time, bytes) = name.strip_prefix(PREFIX)?.rsplit_once('-')?;
    Some((time.parse().ok()?, bytes.parse().ok()?))
}

fn name(time: i64, bytes: u64) -> String {
    format!("{PREFIX}{time}-{bytes}")
}

fn failed(disk: &dyn Disk, action: &'static str, error: std::io::Error) -> CheckpointError {
    CheckpointError::Journal(JournalError::Disk {
        action,
        name: "the dead letters".to_owned(),
        place: disk.place(),
        error,
    })
}

/// Removes the files of a batch but the one of so many bytes. A crash may have left two.
fn remove_others(disk: &dyn Disk, time: i64, kept: Option<u64>) -> Result<(), CheckpointError> {
    let names = disk.list().map_err(|error| failed(disk, "list", error))?;
    let of_batch = names
        .iter()
        .filter(|name| parsed(name).is_some_and(|(of, bytes)| of == time && Some(bytes) != kept));
    let mut any = false;
    for name in of_batch {
        disk.remove(name)
            .map_err(|error| failed(disk, "remove", error))?;
        any = true;
    }
    match any {
        true => disk
            .sync_directory()
            .map_err(|error| failed(disk, "sync", error)),
        false => Ok(()),
    }
}

/// Replaces the file of a batch. Until the new one is durable the old one stays.
fn write(
    disk: &dyn Disk,
    sizes: &mut Sizes,
    (time, bytes): (i64, &[u8]),
) -> Result<(), CheckpointError> {
    let length = bytes.len() as u64;
    write_whole(disk, &name(time, length), bytes)?;
    sizes.insert(time, length);
    remove_others(disk, time, Some(length))
}

impl Checkpoint {
    /// Keeps what was left out of a batch, in at most `limit` bytes with all that is there. When it
    /// returns that is durable.
    ///
    /// # Errors
    /// When it cannot be made durable, or there is no room: then the batch must not be committed.
    pub fn keep_letters(&self, letters: &BatchLetters, limit: u64) -> Result<(), CheckpointError> {
        let disk = &*self.shared.disk;
        let mut sizes = lock(&self.letters);
        let time = letters.time;
        if letters.letters.is_empty() {
            // Another program may have made the batch before, and was not done with it.
            return match sizes.remove(&time) {
                Some(_) => remove_others(disk, time, None),
                None => Ok(()),
            };
        }
        let bytes = seal(VERSION, letters)?;
        let others = sizes.iter().filter(|(of, _)| **of != time);
        let others: u64 = others.map(|(_, bytes)| bytes).sum();
        if others.saturating_add(bytes.len() as u64) > limit {
            return Err(CheckpointError::LettersFull {
                place: disk.place(),
                bytes: others,
                limit,
            });
        }
        write(disk, &mut sizes, (time, &bytes))
    }

    /// Removes the dead letters of one operator, or all, and answers with how many there were.
    ///
    /// # Errors
    /// When they are damaged, or the disk fails.
    pub fn forget_letters(&self, operator: Option<&str>) -> Result<u64, CheckpointError> {
        let mut sizes = lock(&self.letters);
        let goes =
            |_: i64, letter: &DeadLetter| operator.is_none_or(|name| letter.operator == name);
        forget_those(&*self.shared.disk, &mut sizes, goes)
    }
}

/// Replaces the dead letters of a batch.
pub(super) fn write_letters(
    disk: &dyn Disk,
    sizes: &mut Sizes,
    letters: &BatchLetters,
) -> Result<(), CheckpointError> {
    let bytes = seal(VERSION, letters)?;
    write(disk, sizes, (letters.time, &bytes))
}

/// Removes those that are to go, given the time of their batch, and answers with how many there were.
pub(super) fn forget_those(
    disk: &dyn Disk,
    sizes: &mut Sizes,
    goes: impl Fn(i64, &DeadLetter) -> bool,
) -> Result<u64, CheckpointError> {
    let mut forgotten = 0;
    for mut batch in read_all(disk)? {
        let (time, before) = (batch.time, batch.letters.len());
        batch.letters.retain(|letter| !goes(time, letter));
        forgotten += (before - batch.letters.len()) as u64;
        if batch.letters.is_empty() {
            remove_others(disk, time, None)?;
            sizes.remove(&time);
        } else if batch.letters.len() < before {
            write_letters(disk, sizes, &batch)?;
        }
    }
    Ok(forgotten)
}

impl BatchLetters {
    /// All dead letters in the checkpoint in this place, in the order of batches. Nobody needs to be
    /// stopped to look.
    ///
    /// # Errors
    /// When there is no checkpoint, or it is damaged.
    pub fn read(location: &Location) -> Result<Vec<Self>, CheckpointError> {
        let disk = look_at(location)?;
        if super::store::read_manifest(&*disk)?.is_none() {
            let error = std::io::Error::other("it holds no checkpoint");
            return Err(unusable(location, error));
        }
        read_all(&*disk)
    }

    /// As [`read`](Self::read), of a checkpoint on this disk.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn on(disk: &dyn Disk) -> Result<Vec<Self>, CheckpointError> {
        read_all(disk)
    }

    /// Removes the dead letters of one operator, or all, and answers with how many there were. `now`
    /// is the wall clock's time, in milliseconds since the epoch.
    ///
    /// # Errors
    /// When a process has the checkpoint open, it is damaged, or lies in an object store.
    pub fn forget(
        location: &Location,
        operator: Option<&str>,
        now: i64,
    ) -> Result<u64, CheckpointError> {
        let Location::Directory(path) = location else {
            let error = std::io::Error::other(
                "dead letters in an object store cannot be removed from outside of a run",
            );
            return Err(unusable(location, error));
        };
        Self::read(location)?;
        let _lock = Lock::take(path, now)?;
        let disk = DirectoryDisk::open(path).map_err(|error| unusable(location, error))?;
        let goes =
            |_: i64, letter: &DeadLetter| operator.is_none_or(|name| letter.operator == name);
        forget_those(&disk, &mut sizes(&disk)?, goes)
    }

    /// The batch.
    pub fn batch(&self) -> BatchTime {
        BatchTime::from_millis(self.time)
    }
}

pub(super) fn read_all(disk: &dyn Disk) -> Result<Vec<BatchLetters>, CheckpointError> {
    let files = sizes(disk)?.into_iter();
    // A file that is gone was replaced meanwhile, by a run that makes its batch again.
    let read = files.filter_map(|(time, bytes)| {
        let file = name(time, bytes);
        match read_whole(disk, &file) {
            Ok(None) => None,
            Ok(Some(bytes)) => Some(unseal(VERSION, &bytes, (disk, &file))),
            Err(error) => Some(Err(error.into())),
        }
    });
    read.collect()
}
