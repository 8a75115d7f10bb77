//! Bytes that outlive a process: an envelope with a magic word and a version around bincode.
//!
//! The only file that names bincode, which is no longer maintained: to replace it, change this file
//! and raise the versions of what is written. What comes off a disk is hostile until decoded: sizes
//! are bounded by the input's own.

use bincode::Options;
use serde::{Serialize, de::DeserializeOwned};

const MAGIC: [u8; 4] = *b"rsrt";

/// What was read is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not written by rsrt, or cut short.
    #[error("not an rsrt record")]
    NotARecord,
    /// Written by a version that this one does not read.
    #[error("record version {found} is not {expected}")]
    Version {
        /// In the bytes.
        found: u16,
        /// What the caller reads.
        expected: u16,
    },
    /// The payload does not decode.
    #[error("the record is damaged: {0}")]
    Damaged(String),
    /// A value that cannot be encoded.
    #[error("the value cannot be written: {0}")]
    Unwritable(String),
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding()
}

/// `value` in an envelope that says `version`.
///
/// # Errors
/// When the value's `Serialize` fails.
pub fn encode<T: Serialize>(version: u16, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    options()
        .serialize_into(&mut bytes, value)
        .map_err(|error| CodecError::Unwritable(error.to_string()))?;
    Ok(bytes)
}

/// The value in an envelope of `version`; every byte must belong to it.
///
/// # Errors
/// When the bytes are no such envelope.
pub fn decode<T: DeserializeOwned>(version: u16, bytes: &[u8]) -> Result<T, CodecError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(CodecError::NotARecord)?;
    let (found, payload) = rest.split_first_chunk().ok_or(CodecError::NotARecord)?;
    let found = u16::from_le_bytes(*found);
    if found != version {
        return Err(CodecError::Version {
            found,
            expected: version,
        });
    }
    options()
        .with_limit(payload.len() as u64)
        .reject_trailing_bytes()
        .deserialize(payload)
        .map_err(|error| CodecError::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_version_is_told_from_damage() {
        let bytes = encode(3, &"text").unwrap();
        assert_eq!(decode::<String>(3, &bytes), Ok("text".to_owned()));
        assert_eq!(
            decode::<String>(4, &bytes),
            Err(CodecError::Version {
                found: 3,
                expected: 4
            })
        );
        assert_eq!(decode::<String>(3, b"PK12"), Err(CodecError::NotARecord));
        let cut = &bytes[..bytes.len() - 1];
        assert!(matches!(
            decode::<String>(3, cut),
            Err(CodecError::Damaged(_))
        ));
        let longer = [&bytes[..], b"x"].concat();
        assert!(matches!(
            decode::<String>(3, &longer),
            Err(CodecError::Damaged(_))
        ));
    }

    proptest! {
        /// Rubbish is an error: no panic, and no allocation beyond the input's size.
        #[test]
        fn rubbish_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut framed = MAGIC.to_vec();
            framed.extend_from_slice(&1_u16.to_le_bytes());
            framed.extend_from_slice(&bytes);
            if let Ok(value) = decode::<Vec<String>>(1, &framed) {
                prop_assert_eq!(encode(1, &value).unwrap(), framed);
            }
        }
    }
}
