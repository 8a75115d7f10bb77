//! Files of encrypted values.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    StoreError, entry,
    key::{self, Key},
};
use crate::model::{Namespace, Secret, SecretError, SecretName, SecretSource};

/// The form of a file.
const FORMAT: u32 = 1;

/// Bytes of a value, at most.
const LONGEST: usize = 64 << 10;

/// The secrets of many, each in a namespace of their own, in one directory under one key.
///
/// ```
/// use rsrt::{model::{Secret, SecretSource}, secrets::Store};
///
/// # let directory = tempfile::tempdir()?;
/// let store = Store::open(&directory.path().join("secrets"))?;
/// let (mine, other) = (store.of(&"mine".parse()?), store.of(&"other".parse()?));
/// let name = "database".parse()?;
/// mine.set(&name, &Secret::new("postgres://ann:pass@db/shop".to_owned()))?;
/// assert_eq!(mine.names()?, [name.clone()]);
/// assert!(other.get(&name)?.is_none());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
    key: PathBuf,
}

impl Store {
    /// The store in this directory, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or others may read it.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        made.map_err(StoreError::io("make", directory))?;
        let opened = File::open(directory).map_err(StoreError::io("open", directory))?;
        key::check_private(directory, &opened, 0o700)?;
        Ok(Self {
            directory: directory.to_owned(),
            key: directory.join("key"),
        })
    }

    /// The same, with its key in this file. Its directory must be there.
    #[must_use]
    pub fn with_key(self, key: &Path) -> Self {
        Self {
            key: key.to_owned(),
            ..self
        }
    }

    /// The secrets of this namespace.
    pub fn of(&self, namespace: &Namespace) -> StoreFile {
        StoreFile {
            file: self.directory.join(format!("{namespace}.secrets")),
            key: self.key.clone(),
            namespace: namespace.clone(),
            shares_key: true,
        }
    }

    /// Removes all secrets of a namespace.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn remove_all(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let file = self.of(namespace).file;
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &file)(error))
            }
            _ => sync_directory(&file),
        }
    }
}

/// The secrets of one namespace.
#[derive(Debug, Clone)]
pub struct StoreFile {
    file: PathBuf,
    key: PathBuf,
    namespace: Namespace,
    /// With all files beside it.
    shares_key: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    secrets: BTreeMap<SecretName, Sealed>,
}

/// An entry, in hexadecimal digits.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Sealed(#[serde(with = "hex::serde")] Vec<u8>);

impl StoreFile {
    /// A file by itself, whose key lies beside it: the same name and `.key`.
    pub fn at(file: &Path, namespace: Namespace) -> Self {
        let mut key = file.as_os_str().to_owned();
        key.push(".key");
        Self {
            file: file.to_owned(),
            key: key.into(),
            namespace,
            shares_key: false,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Keeps a value; one of the same name is replaced. When this returns, it is durable.
    ///
    /// # Errors
    /// When the value is none, or the store cannot be written.
    pub fn set(&self, name: &SecretName, value: &Secret) -> Result<(), StoreError> {
        let why = match value.expose().len() {
            0 => Some("is empty"),
            1..=LONGEST => None,
            _ => Some("is longer than 64 KiB"),
        };
        if let Some(why) = why {
            let name = name.clone();
            return Err(StoreError::BadValue { name, why });
        }
        let key = if let Some(key) = Key::read(&self.key)? {
            key
        } else {
            self.check_no_values()?;
            Key::make(&self.key)?
        };
        key.lock(&self.key)?;
        let mut content = self.read()?;
        let sealed = entry::seal(&key, &self.namespace, name, value)?;
        content.secrets.insert(name.clone(), Sealed(sealed));
        self.write(&content)
    }

    /// Forgets a value; false if there was none.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn remove(&self, name: &SecretName) -> Result<bool, StoreError> {
        // Without a key there is nobody else who writes.
        let key = Key::read(&self.key)?;
        if let Some(key) = &key {
            key.lock(&self.key)?;
        }
        let mut content = self.read()?;
        if content.secrets.remove(name).is_none() {
            return Ok(false);
        }
        self.write(&content)?;
        Ok(true)
    }

    /// The names of what there is, sorted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn names(&self) -> Result<Vec<SecretName>, StoreError> {
        Ok(self.read()?.secrets.into_keys().collect())
    }

    /// A value, if there is one of this name.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was set.
    pub fn get(&self, name: &SecretName) -> Result<Option<Secret>, StoreError> {
        let content = self.read()?;
        let Some(Sealed(sealed)) = content.secrets.get(name) else {
            return Ok(None);
        };
        let key = Key::read(&self.key)?.ok_or_else(|| StoreError::NoKey {
            key: self.key.clone(),
            file: self.file.clone(),
        })?;
        let value = entry::unseal(&key, &self.namespace, name, sealed);
        let value = value.ok_or_else(|| StoreError::Foreign {
            namespace: self.namespace.clone(),
            name: name.clone(),
            path: self.file.clone(),
        })?;
        Ok(Some(value))
    }

    /// A new key would not open what an old one has closed.
    fn check_no_values(&self) -> Result<(), StoreError> {
        let directory = key::directory_of(&self.file);
        let failed = || StoreError::io("list", directory);
        let mut closed = self.file.exists().then(|| self.file.clone());
        if self.shares_key {
            for entry in fs::read_dir(directory).map_err(failed())? {
                let path = entry.map_err(failed())?.path();
                if path.extension().is_some_and(|end| end == "secrets") {
                    closed = Some(path);
                }
            }
        }
        match closed {
            None => Ok(()),
            Some(file) => Err(StoreError::NoKey {
                key: self.key.clone(),
                file,
            }),
        }
    }

    fn read(&self) -> Result<Content, StoreError> {
        let text = match fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Content {
                    format: FORMAT,
                    secrets: BTreeMap::new(),
                });
            }
            Err(error) => return Err(StoreError::io("read", &self.file)(error)),
        };
        let damaged = |why: String| StoreError::Damaged {
            path: self.file.clone(),
            why,
        };
        let content: Content =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        match content.format {
            FORMAT => Ok(content),
            other => Err(damaged(format!(
                "its form is {other}, and {FORMAT} is known"
            ))),
        }
    }

    /// The file as a whole, or as it was.
    fn write(&self, content: &Content) -> Result<(), StoreError> {
        let write = || -> io::Result<()> {
            let directory = key::directory_of(&self.file);
            let mut file = tempfile::NamedTempFile::new_in(directory)?; // 0600
            serde_json::to_writer(&mut file, content)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&self.file).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(StoreError::io("write", &self.file))?;
        sync_directory(&self.file)
    }
}

fn sync_directory(file: &Path) -> Result<(), StoreError> {
    let directory = key::directory_of(file);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(StoreError::io("sync", directory))
}

impl SecretSource for StoreFile {
    fn secret(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        self.get(name)
            .map_err(|error| SecretError(error.to_string()))
    }

    fn advice(&self, name: &SecretName) -> String {
        format!("set it with `rsrt secret set {name}`")
    }
}
