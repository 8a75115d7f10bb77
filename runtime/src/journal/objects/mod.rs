//! A disk in an object store, where files cannot be added to and nobody can hold a lock.
//!
//! All that is said of files is said in a **log**: objects `log/N`, numbered without gaps while they
//! are written, each made by a conditional put that fails if there is one of its number. Who opens
//! the disk adds an entry that says so, which **takes it over**: whoever had it before meets that
//! entry at its next write, whatever it wants to write, and has lost. So at any time one process
//! writes, the one that opened it last, and no clock and no lease is needed.
//!
//! - `log/N` holds an [`Entry`]: bytes added to a file (one entry for each sync), a small file as a
//!   whole, the name of the object that a large file lies in, or who took the log over.
//! - `files/…` are large files, each under a name of its own, which counts once an entry names it.
//!
//! What counts no more is removed, but for two things. The last entry stays, so that nobody begins
//! the log anew at its number; and entries that took the log over stay, as each stands at the number
//! at which its predecessor would write next: one that slept would not notice otherwise.

mod connect;
mod ended;
mod entry;
mod files;
mod holder;
mod reading;
mod requests;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use object_store::ObjectStore;

use self::{
    ended::Ended,
    entry::{Entry, HEAD, Says},
    files::{Files, Piece, Source},
    requests::{Created, PART, Requests},
};
use super::Disk;
use crate::{crash_points::around, model::ObjectUrl};

pub use holder::Holder;

const LOG: &str = "log/";
const FILES: &str = "files/";
/// Files up to this size lie in the log: one request instead of two.
const SMALL: usize = 256 << 10;
/// Entries by which earlier holders find out that they are none, for as many openings.
const TAKEOVERS: usize = 1000;
/// Numbers that are tried one after the other while another process writes.
const TRIES: usize = 5000;
/// How often the log is read anew because it changes while it is read.
const READS: usize = 20;

/// A disk in a folder of an object store. It can be looked at, until it is
/// [taken over](Self::take_over).
#[derive(Debug)]
pub struct ObjectDisk {
    requests: Requests,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: Files,
    /// First bytes of entries that were read, and their sizes.
    heads: BTreeMap<u64, (Vec<u8>, u64)>,
    /// What was added to files and is not synced.
    unsynced: BTreeMap<String, Vec<u8>>,
    /// The entry with which this process took the log over; none: it only looks.
    owner: Option<u64>,
    /// Of the files that this process wrote as objects.
    written: u64,
    /// Why nothing more is written.
    ended: Option<Ended>,
}

