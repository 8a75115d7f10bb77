//! Values by key, keys in order of arrival.
//!
//! Open addressing over dense entries. A slot holds 32 bits of the hash and an entry's number, so
//! most misses cost one comparison. An entry holds the first and the last eight bytes of its key;
//! together with the length they are the whole key up to 16 bytes, so short keys are compared
//! without a look at the bytes themselves.

/// The table.
pub(crate) struct Table<V> {
    /// Hash in the upper half, entry number + 1 in the lower; 0 is free. A power of two of them.
    slots: Vec<u64>,
    entries: Vec<Entry<V>>,
    /// All keys, one after another.
    keys: Vec<u8>,
}

struct Entry<V> {
    probe: Probe,
    start: u32,
    value: V,
}

/// What is compared first.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Probe {
    head: u64,
    tail: u64,
    len: u32,
}

/// What `upsert` did.
pub(crate) enum Change<V> {
    /// The key is new.
    Added,
    /// The entry had this value.
    Replaced(u32, V),
}

const FIRST_SLOTS: usize = 1024;

impl<V> Table<V> {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![0; FIRST_SLOTS],
            entries: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Keys in the table.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all keys.
    pub(crate) fn key_bytes(&self) -> usize {
        self.keys.len()
    }

    /// Key and value of an entry, by number in order of arrival.
    pub(crate) fn get(&self, at: usize) -> (&[u8], &V) {
        let entry = &self.entries[at];
        (self.key(entry), &entry.value)
    }

    /// Forgets all keys.
    pub(crate) fn clear(&mut self) {
        self.slots.fill(0);
        self.entries.clear();
        self.keys.clear();
    }

    fn key(&self, entry: &Entry<V>) -> &[u8] {
        let start = entry.start as usize;
        &self.keys[start..start + entry.probe.len as usize]
    }

    /// The slot of this key, or the free one where it belongs.
    #[inline]
    fn find(&self, key: &[u8], probe: Probe, hash: u64) -> (usize, Option<usize>) {
        let mask = self.slots.len() - 1;
        let mut at = place(hash) & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return (at, None);
            }
            if slot >> 32 == hash >> 32 {
                let found = number(slot);
                let entry = &self.entries[found];
                if entry.probe == probe && (key.len() <= 16 || same(self.key(entry), key)) {
                    return (at, Some(found));
                }
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mut slots = vec![0; self.slots.len() * 2];
        let mask = slots.len() - 1;
        for (number, entry) in self.entries.iter().enumerate() {
            let hash = hash(self.key(entry), entry.probe);
            let mut at = place(hash) & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = slot(hash, number);
        }
        self.slots = slots;
    }

    /// Takes the newest entry out. Its slot can simply be freed: nothing came after it.
    pub(crate) fn pop(&mut self) {
        let Some(entry) = self.entries.last() else {
            return;
        };
        let key = self.key(entry);
        let (at, _) = self.find(key, entry.probe, hash(key, entry.probe));
        let start = entry.start as usize;
        self.slots[at] = 0;
        self.entries.pop();
        self.keys.truncate(start);
    }

    /// Sets the value of an entry.
    pub(crate) fn set(&mut self, number: u32, value: V) {
        self.entries[number as usize].value = value;
    }
}

impl<V: Clone> Table<V> {
    /// Adds a key, or combines its value with this one. Says what changed if asked to `tell`.
    #[inline]
    pub(crate) fn upsert(
        &mut self,
        key: &[u8],
        value: V,
        tell: bool,
        combine: impl FnOnce(V, V) -> V,
    ) -> Option<Change<V>> {
        let probe = Probe::of(key);
        let hash = hash(key, probe);
        match self.find(key, probe, hash) {
            (_, Some(found)) => {
                let held = &mut self.entries[found].value;
                let change = tell.then(|| Change::Replaced(low(found), held.clone()));
                *held = combine(held.clone(), value);
                change
            }
            (at, None) => {
                self.add(at, key, probe, hash, value);
                tell.then_some(Change::Added)
            }
        }
    }

    fn add(&mut self, at: usize, key: &[u8], probe: Probe, hash: u64, value: V) {
        self.slots[at] = slot(hash, self.entries.len());
        let start = low(self.keys.len());
        self.keys.extend_from_slice(key);
        self.entries.push(Entry {
            probe,
            start,
            value,
        });
        if self.entries.len() * 4 > self.slots.len() * 3 {
            self.grow();
        }
    }
}

impl Probe {
    #[inline]
    fn of(key: &[u8]) -> Self {
        let (head, tail) = match (key.first_chunk(), key.last_chunk()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => (short(key), 0),
        };
        Self {
            head,
            tail,
            len: low(key.len()),
        }
    }
}

