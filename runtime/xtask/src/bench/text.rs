//! Text to measure with: the same bytes on every machine, in every version.
//!
//! A vocabulary of 100,000 made-up words, drawn by Zipf's law (the word of rank r is r times as
//! rare as the first), 5 to 15 words a line. Integers only, so nothing depends on how floats round.

use std::{
    collections::HashSet,
    io::{self, Write},
};

const SEED: u64 = 0x7273_7274; // "rsrt"
const WORDS: usize = 100_000;

/// SplitMix64: small, seedable, and its outputs are part of the format here.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        let scaled = (u128::from(self.next()) * u128::from(bound)) >> 64;
        u64::try_from(scaled).unwrap_or(0) // it is less than `bound`
    }

    fn letter(&mut self) -> char {
        const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
        let index = usize::try_from(self.below(26)).unwrap_or(0);
        char::from(LETTERS[index])
    }
}

/// The word of this rank, counted from 0.
pub(super) fn word(rank: usize) -> String {
    vocabulary(rank + 1).pop().unwrap_or_default()
}

/// Lines of two numbers, sixteen bytes each: every key below `keys` once before any comes again, in
/// an order that jumps about.
pub(super) fn pairs(out: &mut impl Write, lines: u64, keys: u64) -> io::Result<()> {
    const STEP: u64 = 61_803_399; // a prime, so that it meets every key
    for line in 0..lines {
        writeln!(out, "{:07},{:07}", (line * STEP) % keys, line % 1_000_000)?;
    }
    Ok(())
}

/// The most frequent words, the first one first; frequent ones are short, as in real text.
fn vocabulary(count: usize) -> Vec<String> {
    let mut random = Random(SEED);
    let mut known = HashSet::with_capacity(count);
    let mut words = Vec::with_capacity(count);
    while words.len() < count {
        let shortest = match words.len() {
            0..20 => 1,
            20..200 => 3,
            200..2_000 => 4,
            2_000..20_000 => 6,
            _ => 8,
        };
        let length = shortest + random.below(4);
        let word: String = (0..length).map(|_| random.letter()).collect();
        if known.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

/// Writes whole lines, `bytes` of them at least.
pub(super) fn write(out: &mut impl Write, bytes: u64) -> io::Result<()> {
    let words = vocabulary(WORDS);
    let mut total = 0;
    let up_to_rank: Vec<u64> = (1..=WORDS as u64)
        .map(|rank| {
            total += (1 << 40) / rank;
            total
        })
        .collect();
    let mut random = Random(!SEED);
    let (mut line, mut written) = (String::new(), 0);
    while written < bytes {
        line.clear();
        for place in 0..5 + random.below(11) {
            let draw = random.below(total);
            let rank = up_to_rank.partition_point(|up_to| *up_to <= draw);
            if place > 0 {
                line.push(' ');
            }
            line.push_str(&words[rank]);
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: u64) -> String {
        let mut text = Vec::new();
        write(&mut text, bytes).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_text_never_changes() {
        // Figures of different versions compare only as long as this holds.
        let text = text(100_000);
        let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(
            text.lines().next(),
            Some("lekdfate tkgun cydjkihr gjehzy nmblhuei yd")
        );
        assert_eq!((text.len(), digest), (100_031, 0x6def_4616_1c98_3e51));
    }

    #[test]
    fn words_are_distinct_and_follow_zipf() {
        let words = vocabulary(WORDS);
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), WORDS);
        let text = text(1_000_000);
        let count = |word: &str| text.split_whitespace().filter(|w| *w == word).count();
        let (first, tenth) = (count(&words[0]), count(&words[9]));
        assert!((8..=12).contains(&(first / tenth)), "{first} {tenth}");
        let per_line = text.split_whitespace().count() / text.lines().count();
        assert!((9..=10).contains(&per_line), "{per_line}");
    }
}
