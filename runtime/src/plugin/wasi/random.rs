//! `wasi:random`: numbers that look random and are the same each time a task runs.

use wasmtime::component::LinkerInstance;

use super::{Refusal, Store, world};
use crate::plugin::host::Host;

/// SplitMix64: every seed is as good as any other. Nobody's secrets depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length.next_multiple_of(8));
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// Defines a function of the package; false if there is none of this name.
pub(super) fn define(linker: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "get-random-bytes" | "get-insecure-random-bytes" => linker.func_wrap(name, bytes)?,
        "get-random-u64" | "get-insecure-random-u64" => {
            linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
                Ok((world(&mut store)?.random.next(),))
            })?;
        }
        "insecure-seed" => linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
            let random = &mut world(&mut store)?.random;
            Ok(((random.next(), random.next()),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn bytes(mut store: Store<'_>, (wanted,): (u64,)) -> wasmtime::Result<(Vec<u8>,)> {
    let most = store.data().limits.output;
    let length = usize::try_from(wanted).ok().filter(|bytes| *bytes <= most);
    let length = length.ok_or(Refusal::TooRandom(wanted))?;
    Ok((world(&mut store)?.random.bytes(length),))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // The first numbers of the reference implementation (Vigna) from the seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn bytes_are_as_many_as_wanted() {
        for length in [0, 1, 8, 13] {
            assert_eq!(Random::new(1).bytes(length).len(), length);
        }
        assert_eq!(Random::new(1).bytes(9)[..8], Random::new(1).bytes(8)[..]);
    }
}
