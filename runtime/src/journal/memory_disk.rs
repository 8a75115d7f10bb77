//! A disk in memory that forgets what was not synced: for tests, and for restarts that need no
//! files.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Disk;

/// Files in memory. Clones are the same disk. It can be told to fail from some step on, and then
/// that only the process has died ([`kill`](Self::kill)) or the machine has
/// ([`crash`](Self::crash)): then everything not synced is lost, or part of it.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Files>>);

#[derive(Debug, Default)]
struct Files {
    /// By number: what a file holds, and how much of it is durable.
    contents: BTreeMap<u64, Content>,
    next: u64,
    /// Names as programs see them.
    names: BTreeMap<String, u64>,
    /// Names as they are after a crash, but for what changed since.
    durable_names: BTreeMap<String, u64>,
    /// Changes of names that are not durable: of each some or none may be.
    changes: Vec<Change>,
    steps: u64,
    fails_at: Option<u64>,
    /// Syncs do nothing: to show that somebody needs them.
    ignores: Option<Ignored>,
}

/// Of a name.
#[derive(Debug, Clone)]
enum Change {
    /// It names this file from now on.
    Named(String, u64),
    /// The same, and this other name does not name it any more.
    Renamed(String, String, u64),
    Removed(String),
}

#[derive(Debug, Default, Clone)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

/// A kind of sync that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Of files.
    Files,
    /// Of names.
    Names,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every step (of those that change something) from this one on fails; none: none does.
    pub fn fail_at(&self, step: Option<u64>) {
        self.lock().fails_at = step;
    }

    /// From now on this kind of sync does nothing.
    pub fn ignore(&self, ignored: Option<Ignored>) {
        self.lock().ignores = ignored;
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// The process dies and the machine goes on: nothing is lost, and nothing is more durable than it
    /// was. The next process reads what a later [`crash`](Self::crash) may still take away.
    pub fn kill(&self) {
        self.lock().fails_at = None;
    }

    /// The machine stops. What was not synced is lost, but for the first `kept` bytes that were
    /// added to each file since; and of changes of names some that `kept` chooses, none if it is 0.
    pub fn crash(&self, kept: usize) {
        let mut files = self.lock();
        files.fails_at = None;
        let changes = std::mem::take(&mut files.changes);
        for (at, change) in changes.into_iter().enumerate() {
            let chosen = kept
                .wrapping_mul(0x9E37_79B9)
                .wrapping_shr(u32::try_from(at % 31).unwrap_or(0));
            if kept > 0 && chosen & 1 == 1 {
                files.make_durable(change);
            }
        }
        files.names = files.durable_names.clone();
        for content in files.contents.values_mut() {
            let synced = content.durable.len();
            let is_longer = content.bytes.starts_with(&content.durable);
            if is_longer {
                let end = content.bytes.len().min(synced.saturating_add(kept));
                content
                    .durable
                    .extend_from_slice(&content.bytes[synced..end]);
            }
            content.bytes.clone_from(&content.durable);
        }
    }

    /// Changes the bytes of a file, durably.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut files = self.lock();
        let Some(number) = files.names.get(name).copied() else {
            return;
        };
        if let Some(content) = files.contents.get_mut(&number) {
            change(&mut content.bytes);
            content.durable.clone_from(&content.bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files, if this step does not fail.
    fn step(&self) -> io::Result<MutexGuard<'_, Files>> {
        let mut files = self.lock();
        files.steps += 1;
        match files.fails_at {
            Some(at) if files.steps >= at => Err(io::Error::other("the disk is gone")),
            _ => Ok(files),
        }
    }
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

impl Files {
    fn make_durable(&mut self, change: Change) {
        match change {
            Change::Named(name, number) => {
                self.durable_names.insert(name, number);
            }
            Change::Renamed(from, to, number) => {
                self.durable_names.remove(&from);
                self.durable_names.insert(to, number);
            }
            Change::Removed(name) => {
                self.durable_names.remove(&name);
            }
        }
    }

    fn content(&mut self, name: &str) -> io::Result<&mut Content> {
        let number = self.names.get(name).copied();
        let content = number.and_then(|number| self.contents.get_mut(&number));
        content.ok_or_else(|| missing(name))
    }
}

impl Disk for MemoryDisk {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.lock().content(name)?.bytes.clone())
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut files = self.lock();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = files.content(name)?.bytes.get(from..);
        let bytes = bytes.and_then(|bytes| bytes.get(..length));
        Ok(bytes.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
    }

    fn append(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let mut files = self.step()?;
        if !files.names.contains_key(name) {
            let number = files.next;
            files.next += 1;
            files.names.insert(name.to_owned(), number);
            files.contents.insert(number, Content::default());
            files.changes.push(Change::Named(name.to_owned(), number));
        }
        files.content(name)?.bytes.extend(parts.concat());
        Ok(())
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.step()?.content(name)?.bytes.truncate(length);
        Ok(())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let mut files = self.step()?;
        if files.ignores == Some(Ignored::Files) {
            return Ok(());
        }
        let content = files.content(name)?;
        content.durable.clone_from(&content.bytes);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.step()?;
        let number = files.names.remove(from).ok_or_else(|| missing(from))?;
        files.names.insert(to.to_owned(), number);
        let change = Change::Renamed(from.to_owned(), to.to_owned(), number);
        files.changes.push(change);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut files = self.step()?;
        files.names.remove(name).ok_or_else(|| missing(name))?;
        files.changes.push(Change::Removed(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut files = self.step()?;
        if files.ignores != Some(Ignored::Names) {
            files.durable_names = files.names.clone();
            files.changes.clear();
        }
        Ok(())
    }
}
