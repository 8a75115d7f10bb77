//! A record in a segment: length, checksum, number, what was durable when it was written, bytes.
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of the payload, little-endian |
//! | 4 | CRC-32 of all that follows |
//! | 8 | number of the record, from 1, rising by one across segments |
//! | 8 | number of the last record that was durable when this one was written |
//! | length | the payload |
//!
//! The last number tells a torn end from damage: only what a later record calls durable must be
//! there.

/// Bytes before the payload.
pub(super) const HEAD: usize = 24;

/// A record, as it lies in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) durable: u64,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// What comes before a payload in so many parts; none if they are 4 GiB or more.
    pub(super) fn head(number: u64, durable: u64, payload: &[&[u8]]) -> Option<[u8; HEAD]> {
        let length: usize = payload.iter().map(|part| part.len()).sum();
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
        head[8..16].copy_from_slice(&number.to_le_bytes());
        head[16..].copy_from_slice(&durable.to_le_bytes());
        let mut sum = crc32fast::Hasher::new();
        sum.update(&head[8..]);
        for part in payload {
            sum.update(part);
        }
        head[4..8].copy_from_slice(&sum.finalize().to_le_bytes());
        Some(head)
    }

    /// The record at the start of `bytes`; none if there is no whole one.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (sum, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let summed = rest.get(..length.checked_add(16)?)?;
        let (number, tail) = summed.split_first_chunk()?;
        let (durable, payload) = tail.split_first_chunk()?;
        (crc32fast::hash(summed) == u32::from_le_bytes(*sum)).then(|| Self {
            number: u64::from_le_bytes(*number),
            durable: u64::from_le_bytes(*durable),
            payload,
        })
    }

    /// Bytes it takes up.
    pub(super) fn length(&self) -> usize {
        HEAD + self.payload.len()
    }
}

/// Some record in `bytes`, at any place, was written when record `number` was durable.
pub(super) fn vouches(bytes: &[u8], number: u64) -> bool {
    (0..bytes.len()).any(|at| {
        let rest = &bytes[at..];
        // Cheap tests first: a checksum at every byte would take too long.
        let word = |from: usize| -> Option<u64> {
            let bytes = rest.get(from..from + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let is_likely = word(8).zip(word(16)).is_some_and(|(own, durable)| {
            durable >= number && own > durable && own - number < 1 << 32
        });
        is_likely && Frame::read(rest).is_some()
    })
}
