//! A mark that a topology has a task in flight, which outlives the process.

use std::{fs, path::PathBuf};

/// A file that is there while a batch of the topology is executed. It need not outlive the machine:
/// a plugin does not bring that down.
#[derive(Debug, Clone)]
pub(super) struct InFlight(PathBuf);

impl InFlight {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn set(&self) {
        if let Err(error) = fs::File::create(&self.0) {
            tracing::warn!("cannot note that a batch begins: {error}");
        }
    }

    /// Removes the mark; true if it was there.
    pub(super) fn take(&self) -> bool {
        fs::remove_file(&self.0).is_ok()
    }
}
