//! What is known of a file.

use cap_std::fs::{FileType, FileTypeExt as _, Metadata, MetadataExt as _};
use wasmtime::component::{ComponentType, Lift, Lower};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::plugin::wasi::clocks::Datetime;

/// `types.descriptor-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(in super::super) enum Kind {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "block-device")]
    BlockDevice,
    #[component(name = "character-device")]
    CharacterDevice,
    #[component(name = "directory")]
    Directory,
    #[component(name = "fifo")]
    Fifo,
    #[component(name = "symbolic-link")]
    SymbolicLink,
    #[component(name = "regular-file")]
    RegularFile,
    #[component(name = "socket")]
    Socket,
}

impl From<FileType> for Kind {
    fn from(found: FileType) -> Self {
        match found {
            it if it.is_file() => Self::RegularFile,
            it if it.is_dir() => Self::Directory,
            it if it.is_symlink() => Self::SymbolicLink,
            it if it.is_fifo() => Self::Fifo,
            it if it.is_socket() => Self::Socket,
            it if it.is_block_device() => Self::BlockDevice,
            it if it.is_char_device() => Self::CharacterDevice,
            _ => Self::Unknown,
        }
    }
}

/// `types.descriptor-stat`.
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Stat {
    #[component(name = "type")]
    kind: Kind,
    #[component(name = "link-count")]
    link_count: u64,
    size: u64,
    #[component(name = "data-access-timestamp")]
    accessed: Option<Datetime>,
    #[component(name = "data-modification-timestamp")]
    modified: Option<Datetime>,
    #[component(name = "status-change-timestamp")]
    changed: Option<Datetime>,
}

impl From<Metadata> for Stat {
    fn from(found: Metadata) -> Self {
        let time = |seconds: i64, nanos: i64| {
            Some(Datetime {
                seconds: u64::try_from(seconds).ok()?,
                nanoseconds: u32::try_from(nanos).ok()?,
            })
        };
        Self {
            kind: found.file_type().into(),
            link_count: found.nlink(),
            size: found.len(),
            accessed: time(found.atime(), found.atime_nsec()),
            modified: time(found.mtime(), found.mtime_nsec()),
            changed: time(found.ctime(), found.ctime_nsec()),
        }
    }
}

/// `types.metadata-hash-value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct MetadataHash {
    lower: u64,
    upper: u64,
}

impl From<Metadata> for MetadataHash {
    /// Of which file it is, and in which state.
    fn from(found: Metadata) -> Self {
        let parts = [
            found.dev(),
            found.ino(),
            found.len(),
            found.mtime().cast_unsigned(),
            found.mtime_nsec().cast_unsigned(),
        ];
        let parts = parts.map(u64::to_le_bytes).concat();
        let [lower, upper] = [0, 1].map(|seed| xxh3_64_with_seed(&parts, seed));
        Self { lower, upper }
    }
}