/// Up to seven bytes as a number; with the length it says what they are.
#[inline]
fn short(key: &[u8]) -> u64 {
    match (key.first_chunk(), key.last_chunk()) {
        (Some(head), Some(tail)) => {
            u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << 32
        }
        _ => match key {
            [] => 0,
            [a] => u64::from(*a),
            [a, b] => u64::from(*a) | u64::from(*b) << 8,
            [a, b, .., c] => u64::from(*a) | u64::from(*b) << 8 | u64::from(*c) << 16,
        },
    }
}

/// 64-bit multiplies only: a sandbox has no wider ones.
#[inline]
fn hash(key: &[u8], probe: Probe) -> u64 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd6e8_feb8_6659_fd93;
    let mut hash = (probe.head ^ u64::from(probe.len) << 56).wrapping_mul(A);
    if key.len() > 16 {
        let middle = key[8..key.len() - 8].as_chunks();
        for chunk in middle.0 {
            hash = (hash.rotate_left(32) ^ u64::from_le_bytes(*chunk)).wrapping_mul(A);
        }
        // What is left of the middle lies in the last 16 bytes.
        if let Some(before) = key[..key.len() - 8].last_chunk::<8>() {
            hash = (hash.rotate_left(32) ^ u64::from_le_bytes(*before)).wrapping_mul(A);
        }
    }
    hash = (hash.rotate_left(32) ^ probe.tail).wrapping_mul(B);
    hash ^ hash >> 32
}

/// Where the search starts.
#[inline]
fn place(hash: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
    let low = hash as u32;
    low as usize
}

#[inline]
fn slot(hash: u64, number: usize) -> u64 {
    hash >> 32 << 32 | u64::from(low(number) + 1)
}

#[inline]
fn number(slot: u64) -> usize {
    place(slot) - 1
}

/// Sizes here are below the caps of `Combining`, and a guest's memory is below 4 GiB.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "see above")]
fn low(size: usize) -> u32 {
    size as u32
}

/// Equality of keys whose ends are known to be equal: eight bytes at a time, without a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    // The rest, less than eight bytes, lies in the equal ends.
    let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let words = a.iter().zip(b);
    words.fold(0, |differ, (a, b)| {
        differ | (u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b))
    }) == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Numbers that look random and are the same each time (a linear congruence, high bits).
    fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
        move |below| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        }
    }

    /// A key over few letters, so that many share their ends.
    fn key(next: &mut impl FnMut(u64) -> u64, longest: u64) -> Vec<u8> {
        let len = next(longest + 1);
        (0..len).map(|_| u8::try_from(next(2)).unwrap()).collect()
    }

    #[test]
    fn a_table_holds_what_a_hash_map_does_in_order_of_arrival() {
        for seed in 0..40 {
            let mut next = numbers(seed);
            let longest = [3, 8, 17, 40][usize::try_from(seed % 4).unwrap()];
            let (mut table, mut expected) = (Table::new(), HashMap::new());
            let mut order = Vec::new();
            for _ in 0..3_000 {
                let (key, value) = (key(&mut next, longest), next(100));
                table.upsert(&key, value, false, |a, b| a + b);
                let sum = expected.entry(key.clone()).or_insert_with(|| {
                    order.push(key);
                    0
                });
                *sum += value;
            }
            assert_eq!(table.len(), order.len());
            for (at, key) in order.iter().enumerate() {
                assert_eq!(table.get(at), (&key[..], &expected[key]), "seed {seed}");
            }
        }
    }

    #[test]
    fn changes_that_are_taken_back_leave_no_trace() {
        for seed in 0..20 {
            let mut next = numbers(seed);
            let (mut table, mut twin) = (Table::new(), Table::new());
            for round in 0..400 {
                let mut changes = Vec::new();
                let rejected = next(3) == 0;
                for _ in 0..next(20) {
                    let (key, value) = (key(&mut next, 12), next(100));
                    changes.extend(table.upsert(&key, value, true, |a, b| a + b));
                    if !rejected {
                        twin.upsert(&key, value, false, |a, b| a + b);
                    }
                }
                if rejected {
                    for change in changes.into_iter().rev() {
                        match change {
                            Change::Added => table.pop(),
                            Change::Replaced(number, old) => table.set(number, old),
                        }
                    }
                }
                assert_eq!(table.len(), twin.len(), "seed {seed}, round {round}");
            }
            for at in 0..table.len() {
                assert_eq!(table.get(at), twin.get(at));
            }
        }
    }

    #[test]
    fn a_cleared_table_starts_again() {
        let mut table = Table::new();
        table.upsert(b"a", 1, false, |a, b| a + b);
        table.clear();
        assert_eq!((table.len(), table.key_bytes()), (0, 0));
        table.upsert(b"a", 2, false, |a, b| a + b);
        assert_eq!(table.get(0), (&b"a"[..], &2));
    }

    #[test]
    fn keys_of_equal_letters_differ_by_length() {
        let mut table = Table::new();
        for len in 0..40 {
            table.upsert(&vec![b'a'; len], len, false, |a, _| a);
        }
        assert_eq!(table.len(), 40);
    }
}
