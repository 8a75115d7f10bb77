//! Files with a checksum behind their bytes. Everything else of a checkpoint has one in its journal, or
//! is named by its digest.

use serde::{Serialize, de::DeserializeOwned};

use super::CheckpointError;
use crate::{codec, journal::Disk};

/// A value as bytes, with their checksum.
pub(super) fn seal<T: Serialize>(version: u16, value: &T) -> Result<Vec<u8>, CheckpointError> {
    let mut bytes = codec::encode(version, value)?;
    let sum = blake3::hash(&bytes);
    bytes.extend_from_slice(sum.as_bytes());
    Ok(bytes)
}

/// The value of these bytes of a file, if they are what was written.
pub(super) fn unseal<T: DeserializeOwned>(
    version: u16,
    bytes: &[u8],
    (disk, file): (&dyn Disk, &str),
) -> Result<T, CheckpointError> {
    match bytes.split_last_chunk::<{ blake3::OUT_LEN }>() {
        Some((value, sum)) if blake3::hash(value) == *sum => Ok(codec::decode(version, value)?),
        _ => Err(CheckpointError::Damaged {
            file: file.to_owned(),
            place: disk.place(),
            why: "is not what was written, or another version of rsrt wrote it".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::MemoryDisk;

    #[test]
    fn one_changed_bit_or_missing_byte_is_damage() {
        let disk = MemoryDisk::new();
        let read = |bytes: &[u8]| unseal::<(u64, String)>(1, bytes, (&disk, "letters-1"));
        let value = (7, "a row".to_owned());
        let bytes = seal(1, &value).unwrap();
        assert_eq!(read(&bytes).unwrap(), value);
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let error = read(&changed).unwrap_err().to_string();
            assert!(error.contains("letters-1"), "{error}");
        }
    }
}
