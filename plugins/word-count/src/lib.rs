//! Splits text into words and counts them.

use rsrt::prelude::*;

/// Splits a line at white space into (word, 1).
#[rsrt::flat_map(combine = [sum, "std:sum"])]
fn split(line: &str, out: &mut Emitter<(&str, i64)>) {
    for word in line.split_whitespace() {
        out.emit((word, 1));
    }
}

/// Adds two counts.
#[rsrt::reduce(associative, inverse = subtract)]
fn sum(a: i64, b: i64) -> i64 {
    a + b
}

/// Takes a count out of a sum: the inverse of `sum`.
#[rsrt::reduce]
fn subtract(sum: i64, leaving: i64) -> i64 {
    sum - leaving
}

/// Counts since the beginning.
#[rsrt::update_state(skips_idle)]
fn running(new: &[i64], state: Option<i64>) -> Option<i64> {
    Some(state.unwrap_or(0) + new.iter().sum::<i64>())
}

rsrt::plugin! { split, sum, subtract, running }
