//! A directory of the file system.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

use super::Disk;
use crate::{confine::Place, crash_points::around};

/// A directory. The file that was written last stays open.
#[derive(Debug)]
pub struct DirectoryDisk {
    path: Place,
    /// Nothing is changed; what was cut off is left as it is.
    only_read: bool,
    open: Mutex<Option<(String, Arc<File>)>>,
}

impl DirectoryDisk {
    /// The directory at `path`, which is made with those above it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or made durable.
    pub fn open(path: impl Into<Place>) -> io::Result<Self> {
        let path = path.into().absolute()?;
        make_directories(&path)?;
        Ok(Self {
            path,
            only_read: false,
            open: Mutex::default(),
        })
    }

    /// The directory at `path`, to be looked at: nothing in it is changed.
    ///
    /// # Errors
    /// When there is none.
    pub fn look_at(path: impl Into<Place>) -> io::Result<Self> {
        let path = path.into();
        if !path.is_directory() {
            let why = "there is no such directory";
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        Ok(Self {
            path,
            only_read: true,
            open: Mutex::default(),
        })
    }

    /// Gives a directory another name.
    ///
    /// # Errors
    /// As of the system.
    pub fn rename_all(from: &Place, to: &Place) -> io::Result<()> {
        from.rename(to)
    }

    fn may_write(&self) -> io::Result<()> {
        match self.only_read {
            false => Ok(()),
            true => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Place {
        &self.path
    }

    /// The file, open to be added to. Nobody waits here for what others write or sync.
    fn file(&self, name: &str) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.as_ref().filter(|(held, _)| held == name) {
            return Ok(file.clone());
        }
        let file = Arc::new(self.path.join(name).append()?);
        *open = Some((name.to_owned(), file.clone()));
        Ok(file)
    }

    /// One that goes away meanwhile was none.
    fn is_file(&self, name: &str) -> io::Result<bool> {
        match self.path.join(name).look_at_link() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            seen => Ok(seen?.is_file),
        }
    }

    fn forget(&self, name: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|(held, _)| held == name) {
            *open = None;
        }
    }
}

/// Makes a directory and those above it, and their names durable: also of those that are there, as a
/// process that was killed may have made them. For the first use of a directory, not for each.
///
/// # Errors
/// When one cannot be made, or made durable.
pub fn make_directories(path: &Place) -> io::Result<()> {
    let path = path.absolute()?;
    let ancestors = || std::iter::successors(Some(path.clone()), Place::parent);
    let missing = ancestors().take_while(|path| path.look().is_err()).count();
    path.create_directories()?;
    around("directories-before", "directories-after", || {
        for (at, parent) in ancestors().skip(1).enumerate() {
            let synced = parent.sync();
            // One that was there may be none that can be read or synced; then nobody made it now.
            if let Err(error) = synced
                && (at < missing || !is_not_ours(&error))
            {
                return Err(error);
            }
        }
        Ok(())
    })
}

fn is_not_ours(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(
        error.kind(),
        InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported
    )
}

impl Disk for DirectoryDisk {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for name in self.path.names()? {
            // What has no name that is text is none of ours, and neither is what is no file.
            if let Ok(name) = name.into_string()
                && self.is_file(&name)?
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.path.join(name).read()
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.path
            .join(name)
            .open()?
            .read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn append(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        around("disk-append-before", "disk-append-after", || {
            self.may_write()?;
            let file = self.file(name)?;
            parts
                .iter()
                .try_for_each(|part| file.as_ref().write_all(part))
        })
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        if self.only_read {
            return Ok(());
        }
        around("disk-cut-before", "disk-cut-after", || {
            self.file(name)?.set_len(length)
        })
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        if self.only_read {
            return Ok(());
        }
        around("disk-sync-before", "disk-sync-after", || {
            self.file(name)?.sync_all()
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.may_write()?;
        self.forget(from);
        self.forget(to);
        around("disk-rename-before", "disk-rename-after", || {
            self.path.join(from).rename(&self.path.join(to))
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.may_write()?;
        self.forget(name);
        around("disk-remove-before", "disk-remove-after", || {
            self.path.join(name).remove()
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        if self.only_read {
            return Ok(());
        }
        around("disk-names-before", "disk-names-after", || self.path.sync())
    }
}
