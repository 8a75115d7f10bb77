//! What is deployed, on disk.
//!
//! ```text
//! DATA/lock                              one server at a time
//! DATA/namespaces/NS/plugins/DIGEST      components, by what is in them
//! DATA/namespaces/NS/topologies/NAME/record.json
//! DATA/namespaces/NS/topologies/NAME/work/       where its relative paths start
//! DATA/staging/                          work directories of what is just being deployed
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{
    HostingError, PluginDigest, Record, files::Files, in_flight::InFlight, lock, staging::Staging,
    supplied::Uploaded,
};
use crate::{
    journal::{DirectoryDisk, Disk as _, read_whole, write_whole},
    model::{Namespace, TopologyName},
};

const RECORD: &str = "record.json";
const STAGING: &str = "staging";

/// The registry of one server; nobody else has it meanwhile.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    _lock: File,
    /// One record at a time: one that ends by itself may just be stopped.
    writing: Mutex<()>,
}

impl Registry {
    /// The registry below this directory, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it.
    pub fn open(path: &Path) -> Result<Self, HostingError> {
        let disk = DirectoryDisk::open(path).map_err(failed("make", path))?;
        let path = disk.path().path().to_owned();
        let file = path.join("lock");
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false);
        let lock = options.open(&file).map_err(failed("open", &file))?;
        match lock.try_lock() {
            Ok(()) => {
                let registry = Self {
                    path,
                    _lock: lock,
                    writing: Mutex::default(),
                };
                // What was being deployed when the last server died is not deployed.
                let staging = registry.path.join(STAGING);
                match fs::remove_dir_all(&staging) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        Err(failed("remove", &staging)(error))
                    }
                    _ => Ok(registry),
                }
            }
            Err(TryLockError::WouldBlock) => Err(HostingError::InUse(path)),
            Err(TryLockError::Error(error)) => Err(failed("lock", &file)(error)),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that is deployed.
    ///
    /// # Errors
    /// When a record cannot be read: nothing is left out in silence.
    pub fn read(&self) -> Result<Vec<Record>, HostingError> {
        let mut records = Vec::new();
        for namespace in folders(&self.path.join("namespaces"))? {
            for folder in folders(&namespace.join("topologies"))? {
                records.extend(read_record(&folder)?);
            }
        }
        Ok(records)
    }

    /// Writes a record, durably.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, record: &Record) -> Result<(), HostingError> {
        self.write_latest(|| record.clone())
    }

    /// Writes a record as it is when its turn comes: of two that write it the last one writes the latest.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write_latest(&self, record: impl FnOnce() -> Record) -> Result<(), HostingError> {
        let _writing = lock(&self.writing);
        let record = &record();
        let folder = self.folder(&record.namespace, &record.name);
        let disk = DirectoryDisk::open(&folder).map_err(failed("make", &folder))?;
        let text = serde_json::to_vec_pretty(record).map_err(|error| HostingError::Record {
            path: folder.join(RECORD),
            why: error.to_string(),
        })?;
        Ok(write_whole(&disk, RECORD, &text)?)
    }

    /// Removes a topology with its folder, and the plugins that no other one of the namespace uses. May be
    /// done again if it failed.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn remove(&self, namespace: &Namespace, name: &TopologyName) -> Result<(), HostingError> {
        let folder = self.folder(namespace, name);
        // Without its record it is not deployed, whatever else is left of it: that is durable first.
        // What an earlier try has removed is no trouble.
        let disk = DirectoryDisk::open(&folder).map_err(failed("make", &folder))?;
        let is_there = disk.list().map_err(failed("read", &folder))?;
        if is_there.iter().any(|file| file == RECORD) {
            let removed = disk.remove(RECORD).and_then(|()| disk.sync_directory());
            removed.map_err(failed("remove", &folder.join(RECORD)))?;
        }
        fs::remove_dir_all(&folder).map_err(failed("remove", &folder))?;
        self.release_plugins(namespace)
    }

    /// Removes plugins that no version of a topology of the namespace uses.
    pub(super) fn release_plugins(&self, namespace: &Namespace) -> Result<(), HostingError> {
        let mut used = Vec::new();
        for folder in folders(&self.namespace(namespace).join("topologies"))? {
            let record = read_record(&folder)?;
            let versions = record.iter().flat_map(Record::versions);
            used.extend(versions.flat_map(|version| version.plugins.clone()));
        }
        for file in entries(&self.plugins(namespace))? {
            let name = file.file_name().and_then(|name| name.to_str());
            if used.iter().all(|(_, digest)| Some(digest.as_str()) != name) {
                fs::remove_file(&file).map_err(failed("remove", &file))?;
            }
        }
        Ok(())
    }

    /// Where relative paths of a topology start.
    pub fn work(&self, namespace: &Namespace, name: &TopologyName) -> PathBuf {
        self.folder(namespace, name).join("work")
    }

    /// Makes the directory where relative paths of a topology start.
    pub(super) fn make_work(&self, record: &Record) -> Result<PathBuf, HostingError> {
        let path = self.work(&record.namespace, &record.name);
        DirectoryDisk::open(&path).map_err(failed("make", &path))?;
        Ok(path)
    }

    /// A directory for what is being deployed, with these files in it.
    pub(super) fn stage(&self, files: &Files) -> Result<Staging, HostingError> {
        let path = self.path.join(STAGING);
        let staging = Staging::new_in(&path).map_err(failed("make", &path))?;
        let written = files.write_to(staging.path());
        written.map_err(failed("write below", &path))?;
        Ok(staging)
    }

    /// What was staged is where a topology's relative paths start.
    pub(super) fn settle(&self, staging: Staging, record: &Record) -> Result<(), HostingError> {
        let work = self.work(&record.namespace, &record.name);
        staging.settle(&work).map_err(failed("make", &work))
    }

    pub(super) fn in_flight(&self, record: &Record) -> InFlight {
        let folder = self.folder(&record.namespace, &record.name);
        InFlight::new(folder.join("in-flight"))
    }

    /// Keeps plugins of a namespace, and answers with their digests.
    pub(super) fn keep_plugins(
        &self,
        namespace: &Namespace,
        uploaded: &Uploaded,
    ) -> Result<Vec<(Option<String>, String)>, HostingError> {
        let path = self.plugins(namespace);
        let disk = DirectoryDisk::open(&path).map_err(failed("make", &path))?;
        let mut digests = Vec::new();
        for (alias, bytes) in &uploaded.0 {
            let digest = blake3::hash(bytes).to_hex().to_string();
            if !path.join(&digest).exists() {
                write_whole(&disk, &digest, bytes)?;
            }
            digests.push((alias.clone(), digest));
        }
        Ok(digests)
    }

    /// Bytes of all plugins of a namespace.
    pub(super) fn plugins_total(&self, namespace: &Namespace) -> Result<u64, HostingError> {
        let files = entries(&self.plugins(namespace))?;
        let sizes = files.iter().map(|file| {
            let size = fs::metadata(file).map(|file| file.len());
            // One that was removed meanwhile has none.
            size.or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(0),
                _ => Err(failed("look at", file)(error)),
            })
        });
        sizes.sum()
    }

    /// Bytes of all plugins of a namespace, and of those of these that would be new.
    pub(super) fn plugin_sizes(
        &self,
        namespace: &Namespace,
        uploaded: &Uploaded,
    ) -> Result<(u64, u64), HostingError> {
        let path = self.plugins(namespace);
        let mut new = BTreeMap::new();
        for (_, bytes) in &uploaded.0 {
            let digest = blake3::hash(bytes).to_hex().to_string();
            if !path.join(&digest).exists() {
                new.insert(digest, bytes.len() as u64);
            }
        }
        Ok((self.plugins_total(namespace)?, new.values().sum()))
    }

    /// The plugins of a version; bytes that are not what was deployed are refused.
    pub(super) fn uploaded(
        &self,
        namespace: &Namespace,
        plugins: &[PluginDigest],
    ) -> Result<Uploaded, HostingError> {
        let path = self.plugins(namespace);
        let mut components: Vec<(Option<String>, Arc<[u8]>)> = Vec::new();
        for (alias, digest) in plugins {
            let file = path.join(digest);
            let bytes = fs::read(&file).map_err(failed("read", &file))?;
            if blake3::hash(&bytes).to_hex().as_str() != digest {
                let damaged = io::Error::new(io::ErrorKind::InvalidData, "it was changed");
                return Err(failed("use", &file)(damaged));
            }
            components.push((alias.clone(), bytes.into()));
        }
        Ok(Uploaded(components))
    }

    fn namespace(&self, namespace: &Namespace) -> PathBuf {
        self.path.join("namespaces").join(namespace.as_str())
    }

    fn plugins(&self, namespace: &Namespace) -> PathBuf {
        self.namespace(namespace).join("plugins")
    }

    fn folder(&self, namespace: &Namespace, name: &TopologyName) -> PathBuf {
        let topologies = self.namespace(namespace).join("topologies");
        topologies.join(name.as_str())
    }
}

/// The record in a topology's folder; none in what is left of one that was removed.
fn read_record(folder: &Path) -> Result<Option<Record>, HostingError> {
    let disk = DirectoryDisk::look_at(folder).map_err(failed("read", folder))?;
    let Some(bytes) = read_whole(&disk, RECORD)? else {
        return Ok(None);
    };
    let record = serde_json::from_slice(&bytes).map_err(|error| HostingError::Record {
        path: folder.join(RECORD),
        why: error.to_string(),
    })?;
    Ok(Some(record))
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, HostingError> {
    let mut folders = entries(path)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

/// What lies in a directory, sorted; nothing if there is none.
fn entries(path: &Path) -> Result<Vec<PathBuf>, HostingError> {
    let read = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(failed("read", path))?,
    };
    let paths = read.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths
        .collect::<Result<_, _>>()
        .map_err(failed("read", path))?;
    paths.sort();
    Ok(paths)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HostingError {
    let path = path.to_owned();
    move |error| HostingError::Disk {
        action,
        path,
        error,
    }
}
