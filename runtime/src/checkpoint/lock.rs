//! One process at a time.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
};

use super::CheckpointError;
use crate::confine::Place;

/// Held as long as this lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Lock {
    /// Takes the lock of a checkpoint's directory. `now` (milliseconds since the epoch) is told to
    /// whoever comes while it is held.
    pub(super) fn take(directory: &Place, now: i64) -> Result<Self, CheckpointError> {
        let failed = |error| CheckpointError::Directory {
            path: directory.shown(),
            error,
        };
        let mut file = directory.join("lock").open_or_create().map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder); // only for the message
                return Err(CheckpointError::InUse {
                    path: directory.shown(),
                    holder: match holder.trim() {
                        "" => "by another process".to_owned(),
                        holder => holder.to_owned(),
                    },
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let pid = std::process::id();
        let holder = format!("by process {pid}, since {now} ms after 1970\n");
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        file.write_all(holder.as_bytes()).map_err(failed)?;
        Ok(Self(file))
    }
}
