//! A running sum whose state is another in each version, and migrations of it: two that do nothing
//! wrong, and what can be wrong with one.

use std::num::ParseIntError;

use rsrt::functions::{Entry, Exported, MigrationEntry, State};

use crate::traps;

/// The sum so far.
#[rsrt::update_state]
#[expect(clippy::unnecessary_wraps, reason = "no sum is ever forgotten")]
pub(crate) fn tally(new: &[i64], sum: Option<i64>) -> Option<i64> {
    Some(sum.unwrap_or(0) + new.iter().sum::<i64>())
}

/// The same as text.
#[rsrt::update_state(version = 2)]
#[expect(clippy::unnecessary_wraps, reason = "no sum is ever forgotten")]
pub(crate) fn tally_text(new: &[i64], sum: Option<String>) -> Option<String> {
    let sum = sum.map_or(Ok(0), |sum| sum.parse::<i64>());
    Some((sum.unwrap_or(i64::MIN) + new.iter().sum::<i64>()).to_string())
}

#[rsrt::migrate(function = tally_text, since = 1)]
pub(crate) fn text_of_number(sum: i64) -> String {
    sum.to_string()
}

/// The same as a number again.
#[rsrt::update_state(version = 3)]
pub(crate) fn tally_again(new: &[i64], sum: Option<i64>) -> Option<i64> {
    tally(new, sum)
}

#[rsrt::migrate(function = tally_again, since = 2)]
pub(crate) fn number_of_text(sum: &str) -> Result<i64, ParseIntError> {
    sum.parse()
}

/// The sum so far of each key, which is forgotten when five divides it.
#[rsrt::map_with_state]
pub(crate) fn kept(new: Option<i64>, sum: &mut State<i64>) -> Option<i64> {
    let total = sum.get().copied().unwrap_or(0) + new?;
    match total % 5 {
        0 => sum.remove(),
        _ => sum.update(total),
    }
    Some(total)
}

/// The same, which remembers it as text.
#[rsrt::map_with_state(version = 2)]
pub(crate) fn kept_text(new: Option<i64>, sum: &mut State<String>) -> Option<i64> {
    let before = sum.get().map_or(Ok(0), |sum| sum.parse::<i64>());
    let total = before.unwrap_or(i64::MIN) + new?;
    match total % 5 {
        0 => sum.remove(),
        _ => sum.update(total.to_string()),
    }
    Some(total)
}

#[rsrt::migrate(function = kept_text, since = 1)]
pub(crate) fn text_of_kept(sum: i64) -> String {
    sum.to_string()
}

/// The same; its migration panics.
#[rsrt::update_state(version = 2)]
pub(crate) fn tally_panics(new: &[i64], sum: Option<i64>) -> Option<i64> {
    tally(new, sum)
}

#[rsrt::migrate(function = tally_panics, since = 1)]
pub(crate) fn panics_of_number(sum: i64) -> i64 {
    assert!(sum < 0, "poison");
    sum
}

/// The same; its migration never ends.
#[rsrt::update_state(version = 2)]
pub(crate) fn tally_spins(new: &[i64], sum: Option<i64>) -> Option<i64> {
    tally(new, sum)
}

#[rsrt::migrate(function = tally_spins, since = 1)]
pub(crate) fn spins_of_number(sum: i64) -> i64 {
    traps::spins("") + sum
}

/// The same; its migration loses a state.
#[rsrt::update_state(version = 2)]
pub(crate) fn tally_lies(new: &[i64], sum: Option<i64>) -> Option<i64> {
    tally(new, sum)
}

/// Stands for its migration in the plugin's list.
#[expect(non_camel_case_types, reason = "the list looks for this name")]
pub(crate) enum __rsrt_lies_of_number {}

impl Exported for __rsrt_lies_of_number {
    const ENTRIES: &'static [Entry] = &[Entry::Migration(MigrationEntry {
        of: "tally-lies",
        since: 1,
        migrate: |mut states| {
            states.rows += 1;
            Ok(states)
        },
    })];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_goes_on_as_another() {
        assert_eq!(
            tally_text(&[1], Some(text_of_number(2))).as_deref(),
            Some("3")
        );
        assert_eq!(tally_again(&[1], number_of_text("3").ok()), Some(4));
    }
}
