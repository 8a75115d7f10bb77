//! Bytes for which there is no room in memory: written once, read back, never needed by another
//! process.
//!
//! They lie in files without a name, so that the system takes their room back whatever ends the
//! process. A file is given up when nothing in it is needed any more.

mod error;

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

pub use error::SpillError;

use crate::confine::Place;

/// A file takes at least so many bytes before another one is begun.
const SMALLEST: u64 = 1 << 20;
/// Files that are open at a time, about, when the bound is reached.
const FILES: u64 = 64;

/// Writes to files of one directory, one after the other.
#[derive(Debug)]
pub struct Spill {
    directory: Place,
    /// A file is full when it has so many bytes.
    full: u64,
    current: Mutex<Option<Growing>>,
}

#[derive(Debug)]
struct Growing {
    file: Arc<SpillFile>,
    length: u64,
}

#[derive(Debug)]
struct SpillFile {
    file: File,
    directory: Place,
    /// Counted from 1, for people.
    number: u64,
}

/// Bytes in a file. Its room is given back when all that lies in the file has been dropped.
#[derive(Debug)]
pub struct Spilled {
    file: Arc<SpillFile>,
    offset: u64,
    length: usize,
    sum: u32,
}

impl Spill {
    /// In the system's directory for temporary files, for up to about so many bytes at a time. No
    /// file is made before the first write.
    pub fn temporary(most: u64) -> Self {
        Self {
            directory: std::env::temp_dir().into(),
            full: (most / FILES).max(SMALLEST),
            current: Mutex::default(),
        }
    }

    /// In this directory, which is made if it is not there.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn in_directory(directory: impl Into<Place>, most: u64) -> Result<Self, SpillError> {
        let spill = Self {
            directory: directory.into(),
            ..Self::temporary(most)
        };
        let directory = &spill.directory;
        let made = directory.create_directories();
        let made = made.and_then(|()| directory.nameless_file());
        made.map_err(|error| spill.unwritable(error))?;
        Ok(spill)
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the disk is full or fails; what was written before is still there then.
    pub fn write(&self, bytes: &[u8]) -> Result<Spilled, SpillError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let last = current.as_ref().map_or(0, |growing| growing.file.number);
        let growing = match &mut *current {
            Some(growing) if growing.length < self.full => growing,
            full => full.insert(self.begin(last + 1)?),
        };
        // A write that is cut short leaves bytes that the next one replaces.
        let written = growing.file.file.write_all_at(bytes, growing.length);
        written.map_err(|error| self.unwritable(error))?;
        let spilled = Spilled {
            file: growing.file.clone(),
            offset: growing.length,
            length: bytes.len(),
            sum: crc32fast::hash(bytes),
        };
        growing.length += bytes.len() as u64;
        Ok(spilled)
    }

    fn begin(&self, number: u64) -> Result<Growing, SpillError> {
        let file = self.directory.nameless_file();
        let file = SpillFile {
            file: file.map_err(|error| self.unwritable(error))?,
            directory: self.directory.clone(),
            number,
        };
        Ok(Growing {
            file: Arc::new(file),
            length: 0,
        })
    }

    fn unwritable(&self, error: std::io::Error) -> SpillError {
        SpillError::Unwritable {
            directory: self.directory.shown(),
            error,
        }
    }
}

impl Spilled {
    /// The bytes, as they were written.
    ///
    /// # Errors
    /// When the disk fails, or they are others now.
    pub fn read(&self) -> Result<Vec<u8>, SpillError> {
        let mut bytes = vec![0; self.length];
        let read = self.file.file.read_exact_at(&mut bytes, self.offset);
        let why = match read {
            Ok(()) if crc32fast::hash(&bytes) == self.sum => return Ok(bytes),
            Ok(()) => "they are not what was written".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(SpillError::Unreadable {
            directory: self.file.directory.shown(),
            file: self.file.number,
            from: self.offset,
            to: self.offset + self.length as u64,
            why,
        })
    }
}

#[cfg(test)]
impl Spill {
    pub(crate) fn has_written(&self) -> bool {
        self.current.lock().unwrap().is_some()
    }

    /// Changes a byte of the current file, as a failing disk would.
    pub(crate) fn damage(&self, at: u64) {
        let current = self.current.lock().unwrap();
        let file = &current.as_ref().unwrap().file.file;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[!byte[0]], at).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn bytes_come_back_and_files_go_with_the_last_of_theirs() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("spill");
        let spill = Spill::in_directory(&directory, 0).unwrap();
        let piece = |number: u8| vec![number; 400 << 10];
        let spilled: Vec<_> = (0..7).map(|n| spill.write(&piece(n)).unwrap()).collect();
        let numbers: Vec<_> = spilled.iter().map(|spilled| spilled.file.number).collect();
        assert_eq!(numbers, [1, 1, 1, 2, 2, 2, 3]);
        for (number, spilled) in (0..).zip(&spilled) {
            assert_eq!(spilled.read().unwrap(), piece(number));
        }
        let first = Arc::downgrade(&spilled[0].file);
        let mut spilled = spilled.into_iter();
        drop((spilled.next(), spilled.next()));
        assert!(first.upgrade().is_some());
        drop(spilled.next());
        assert!(first.upgrade().is_none());
        // Nothing has a name, so nothing can be left behind.
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let spill = Spill::temporary(1);
        spill.write(b"before").unwrap();
        let spilled = spill.write(b"bytes").unwrap();
        spill.damage(8);
        let error = spilled.read().unwrap_err().to_string();
        let place = format!(
            "file 1 in {}, bytes 6 to 11",
            std::env::temp_dir().display()
        );
        assert!(error.contains(&place), "{error}");
        assert!(error.ends_with("they are not what was written"), "{error}");
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_told_at_once() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Spill::in_directory(&file, 1).unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()), "{error}");
    }
}
