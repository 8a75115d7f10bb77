//! The key of a store: 32 random bytes in a file that only its owner may read.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use chacha20poly1305::aead::Generate;
use zeroize::Zeroizing;

use super::StoreError;

const BYTES: usize = 32;

/// A key, and the file that it came from, which is also what writers lock.
pub(super) struct Key {
    bytes: Zeroizing<[u8; BYTES]>,
    file: File,
}

impl Key {
    pub(super) fn bytes(&self) -> &[u8; BYTES] {
        &self.bytes
    }

    /// Waits until nobody else writes to what this key is for.
    pub(super) fn lock(&self, path: &Path) -> Result<(), StoreError> {
        self.file.lock().map_err(StoreError::io("lock", path))
    }

    /// The key in a file, if there is one.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", path)(error)),
        };
        check_private(path, &file, 0o600)?;
        let mut bytes = Zeroizing::new([0; BYTES]);
        let bad = || StoreError::BadKey {
            path: path.to_owned(),
        };
        match file.read_exact(&mut *bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(bad()),
            read => read.map_err(StoreError::io("read", path))?,
        }
        let rest = file.read(&mut [0]).map_err(StoreError::io("read", path))?;
        match rest {
            0 => Ok(Some(Self { bytes, file })),
            _ => Err(bad()),
        }
    }

    /// Makes a key. If someone else makes one at the same time, both get the same.
    pub(super) fn make(path: &Path) -> Result<Self, StoreError> {
        let bytes = <[u8; BYTES]>::try_generate().map_err(|_| StoreError::NoRandom)?;
        let bytes = Zeroizing::new(bytes);
        let make = || {
            let mut file = tempfile::NamedTempFile::new_in(directory_of(path))?; // 0600
            file.write_all(&*bytes)?;
            file.as_file().sync_all()?;
            match file.persist_noclobber(path) {
                Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                    Err(error.error)
                }
                _ => File::open(directory_of(path))?.sync_all(),
            }
        };
        make().map_err(StoreError::io("make", path))?;
        Self::read(path)?.ok_or_else(|| StoreError::BadKey {
            path: path.to_owned(),
        })
    }
}

/// Where a file lies.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Checks that nobody but its owner may do anything with it.
pub(super) fn check_private(path: &Path, file: &File, right: u32) -> Result<(), StoreError> {
    let metadata = file.metadata().map_err(StoreError::io("look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(StoreError::Open {
            path: path.to_owned(),
            mode,
            right,
        });
    }
    Ok(())
}
