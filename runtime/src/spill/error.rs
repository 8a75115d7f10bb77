//! Why something cannot be put aside on disk, or fetched.

use std::path::PathBuf;

/// Bytes that cannot be written to a spill file, or read again.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The disk is full, or the directory cannot be used.
    #[error(
        "cannot write a spill file in {directory}: {error}; make room there, or let `spill-directory` name another directory",
        directory = directory.display()
    )]
    Unwritable {
        /// Where the file was to be.
        directory: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The disk fails, or something has changed the file.
    #[error(
        "cannot read spill file {file} in {directory}, bytes {from} to {to}: {why}",
        directory = directory.display()
    )]
    Unreadable {
        /// Where the file is.
        directory: PathBuf,
        /// Which, counted from 1: it has no name.
        file: u64,
        /// The first byte.
        from: u64,
        /// The byte behind the last.
        to: u64,
        /// What is wrong.
        why: String,
    },
}
