//! A mark that a topology has a task in flight, which outlives the process.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

const SET: &[u8] = b"1";
const NOT_SET: &[u8] = b"0";

/// A byte of a file that says whether a batch of the topology is executed. It need not outlive the
/// machine: a plugin does not bring that down. The file stays while the topology runs, as making and
/// removing one costs more than a small batch.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    path: PathBuf,
    file: Arc<OnceLock<File>>,
}

impl InFlight {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: Arc::default(),
        }
    }

    pub(super) fn set(&self) {
        if let Err(error) = self.write(SET) {
            tracing::warn!(parent: None, "cannot note that a batch begins: {error}");
        }
    }

    /// The batch is over.
    pub(super) fn clear(&self) {
        if let Err(error) = self.write(NOT_SET) {
            tracing::warn!(parent: None, "cannot note that a batch is over: {error}");
        }
    }

    /// Removes the file; true if it was set.
    pub(super) fn take(&self) -> bool {
        let was_set = fs::read(&self.path).is_ok_and(|bytes| bytes == SET);
        // There is none after a life without batches.
        let _ = fs::remove_file(&self.path);
        was_set
    }

    fn write(&self, byte: &[u8]) -> io::Result<()> {
        if let Some(file) = self.file.get() {
            return file.write_all_at(byte, 0);
        }
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true);
        let opened = options.open(&self.path)?;
        self.file.get_or_init(|| opened).write_all_at(byte, 0)
    }
}
