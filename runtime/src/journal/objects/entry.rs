//! What one object of the log says.
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of the head, little-endian |
//! | length | the head: an [`Entry`] |
//! | rest | bytes of a file |

use std::io;

use serde::{Deserialize, Serialize};

use super::Holder;
use crate::codec;

/// Raised when an entry changes its form.
const VERSION: u16 = 1;
/// No head is longer: names are short.
pub(super) const HEAD: u64 = 4096;

/// What an object of the log says, but for the bytes behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The number with which its writer took the log over: no two processes write the same entry.
    pub(super) owner: u64,
    pub(super) says: Says,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Says {
    /// From here on the log is this process's.
    Taken(Holder),
    /// A file goes on with the bytes behind this.
    Added { file: String },
    /// A file is the bytes behind this, whatever it was before.
    Placed { file: String },
    /// A file is an object of its own, whatever it was before.
    Stored {
        file: String,
        object: String,
        length: u64,
    },
    /// A file ends earlier.
    Cut { file: String, length: u64 },
    /// A file is no more. Said only where an entry that stays speaks of it.
    Removed { file: String },
}

impl Entry {
    /// With the bytes behind it.
    pub(super) fn encode(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let head = codec::encode(VERSION, self).map_err(io::Error::other)?;
        let length = u32::try_from(head.len()).map_err(io::Error::other)?;
        Ok([&length.to_le_bytes(), &head[..], bytes].concat())
    }

    /// An entry, and where the bytes behind it begin. `bytes` are all of the object, or its first
    /// [`HEAD`].
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, u64)> {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let head = rest.get(..usize::try_from(length).ok()?)?;
        let entry = codec::decode(VERSION, head).ok()?;
        Some((entry, 4 + u64::from(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_again_and_anything_else_is_none() {
        let holder = Holder::this(7);
        for says in [
            Says::Taken(holder),
            Says::Added { file: "f".into() },
            Says::Cut {
                file: "f".into(),
                length: 3,
            },
        ] {
            let entry = Entry { owner: 9, says };
            let bytes = entry.encode(b"rest").unwrap();
            let (read, from) = Entry::decode(&bytes).unwrap();
            assert_eq!(read, entry);
            assert_eq!(&bytes[usize::try_from(from).unwrap()..], b"rest");
            assert!(Entry::decode(&bytes[..10]).is_none());
        }
        assert!(Entry::decode(b"<html>nothing of ours</html>").is_none());
    }
}