impl ObjectDisk {
    /// The disk that a URL names, to be looked at. Keys, region and endpoint come from the variables
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT` and others of
    /// their kind.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    pub fn connect(url: &ObjectUrl) -> io::Result<Self> {
        Self::over(connect::connect(url)?, &url.folder, &url.to_string())
    }

    /// The disk in a folder of a store, to be looked at; `place` is what people call it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn over(store: Arc<dyn ObjectStore>, folder: &str, place: &str) -> io::Result<Self> {
        let disk = Self {
            requests: Requests::new(store, folder, place)?,
            state: Mutex::default(),
        };
        disk.load(&mut disk.lock())?;
        Ok(disk)
    }

    /// Makes this process the one that writes. The one that did so before fails at its next write.
    ///
    /// # Errors
    /// When the store fails, knows no conditional puts, or others take the disk over all the time.
    pub fn take_over(&self, holder: &Holder) -> io::Result<()> {
        let mut state = self.lock();
        self.load(&mut state)?;
        let mut number = state.files.last() + 1;
        for _ in 0..TRIES {
            let taken = Entry {
                owner: number,
                says: Says::Taken(holder.clone()),
            };
            let taken = taken.encode(b"")?;
            if !self
                .requests
                .try_create(&entry_name(number), taken.clone())?
            {
                // Whoever has it writes: who only asks for the next number is faster.
                number += 1;
                continue;
            }
            let mut objects = self.load(&mut state)?;
            let before = number - 1;
            if before > 0 && state.files.last() == number && !state.heads.contains_key(&before) {
                // Its number was refused while a write was under way, which must not come through
                // behind what was read.
                self.requests.create(&entry_name(before), taken)?;
                objects = self.load(&mut state)?;
            }
            if state.files.last() != number {
                // Somebody has taken over already, or this number was chosen of a list so old that
                // what had it is removed.
                number = state.files.last() + 1;
                continue;
            }
            self.check_conditional(number)?;
            state.owner = Some(number);
            state.heads.clear();
            self.clean(&mut state, &objects);
            return Ok(());
        }
        Err(io::Error::other(
            "others take this checkpoint over all the time: give each topology one of its own",
        ))
    }

    /// A store that takes conditional puts for plain ones would let two processes write.
    fn check_conditional(&self, number: u64) -> io::Result<()> {
        let other = Entry {
            owner: number,
            says: Says::Taken(Holder::this(-1)),
        };
        let other = other.encode(b"")?;
        match self.requests.try_create(&entry_name(number), other)? {
            false => Ok(()),
            true => Err(io::Error::other(
                "the store overwrites objects that must not be overwritten: it does not know conditional writes (If-None-Match), and without them it can hold no checkpoint",
            )),
        }
    }

    /// Removes what earlier processes left behind. What stays by accident does no harm.
    fn clean(&self, state: &mut State, objects: &[String]) {
        let mut left: Vec<String> = {
            let named = state.files.objects();
            let unnamed = |object: &&String| !named.contains(object.as_str());
            objects.iter().filter(unnamed).cloned().collect()
        };
        let old = state.files.takeovers_before(TAKEOVERS);
        left.extend(old.into_iter().map(entry_name));
        if !left.is_empty()
            && let Err(error) = self.requests.remove(left)
        {
            tracing::warn!("{error}");
        }
        self.collect(state);
    }

    /// Takes the disk over and moves all files to another folder, so that it is empty. Who had it
    /// before still finds out.
    ///
    /// # Errors
    /// When the store fails; then files may lie in both folders.
    pub fn move_to(&self, folder: &str, holder: &Holder) -> io::Result<()> {
        // Its entry stays, and is the last one.
        self.take_over(holder)?;
        let mut state = self.lock();
        let all = self.requests.list()?;
        let all: Vec<String> = all.into_iter().map(|(name, _)| name).collect();
        self.requests.copy(&all, folder)?;
        let stays = |name: &String| {
            entry_number(name).is_some_and(|number| state.files.is_takeover(number))
        };
        let moved = all.iter().filter(|name| !stays(name)).cloned();
        self.requests.remove(moved.collect())?;
        self.load(&mut state)?;
        Ok(())
    }

    /// No file is there.
    pub fn is_empty(&self) -> bool {
        self.lock().files.names().next().is_none()
    }

    /// Reads what the log says; answers with the large files that are there, named or not.
    fn load(&self, state: &mut State) -> io::Result<Vec<String>> {
        for _ in 0..READS {
            let listed = self.requests.list()?;
            let sizes: BTreeMap<u64, u64> = listed
                .iter()
                .filter_map(|(name, size)| Some((entry_number(name)?, *size)))
                .collect();
            state.heads.retain(|number, _| sizes.contains_key(number));
            let new = sizes
                .iter()
                .filter(|(number, _)| !state.heads.contains_key(number));
            let new: Vec<(u64, u64)> = new.map(|(number, size)| (*number, *size)).collect();
            let asked = new.iter();
            let asked = asked.map(|(number, size)| (entry_name(*number), 0..HEAD.min(*size)));
            let read = self.requests.read(asked.collect())?;
            // What was removed meanwhile was replaced by what is not in this list.
            let was_changed = read.iter().any(Option::is_none);
            for ((number, size), head) in new.into_iter().zip(read) {
                if let Some(head) = head {
                    state.heads.insert(number, (head, size));
                }
            }
            if was_changed {
                continue;
            }
            state.files = self.files(&state.heads)?;
            let objects = listed.into_iter().map(|(name, _)| name);
            return Ok(objects.filter(|name| name.starts_with(FILES)).collect());
        }
        Err(io::Error::other("it changes faster than it can be read"))
    }

    fn files(&self, heads: &BTreeMap<u64, (Vec<u8>, u64)>) -> io::Result<Files> {
        let mut files = Files::default();
        for (number, (head, size)) in heads {
            let (entry, from) = Entry::decode(head).ok_or_else(|| {
                let (name, place) = (entry_name(*number), self.requests.place());
                io::Error::other(format!(
                    "{name} in {place} was not written by this version of rsrt"
                ))
            })?;
            let length = size.saturating_sub(from);
            let known = usize::try_from(from).ok().and_then(|from| head.get(from..));
            let source = match known.filter(|known| known.len() as u64 == length) {
                Some(known) => Source::Known(known.to_vec()),
                None => Source::Entry {
                    number: *number,
                    from,
                },
            };
            let piece = Piece {
                from: source,
                length,
            };
            files.add(*number, entry, piece);
        }
        Ok(files)
    }

    /// Adds an entry: durable, and by the one that may, when this returns.
    fn say(&self, state: &mut State, says: Says, bytes: &[u8]) -> io::Result<()> {
        let owner = state.check()?;
        let entry = Entry { owner, says };
        let number = state.files.last() + 1;
        let encoded = entry.encode(bytes)?;
        let from = (encoded.len() - bytes.len()) as u64;
        match self.requests.create(&entry_name(number), encoded) {
            Ok(Created::Here) => {}
            Ok(Created::Elsewhere(found)) => return Err(state.end(Ended::by(&found))),
            Err(error) => {
                state.end(Ended::Failed(error.to_string()));
                return Err(error);
            }
        }
        let piece = Piece {
            from: Source::Entry { number, from },
            length: bytes.len() as u64,
        };
        state.files.add(number, entry, piece);
        Ok(())
    }

    /// Makes a file be these bytes.
    fn place_whole(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        if bytes.len() <= SMALL {
            let file = name.to_owned();
            return self.say(&mut self.lock(), Says::Placed { file }, &bytes);
        }
        let object = {
            let mut state = self.lock();
            let owner = state.check()?;
            state.written += 1;
            format!("{FILES}{owner}-{}-{name}", state.written)
        };
        let length = bytes.len() as u64;
        // Others may write meanwhile: nobody knows of this object yet.
        self.requests.write(&object, bytes)?;
        let says = Says::Stored {
            file: name.to_owned(),
            object,
            length,
        };
        self.say(&mut self.lock(), says, b"")
    }

    /// Removes objects that count no more. Those that cannot be removed are tried again later.
    fn collect(&self, state: &mut State) {
        let garbage = state.files.take_garbage();
        let entries = garbage.keys().map(|number| entry_name(*number));
        let names: Vec<_> = entries.chain(garbage.values().flatten().cloned()).collect();
        if !names.is_empty()
            && let Err(error) = self.requests.remove(names)
        {
            tracing::warn!("{error}");
            state.files.keep_garbage(garbage);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The entry with which this process took the log over, if it may write.
    fn check(&self) -> io::Result<u64> {
        match (&self.ended, self.owner) {
            (Some(ended), _) => Err(io::Error::other(ended.clone())),
            (None, Some(owner)) => Ok(owner),
            (None, None) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    fn end(&mut self, ended: Ended) -> io::Error {
        io::Error::other(self.ended.insert(ended).clone())
    }
}

impl Disk for ObjectDisk {
    fn place(&self) -> String {
        self.requests.place().to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.lock();
        let mut names: Vec<_> = state.files.names().cloned().collect();
        names.extend(state.unsynced.keys().cloned());
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.read_range(name, 0..u64::MAX)
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(length as u64);
        let bytes = self.read_range(name, offset..end.ok_or(io::ErrorKind::UnexpectedEof)?)?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn append(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let mut state = self.lock();
        state.check()?;
        let bytes = state.unsynced.entry(name.to_owned()).or_default();
        for part in parts {
            bytes.extend_from_slice(part);
        }
        Ok(())
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let mut state = self.lock();
        if state.owner.is_none() {
            return Ok(());
        }
        let durable = state.files.length(name);
        if durable.is_none() && !state.unsynced.contains_key(name) {
            return Err(missing(name));
        }
        let durable = durable.unwrap_or(0);
        if length >= durable {
            let kept = usize::try_from(length - durable).unwrap_or(usize::MAX);
            if let Some(bytes) = state.unsynced.get_mut(name) {
                bytes.truncate(kept);
            }
            return Ok(());
        }
        state.unsynced.remove(name);
        let file = name.to_owned();
        self.say(&mut state, Says::Cut { file, length }, b"")
    }

    /// What begins with a dot is of this process only, until it gets another name.
    fn sync(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        if state.owner.is_none() || name.starts_with('.') {
            return Ok(());
        }
        let Some(bytes) = state.unsynced.remove(name) else {
            return Ok(());
        };
        around("disk-sync-before", "disk-sync-after", || {
            let parts = bytes.chunks(usize::try_from(PART).unwrap_or(usize::MAX));
            for part in parts {
                let file = name.to_owned();
                self.say(&mut state, Says::Added { file }, part)?;
            }
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let bytes = self.read(from)?;
        around("disk-rename-before", "disk-rename-after", || {
            self.place_whole(to, bytes)
        })?;
        let mut state = self.lock();
        state.unsynced.remove(to);
        state.unsynced.remove(from);
        state.files.remove(from);
        self.collect(&mut state);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.check()?;
        let was_unsynced = state.unsynced.remove(name).is_some();
        if state.files.is_last(name) {
            let file = name.to_owned();
            self.say(&mut state, Says::Removed { file }, b"")?;
        } else if !state.files.remove(name) && !was_unsynced {
            return Err(missing(name));
        }
        around("disk-remove-before", "disk-remove-after", || {
            self.collect(&mut state);
        });
        Ok(())
    }

    /// Names are durable with what they name.
    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

fn entry_name(number: u64) -> String {
    format!("{LOG}{number:012}")
}

fn entry_number(name: &str) -> Option<u64> {
    name.strip_prefix(LOG)?.parse().ok()
}

#[cfg(test)]
mod tests;
