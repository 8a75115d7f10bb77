//! What lies in a directory.

use std::io;

use cap_std::fs::Dir;
use wasmtime::component::{ComponentType, Lift, Lower};

use super::{ErrorCode, stat::Kind};
use crate::plugin::wasi::world::Slot;

/// Names that a plugin may be told of one directory.
const MOST: usize = 100_000;

/// `types.directory-entry`.
#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Entry {
    #[component(name = "type")]
    kind: Kind,
    name: String,
}

/// `types.directory-entry-stream`: what is left to be told.
#[derive(Debug)]
pub(in super::super) struct Listing {
    left: std::vec::IntoIter<Entry>,
    _slot: Slot,
}

impl Listing {
    /// In order of name, not of the disk, so that the same files make the same listing. Names that
    /// are not UTF-8 cannot be told.
    pub(super) fn of(directory: &Dir, slot: Slot) -> Result<Self, ErrorCode> {
        let mut entries = Vec::new();
        for entry in directory.entries()? {
            if entries.len() == MOST {
                return Err(ErrorCode::InsufficientMemory);
            }
            entries.extend(told(&entry?)?);
        }
        entries.sort_by(|a: &Entry, b| a.name.cmp(&b.name));
        Ok(Self {
            left: entries.into_iter(),
            _slot: slot,
        })
    }

    pub(super) fn next(&mut self) -> Option<Entry> {
        self.left.next()
    }
}

fn told(entry: &cap_std::fs::DirEntry) -> Result<Option<Entry>, io::Error> {
    let Ok(name) = entry.file_name().into_string() else {
        return Ok(None);
    };
    let kind = entry.file_type()?.into();
    Ok(Some(Entry { kind, name }))
}
