//! Values of secrets at rest: encrypted, one file for each namespace, under one key.
//!
//! A file is JSON: `{"format": 1, "secrets": {"NAME": "HEX"}}`, where `HEX` is a random nonce of 24
//! bytes and what XChaCha20-Poly1305 makes of the value. Namespace and name are bound to each entry,
//! so that one that is put elsewhere is an error and not another's value. Who can write to the files
//! can still remove an entry, or put an older one of the same name back.
//!
//! The key is a file of 32 random bytes that only its owner may read. Who has key and files has the
//! values: what this protects is a copy, a backup or a disk that comes into other hands without the
//! key.

mod entry;
mod error;
mod key;
mod store;

pub use error::StoreError;
pub use store::{Store, StoreFile};
