//! The last that was written.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use super::lock;

/// Bytes that are kept.
const KEPT: usize = 64 << 10;

/// Keeps the last bytes that were written to it. Clones write to the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    pub(super) fn bytes(&self) -> Vec<u8> {
        lock(&self.0).iter().copied().collect()
    }
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = lock(&self.0);
        kept.extend(&bytes[bytes.len().saturating_sub(KEPT)..]);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept() {
        let mut tail = Tail::default();
        tail.write_all(b"first").unwrap();
        tail.write_all(&vec![b'x'; KEPT - 3]).unwrap();
        tail.write_all(b"z").unwrap();
        let kept = tail.bytes();
        assert_eq!(
            (kept.len(), &kept[..3], kept[KEPT - 1]),
            (KEPT, &b"stx"[..], b'z')
        );
        tail.write_all(&vec![b'y'; KEPT * 2]).unwrap();
        assert_eq!(tail.bytes(), vec![b'y'; KEPT]);
    }
}
