//! Who has a checkpoint in an object store.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The process that took it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    process: u32,
    host: String,
    /// Milliseconds since the epoch.
    since: i64,
    /// Told apart from others of the same number, on machines of the same name, at the same time.
    nonce: [u8; 8],
}

impl Holder {
    /// This process, at the wall clock's time `now`, in milliseconds since the epoch.
    pub fn this(now: i64) -> Self {
        let mut nonce = [0; 8];
        // Without it the rest tells holders apart, but for containers that start together.
        let _ = rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty());
        let host = rustix::system::uname();
        Self {
            process: std::process::id(),
            host: host.nodename().to_string_lossy().into_owned(),
            since: now,
            nonce,
        }
    }

    /// Like nobody else.
    pub fn unique(&self) -> String {
        format!("{self} {}", hex::encode(self.nonce))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (process, host, since) = (self.process, &self.host, self.since);
        write!(
            f,
            "process {process} on {host}, since {since} ms after 1970"
        )
    }
}
