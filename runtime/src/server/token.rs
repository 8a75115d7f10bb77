//! Who may ask: tokens, of which only hashes are kept.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::{
    journal::{DirectoryDisk, JournalError, write_whole},
    model::Namespace,
};

const FILE: &str = "tokens.json";

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything, in any namespace.
    Admin,
    /// Everything in one namespace, and nothing elsewhere.
    Tenant(Namespace),
}

impl Role {
    /// Whether it may see and change what is in a namespace.
    pub fn may_use(&self, namespace: &Namespace) -> bool {
        match self {
            Self::Admin => true,
            Self::Tenant(own) => own == namespace,
        }
    }
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Kept {
    id: String,
    role: Role,
    /// Of the secret, which has 256 random bits: no salt or slow hash is needed.
    hash: String,
}

/// Tokens cannot be read, written or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file does not read or write.
    #[error("cannot use the tokens in {}: {error}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file makes no sense.
    #[error("{} holds no tokens: {error}; restore it, or remove it and make new ones", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: serde_json::Error,
    },
    /// The file was not written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(io::Error),
}

/// The tokens in a data directory. One that is made while a server runs is good at once.
#[derive(Debug)]
pub struct Tokens {
    directory: PathBuf,
    read: Mutex<(Option<SystemTime>, Vec<Kept>)>,
}

impl Tokens {
    /// Those in this directory.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open(directory: &Path) -> Result<Self, TokenError> {
        let tokens = Self {
            directory: directory.to_owned(),
            read: Mutex::default(),
        };
        tokens.current()?;
        Ok(tokens)
    }

    /// Makes a token, and answers with its text, which is written nowhere.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn make(directory: &Path, role: Role) -> Result<String, TokenError> {
        let failed = |error| TokenError::Disk {
            path: directory.join(FILE),
            error,
        };
        let disk = DirectoryDisk::open(directory).map_err(failed)?;
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false);
        let lock = options
            .open(directory.join("tokens.lock"))
            .map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut kept = read(&directory.join(FILE))?;
        let (id, secret) = (hex::encode(random::<6>()?), hex::encode(random::<32>()?));
        kept.push(Kept {
            id: id.clone(),
            role,
            hash: hash(&secret),
        });
        let text = serde_json::to_vec_pretty(&kept).map_err(|error| TokenError::Format {
            path: directory.join(FILE),
            error,
        })?;
        write_whole(&disk, FILE, &text)?;
        Ok(format!("rsrt_{id}_{secret}"))
    }

    /// Whose token this is: its id and what it is good for. None if it is nobody's.
    ///
    /// # Errors
    /// When the tokens cannot be read.
    pub fn find(&self, token: &str) -> Result<Option<(String, Role)>, TokenError> {
        let kept = self.current()?;
        let parts = token.strip_prefix("rsrt_").and_then(|t| t.split_once('_'));
        let (id, secret) = parts.unwrap_or_default();
        let hash = hash(secret);
        // Every token is compared, so that time tells nothing of which ids there are.
        let mut found = None;
        for token in kept {
            let same_id = token.id.as_bytes().ct_eq(id.as_bytes());
            let same_hash = token.hash.as_bytes().ct_eq(hash.as_bytes());
            if bool::from(same_id & same_hash) {
                found = Some((token.id, token.role));
            }
        }
        Ok(found)
    }

    /// The id that a token says it has.
    pub fn id(token: &str) -> &str {
        let parts = token.strip_prefix("rsrt_").and_then(|t| t.split_once('_'));
        parts.unwrap_or_default().0
    }

    /// Whether there is a token with this id.
    ///
    /// # Errors
    /// When the tokens cannot be read.
    pub fn know(&self, id: &str) -> Result<bool, TokenError> {
        let kept = self.current()?;
        let same = kept
            .iter()
            .map(|token| token.id.as_bytes().ct_eq(id.as_bytes()));
        Ok(same
            .fold(subtle::Choice::from(0), |any, same| any | same)
            .into())
    }

    /// The token with this id was not withdrawn, and can be looked at.
    pub(super) fn holds(&self, id: &str) -> bool {
        let kept = self.current();
        kept.is_ok_and(|kept| kept.iter().any(|token| token.id == id))
    }

    /// Those in the file, read again if it was written since.
    fn current(&self) -> Result<Vec<Kept>, TokenError> {
        let path = self.directory.join(FILE);
        let written = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if written.is_none() || known.0 != written {
            *known = (written, read(&path)?);
        }
        Ok(known.1.clone())
    }
}

fn read(path: &Path) -> Result<Vec<Kept>, TokenError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| TokenError::Format {
            path: path.to_owned(),
            error,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(TokenError::Disk {
            path: path.to_owned(),
            error,
        }),
    }
}

fn hash(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}

fn random<const N: usize>() -> Result<[u8; N], TokenError> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let flags = rustix::rand::GetRandomFlags::empty();
        let more = rustix::rand::getrandom(&mut bytes[filled..], flags);
        filled += more.map_err(|error| TokenError::Random(error.into()))?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_role_and_its_secret_lies_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(folder.path()).unwrap();
        assert_eq!(tokens.find("").unwrap(), None);
        let role = Role::Tenant("a".parse().unwrap());
        let token = Tokens::make(folder.path(), role.clone()).unwrap();
        let (id, found) = tokens.find(&token).unwrap().unwrap();
        assert_eq!(found, role);
        assert!(token.contains(&id));
        let secret = token.rsplit('_').next().unwrap();
        let kept = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!kept.contains(secret) && kept.contains(&id));
        for wrong in [
            format!("{token}0"),
            token[..token.len() - 1].to_owned(),
            format!("rsrt_{id}_"),
            format!("rsrt__{secret}"),
            secret.to_owned(),
        ] {
            assert_eq!(tokens.find(&wrong).unwrap(), None, "{wrong}");
        }
    }
}
