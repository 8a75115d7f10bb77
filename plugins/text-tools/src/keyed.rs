//! Values of one key.

use rsrt::prelude::*;

/// The longest of a key's texts; the first of equally long ones.
#[rsrt::reduce(associative)]
pub(crate) fn longest<'a>(a: &'a str, b: &'a str) -> &'a str {
    if b.chars().count() > a.chars().count() {
        b
    } else {
        a
    }
}

/// Sum and number of a key's values, for their mean.
#[rsrt::aggregate(merge = add_sums)]
pub(crate) fn sum_and_count(values: &[f64]) -> (f64, i64) {
    values.iter().fold((0.0, 0), |(sum, n), v| (sum + v, n + 1))
}

/// Two sums and numbers as one.
#[rsrt::reduce(associative)]
pub(crate) fn add_sums(a: (f64, i64), b: (f64, i64)) -> (f64, i64) {
    (a.0 + b.0, a.1 + b.1)
}

/// The mean of a sum and a number.
#[rsrt::map]
pub(crate) fn mean((sum, count): (f64, i64)) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a mean is no more exact")]
    let count = count as f64;
    sum / count
}

/// A key's value when it is not the one before.
#[rsrt::map_with_state]
pub(crate) fn changes(value: Option<&str>, last: &mut State<String>) -> Option<String> {
    let value = value.filter(|value| last.get().is_none_or(|last| last != value))?;
    last.update(value.to_owned());
    Some(value.to_owned())
}

/// For how many batches nothing came of a key. It is forgotten after two, or at a `logout`.
#[rsrt::update_state]
pub(crate) fn quiet(new: &[&str], batches: Option<i64>) -> Option<i64> {
    match (new.last(), batches) {
        (Some(&"logout"), _) => None,
        (Some(_), _) => Some(0),
        (None, batches) => batches.map(|n| n + 1).filter(|n| *n <= 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_quiet_for_two_batches_and_then_forgotten() {
        assert_eq!(quiet(&["a", "b"], Some(2)), Some(0));
        assert_eq!(quiet(&[], Some(1)), Some(2));
        assert_eq!(quiet(&[], Some(2)), None);
        assert_eq!(quiet(&["a", "logout"], Some(0)), None);
    }

    #[test]
    fn the_first_of_the_longest_wins() {
        assert_eq!(longest("ab", "cd"), "ab");
        assert_eq!(longest("ab", "cde"), "cde");
    }

    #[test]
    fn a_mean_comes_of_parts() {
        let parts = add_sums(sum_and_count(&[1.0, 2.0]), sum_and_count(&[6.0]));
        assert_eq!(parts, (9.0, 3));
        assert!((mean(parts) - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn only_changes_pass() {
        let mut last = State::new(None);
        let passed = ["up", "up", "down"].map(|value| changes(Some(value), &mut last));
        assert_eq!(passed, [Some("up".into()), None, Some("down".into())]);
        let mut idle = State::timing_out_with("down".to_owned());
        assert_eq!(changes(None, &mut idle), None);
    }
}
