//! Whatever is handed to rsrt from outside, and whatever lies on its disks, changed at random: it is
//! refused, or it means what it meant. Never a panic, never silence.
//!
//! A test run tries few; `PROPTEST_CASES=20000 cargo test -p rsrt --test it fuzz::` tries more.

mod checkpoints;
mod components;
mod rows;
mod stores;
mod topologies;

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::Config};

/// So many cases, or what the variable says, which proptest reads.
pub(crate) fn cases(few: u32) -> Config {
    const UNLESS_TOLD: u32 = 256;
    let told = Config::default();
    Config {
        cases: match told.cases {
            UNLESS_TOLD => few,
            wanted => wanted,
        },
        failure_persistence: None,
        max_shrink_iters: 200,
        ..told
    }
}

/// One change of some bytes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// One byte becomes another.
    Byte(Index, u8),
    /// One bit flips.
    Bit(Index, u8),
    /// Four bytes become a number that counts and offsets run into.
    Number(Index, u32),
    /// The rest is gone.
    Cut(Index),
    /// A stretch is gone.
    Remove(Index, usize),
    /// A stretch comes again.
    Repeat(Index, usize),
    /// A stretch becomes zeros.
    Zero(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let numbers =
        prop::sample::select(vec![0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX]);
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Change::Bit(at, bit)),
        2 => (any::<Index>(), numbers).prop_map(|(at, number)| Change::Number(at, number)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), 1_usize..64).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (any::<Index>(), 1_usize..64).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => (any::<Index>(), 1_usize..64).prop_map(|(at, length)| Change::Zero(at, length)),
    ]
}

pub(crate) fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    vec(change(), 1..=most)
}

/// The bytes after these changes.
pub(crate) fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let size = bytes.len();
        let stretch = |at: &Index, length: usize| {
            let at = at.index(size);
            at..(at + length).min(size)
        };
        match change {
            Change::Byte(at, byte) => bytes[at.index(size)] = *byte,
            Change::Bit(at, bit) => bytes[at.index(size)] ^= 1 << bit,
            Change::Number(at, number) => {
                let stretch = stretch(at, 4);
                let number = number.to_le_bytes();
                let length = stretch.len();
                bytes[stretch].copy_from_slice(&number[..length]);
            }
            Change::Cut(at) => bytes.truncate(at.index(size)),
            Change::Remove(at, length) => drop(bytes.drain(stretch(at, *length))),
            Change::Repeat(at, length) => {
                let stretch = stretch(at, *length);
                let again = bytes[stretch.clone()].to_vec();
                bytes.splice(stretch.end..stretch.end, again);
            }
            Change::Zero(at, length) => bytes[stretch(at, *length)].fill(0),
        }
    }
    bytes
}
