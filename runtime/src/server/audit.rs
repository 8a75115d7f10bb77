//! What was changed, by whom: a line of JSON each.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

/// The log of all changes, and of those that were refused.
#[derive(Debug)]
pub struct Audit(Mutex<File>);

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Change<'a> {
    /// Milliseconds since the epoch.
    pub(super) at: i64,
    /// The token's id.
    pub(super) by: &'a str,
    pub(super) namespace: &'a str,
    pub(super) action: &'static str,
    /// The topology or secret; none if it has no name yet.
    pub(super) name: Option<&'a str>,
    /// What it came to: `done`, or why it was refused.
    pub(super) outcome: &'a str,
}

impl Audit {
    /// Appends to the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes a line, durably. What is done is done: a disk that fails is told in the log.
    pub(super) fn write(&self, change: &Change<'_>) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::to_string(change).map_err(io::Error::other);
        let written = line
            .and_then(|line| file.write_all(format!("{line}\n").as_bytes()))
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            tracing::error!("the audit log is not written: {error}; it lacks {change:?}");
        }
    }
}
