//! A work directory before its topology is deployed.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use tempfile::TempDir;

/// A directory that becomes a topology's work directory, or is gone.
pub(super) struct Staging(TempDir);

impl Staging {
    /// In this directory, which is made if it is not there.
    pub(super) fn new_in(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self(TempDir::new_in(directory)?))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// It becomes the directory `work`, durably; what is left there of one that was removed goes.
    pub(super) fn settle(self, work: &Path) -> io::Result<()> {
        let folder = work.parent().unwrap_or(work);
        fs::create_dir_all(folder)?;
        match fs::remove_dir_all(work) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(self.path(), work)?;
        let _ = self.0.keep(); // there is nothing of this name any more
        File::open(folder)?.sync_all()
    }
}
