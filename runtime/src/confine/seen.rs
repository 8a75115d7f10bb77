//! What is seen of a file without opening it.

use std::{fs, io, os::unix::fs::MetadataExt as _, time::SystemTime};

use cap_std::fs::MetadataExt as _;

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// A regular file.
    pub is_file: bool,
    /// A directory.
    pub is_directory: bool,
    /// In bytes.
    pub length: u64,
    /// When it was last changed; none if the system does not say.
    pub modified: Option<SystemTime>,
    /// Device and inode: whether it is still the file of this name.
    pub identity: (u64, u64),
}

impl Seen {
    pub(super) fn anywhere(found: io::Result<fs::Metadata>) -> io::Result<Self> {
        let found = found?;
        Ok(Self {
            is_file: found.is_file(),
            is_directory: found.is_dir(),
            length: found.len(),
            modified: found.modified().ok(),
            identity: (found.dev(), found.ino()),
        })
    }

    pub(super) fn beneath(found: io::Result<cap_std::fs::Metadata>) -> io::Result<Self> {
        let found = found?;
        Ok(Self {
            is_file: found.is_file(),
            is_directory: found.is_dir(),
            length: found.len(),
            modified: found
                .modified()
                .ok()
                .map(cap_std::time::SystemTime::into_std),
            identity: (found.dev(), found.ino()),
        })
    }
}
