//! Functions to measure with: next to no work of their own, so that what is around them shows.

use std::{convert::Infallible, str::FromStr};

use memchr::memmem::Finder;
use rsrt::prelude::*;

/// The same line again.
#[rsrt::map]
fn same(line: &str) -> &str {
    line
}

/// Settings of `contains`.
#[derive(Settings)]
struct Contains {
    needle: Needle,
}

/// Text to look for, prepared once.
struct Needle(Finder<'static>);

impl FromStr for Needle {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Finder::new(text).into_owned()))
    }
}

/// Lines that hold the text `needle`.
#[rsrt::filter]
fn contains(#[settings] settings: &Contains, line: &str) -> bool {
    settings.needle.0.find(line.as_bytes()).is_some()
}

/// The third field of a line whose fields are separated by single spaces; empty if it has none.
#[rsrt::map]
fn third_field(line: &str) -> &str {
    line.split(' ').nth(2).unwrap_or("")
}

/// Splits a line at white space into (word, 1), without a map-side combine.
#[rsrt::flat_map]
fn words(line: &str, out: &mut Emitter<(&str, i64)>) {
    for word in line.split_whitespace() {
        out.emit((word, 1));
    }
}

/// For each two neighbouring words of a line: the first two letters of the one and the first of the
/// other as a key, and how their lengths compare.
#[rsrt::flat_map(combine = add)]
fn neighbours(line: &str, out: &mut Emitter<(i64, f64)>) {
    let mut words = line.split_ascii_whitespace();
    let Some(mut left) = words.next() else {
        return;
    };
    for right in words {
        out.emit((
            letters(left, 2) << 8 | letters(right, 1),
            ratio(left, right),
        ));
        left = right;
    }
}

fn letters(word: &str, most: usize) -> i64 {
    let letters = word.bytes().take(most);
    letters.fold(0, |all, letter| all << 8 | i64::from(letter))
}

fn ratio(left: &str, right: &str) -> f64 {
    left.len() as f64 / (right.len() as f64 + 1.0)
}

/// The sum of two numbers.
#[rsrt::reduce(associative)]
fn add(a: f64, b: f64) -> f64 {
    a + b
}

/// The sum of a key's values so far, for each value.
#[rsrt::map_with_state]
fn total(value: Option<i64>, sum: &mut State<i64>) -> Option<i64> {
    let total = sum.get().copied().unwrap_or(0) + value?;
    sum.update(total);
    Some(total)
}

rsrt::plugin! { same, contains, third_field, words, neighbours, add, total }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_the_needle_are_kept() {
        let settings = Contains {
            needle: "red".parse().unwrap(),
        };
        assert!(contains(&settings, "a hundred"));
        assert!(!contains(&settings, "a thousand"));
    }

    #[test]
    fn the_third_field_may_be_missing() {
        assert_eq!(third_field("a b c d"), "c");
        assert_eq!(third_field("a b"), "");
    }

    #[test]
    fn words_are_compared_by_length() {
        assert_eq!(letters("abc", 2) << 8 | letters("c", 1), 0x61_6263);
        assert!((ratio("abc", "c") - 1.5).abs() < f64::EPSILON);
    }
}
