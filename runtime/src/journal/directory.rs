//! A directory of the file system.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::Disk;
use crate::crash_points::around;

/// A directory. The file that was written last stays open.
#[derive(Debug)]
pub struct DirectoryDisk {
    path: PathBuf,
    /// Nothing is changed; what was cut off is left as it is.
    only_read: bool,
    open: Mutex<Option<(String, Arc<File>)>>,
}

impl DirectoryDisk {
    /// The directory at `path`, which is made with those above it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or made durable.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
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
    pub fn look_at(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            let why = "there is no such directory";
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        Ok(Self {
            path: path.to_owned(),
            only_read: true,
            open: Mutex::default(),
        })
    }

    /// Gives a directory another name.
    ///
    /// # Errors
    /// As of the system.
    pub fn rename_all(from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn may_write(&self) -> io::Result<()> {
        match self.only_read {
            false => Ok(()),
            true => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, open to be added to. Nobody waits here for what others write or sync.
    fn file(&self, name: &str) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.as_ref().filter(|(held, _)| held == name) {
            return Ok(file.clone());
        }
        let mut options = OpenOptions::new();
        let options = options.create(true).append(true);
        let file = Arc::new(options.open(self.path.join(name))?);
        *open = Some((name.to_owned(), file.clone()));
        Ok(file)
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
pub fn make_directories(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let missing = path.ancestors().take_while(|path| !path.exists()).count();
    fs::create_dir_all(&path)?;
    around("directories-before", "directories-after", || {
        for (at, parent) in path.ancestors().skip(1).enumerate() {
            let synced = File::open(parent).and_then(|parent| parent.sync_all());
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
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // What has no name that is text is none of ours.
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        File::open(self.path.join(name))?.read_exact_at(&mut bytes, offset)?;
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
            fs::rename(self.path.join(from), self.path.join(to))
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.may_write()?;
        self.forget(name);
        around("disk-remove-before", "disk-remove-after", || {
            fs::remove_file(self.path.join(name))
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        if self.only_read {
            return Ok(());
        }
        around("disk-names-before", "disk-names-after", || {
            File::open(&self.path)?.sync_all()
        })
    }
}
