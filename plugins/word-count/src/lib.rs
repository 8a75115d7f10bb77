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

/// Keeps words that were seen at all.
#[rsrt::filter]
fn seen((_, count): (&str, i64)) -> bool {
    count > 0
}

/// Counts since the beginning.
#[rsrt::update_state(skips_idle)]
#[expect(clippy::unnecessary_wraps, reason = "no count is ever forgotten")]
fn running(new: &[i64], state: Option<i64>) -> Option<i64> {
    Some(state.unwrap_or(0) + new.iter().sum::<i64>())
}

rsrt::plugin! { split, sum, subtract, seen, running }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_any_white_space_and_case_is_kept() {
        let mut out = Emitter::new();
        split("  To be,\tor\u{a0}not To ", &mut out);
        let words = ["To", "be,", "or", "not", "To"].map(|word| (word, 1));
        assert_eq!(out.rows(), words);
    }

    #[test]
    fn a_line_of_nothing_has_no_words() {
        let mut out = Emitter::new();
        split("", &mut out);
        split(" \t ", &mut out);
        assert!(out.rows().is_empty());
    }

    #[test]
    fn what_leaves_a_window_is_taken_out() {
        assert_eq!(subtract(sum(2, 3), 2), 3);
    }

    #[test]
    fn counts_go_on_and_stay_when_nothing_comes() {
        assert_eq!(running(&[1, 1], None), Some(2));
        assert_eq!(running(&[1], Some(2)), Some(3));
        assert_eq!(running(&[], Some(3)), Some(3));
    }
}
