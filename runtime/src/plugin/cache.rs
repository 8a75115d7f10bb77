//! Compiled code on disk, so that a plugin is compiled once per machine.
//!
//! Compiled code is trusted like the binary itself, so an entry is used only if it carries a MAC
//! under a key that lies beside it, readable by this user alone, in a directory that only this user
//! may enter. Anything else is compiled again. Loading it is the one `unsafe` of the runtime.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    hash::{Hash as _, Hasher as _},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;
use xxhash_rust::xxh3::Xxh3;

use super::Engine;
use crate::codec;

/// Version of an entry's header.
const ENTRY: u16 = 1;

/// The cache cannot be used. Plugins are then compiled each time.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The directory or key cannot be made or read.
    #[error("the cache of compiled plugins in {} cannot be used", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may write there.
    #[error("{} must belong to this user and be closed to all others (chmod 700)", .0.display())]
    Open(PathBuf),
}

/// A directory of compiled plugins.
#[derive(Debug)]
pub struct CodeCache {
    directory: PathBuf,
    key: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Header {
    length: u64,
    mac: [u8; 32],
}

impl CodeCache {
    /// The cache in `directory`, which is made, with a fresh key, if it is not there.
    ///
    /// # Errors
    /// When it cannot be made or read, or is open to other users.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let directory = directory.into();
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::Io { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(at(&directory))?;
        let metadata = fs::symlink_metadata(&directory).map_err(at(&directory))?;
        let mine = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_dir() || !mine || metadata.mode() & 0o077 != 0 {
            return Err(CacheError::Open(directory));
        }
        let path = directory.join("key");
        let key = read_key(&path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => write_key(&directory, &path),
            _ => Err(error),
        });
        let key = key.map_err(at(&path))?;
        Ok(Self { directory, key })
    }

    /// The compiled component with these bytes, if there is one for this engine.
    pub(super) fn get(&self, engine: &Engine, component: &blake3::Hash) -> Option<Component> {
        let path = self.path(engine, component);
        let bytes = fs::read(&path).ok()?;
        let code = self.open_entry(engine, component, &bytes);
        if code.is_none() {
            tracing::warn!(parent: None, path = %path.display(), "a compiled plugin is damaged; compiling it again");
        }
        deserialize(engine, code?).ok()
    }

    /// Keeps `code` for the next time. A cache that cannot be written is only slower.
    pub(super) fn put(&self, engine: &Engine, component: &blake3::Hash, code: &[u8]) {
        let path = self.path(engine, component);
        let written = self.write(engine, component, code, &path);
        if let Err(error) = written {
            tracing::warn!(parent: None, path = %path.display(), %error, "a compiled plugin is not kept");
        }
    }

    fn write(
        &self,
        engine: &Engine,
        component: &blake3::Hash,
        code: &[u8],
        path: &Path,
    ) -> Result<(), io::Error> {
        let header = Header {
            length: code.len() as u64,
            mac: *self.mac(engine, component, code).as_bytes(),
        };
        let header = codec::encode(ENTRY, &header).map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(&u32::try_from(header.len()).unwrap_or(0).to_le_bytes())?;
        file.write_all(&header)?;
        file.write_all(code)?;
        file.persist(path)?;
        Ok(())
    }

    /// The code in an entry, if the entry is whole and ours.
    fn open_entry<'a>(
        &self,
        engine: &Engine,
        component: &blake3::Hash,
        bytes: &'a [u8],
    ) -> Option<&'a [u8]> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (header, code) = rest.split_at_checked(length)?;
        let header: Header = codec::decode(ENTRY, header).ok()?;
        let whole = header.length == code.len() as u64;
        // blake3 compares hashes in constant time.
        let ours = self.mac(engine, component, code) == blake3::Hash::from_bytes(header.mac);
        (whole && ours).then_some(code)
    }

    fn mac(&self, engine: &Engine, component: &blake3::Hash, code: &[u8]) -> blake3::Hash {
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        mac.update(component.as_bytes());
        mac.update(&compatibility(engine).to_le_bytes());
        mac.update(code);
        mac.finalize()
    }

    fn path(&self, engine: &Engine, component: &blake3::Hash) -> PathBuf {
        let name = format!(
            "{}-{:016x}.cwasm",
            component.to_hex(),
            compatibility(engine)
        );
        self.directory.join(name)
    }
}

/// Whatever makes compiled code differ: the engine's version, settings and target.
fn compatibility(engine: &Engine) -> u64 {
    let mut hash = Xxh3::new();
    engine
        .wasmtime()
        .precompile_compatibility_hash()
        .hash(&mut hash);
    hash.finish()
}

/// Code that this process, its child, or an earlier process of this user has compiled.
#[expect(unsafe_code, reason = "loading compiled code is what the cache is for")]
pub(super) fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` must be given bytes that `precompile_component` made, unchanged. They
    // come from two places only: the pipe of the child process that this process started, from its
    // own executable, to compile them; and an entry of `CodeCache`, which is used only if a MAC over
    // all of it verifies under a key that nobody but this user can read. Whoever has that key can
    // already replace the executable. The engine itself refuses other versions and settings.
    unsafe { Component::deserialize(engine.wasmtime(), code) }
}

fn read_key(path: &Path) -> Result<[u8; 32], io::Error> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mine = metadata.uid() == rustix::process::geteuid().as_raw();
    if !mine || metadata.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the key must belong to this user and be closed to all others (chmod 600)",
        ));
    }
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    Ok(key)
}

/// Makes a key. Of two processes at once, one's key stands and both use it.
fn write_key(directory: &Path, path: &Path) -> Result<[u8; 32], io::Error> {
    let mut key = [0; 32];
    let filled = rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())?;
    if filled != key.len() {
        return Err(io::Error::other("the system gave too few random bytes"));
    }
    let staged = tempfile::Builder::new()
        .prefix("key-")
        .make_in(directory, |path| {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
        })?;
    staged.as_file().write_all(&key)?;
    match staged.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => read_key(path),
        Err(failed) => Err(failed.error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::plugin::EngineOptions;

    #[test]
    fn an_entry_that_was_touched_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(directory.path().join("code")).unwrap();
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let digest = blake3::hash(b"component");
        cache.put(&engine, &digest, b"code");
        let path = cache.path(&engine, &digest);
        let entry = fs::read(&path).unwrap();
        assert_eq!(
            cache.open_entry(&engine, &digest, &entry),
            Some(&b"code"[..])
        );
        for at in 0..entry.len() {
            let mut touched = entry.clone();
            touched[at] ^= 1;
            assert_eq!(cache.open_entry(&engine, &digest, &touched), None, "{at}");
        }
        assert_eq!(cache.open_entry(&engine, &digest, &entry[..10]), None);
        let other = blake3::hash(b"another");
        assert_eq!(cache.open_entry(&engine, &other, &entry), None);
    }

    #[test]
    fn the_key_stays_the_same_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("code");
        let first = CodeCache::open(&path).unwrap();
        let again = CodeCache::open(&path).unwrap();
        assert_eq!(first.key, again.key);
        assert_ne!(first.key, [0; 32]);
        let mode = fs::metadata(path.join("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("code");
        CodeCache::open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(CodeCache::open(&path), Err(CacheError::Open(_))));
    }
}
