//! What can be wrong with a store. No message has any part of a value.

use std::{io, path::PathBuf};

use crate::model::{Namespace, SecretName};

/// A store that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {action} {}: {error}", .path.display())]
    Io {
        /// As in "cannot read".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Its word.
        error: io::Error,
    },
    /// Others may read what is to be kept from them.
    #[error("{} can be read by others (mode {mode:03o}): run `chmod {right:o} {}`, and consider what was in it known", .path.display(), .path.display())]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// What they may.
        mode: u32,
        /// What they should.
        right: u32,
    },
    /// The key is no key.
    #[error("{} is not a key: put the one back that was there", .path.display())]
    BadKey {
        /// Its file.
        path: PathBuf,
    },
    /// There are values and no key.
    #[error("the key {} is missing, and what {} holds can only be read with it: put it back, or remove the file and set its secrets again", .key.display(), .file.display())]
    NoKey {
        /// Where it should be.
        key: PathBuf,
        /// What it is for.
        file: PathBuf,
    },
    /// The file is no store.
    #[error("{} is damaged: {why}; restore it, or remove it and set its secrets again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An entry does not belong here.
    #[error("the secret `{name}` of `{namespace}` in {} cannot be decrypted: the key is another one, or the entry was changed or comes from elsewhere; set it again", .path.display())]
    Foreign {
        /// Whose.
        namespace: Namespace,
        /// Which.
        name: SecretName,
        /// Where.
        path: PathBuf,
    },
    /// A value that is none.
    #[error("the value of `{name}` {why}")]
    BadValue {
        /// Which.
        name: SecretName,
        /// What is wrong.
        why: &'static str,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

impl StoreError {
    pub(super) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io {
            action,
            path,
            error,
        }
    }
}
