//! One bit an item, as the interface packs them.

/// A growing bitmap.
#[derive(Debug, Clone, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    len: usize,
    zeros: usize,
}

impl Bits {
    /// Empty, with room for this many bits.
    pub fn with_room(bits: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bits.div_ceil(8)),
            len: 0,
            zeros: 0,
        }
    }

    /// Appends a bit.
    #[inline]
    pub fn push(&mut self, bit: bool) {
        let place = self.len % 8;
        if place == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << place;
        }
        self.len += 1;
        self.zeros += usize::from(!bit);
    }

    /// Drops all bits from `len` on.
    pub fn truncate(&mut self, len: usize) {
        for at in len..self.len {
            self.zeros -= usize::from(!bit(&self.bytes, at));
        }
        self.len = self.len.min(len);
        self.bytes.truncate(self.len.div_ceil(8));
        if !self.len.is_multiple_of(8)
            && let Some(last) = self.bytes.last_mut()
        {
            *last &= (1 << (self.len % 8)) - 1;
        }
    }

    /// Whether every bit is 1.
    pub fn all(&self) -> bool {
        self.zeros == 0
    }

    /// The packed bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The packed bytes, or none if every bit is 1.
    pub fn into_validity(self) -> Option<Vec<u8>> {
        (!self.all()).then_some(self.bytes)
    }
}

/// Bit `at` of a packed bitmap.
#[inline]
pub(crate) fn bit(bytes: &[u8], at: usize) -> bool {
    bytes[at / 8] >> (at % 8) & 1 == 1
}
