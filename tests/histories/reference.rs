//! What verbs over several batches mean: a stream is a list of batches, a batch a list of rows, and
//! each verb goes through the batches one after the other. Written from the rules (spec 5 to 7) and
//! not from the runtime; slow and plain on purpose.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The batches of a stream: the first is number 1. None: no batch.
pub(super) type Batches = Vec<Option<Vec<Value>>>;

/// Pairs of text and a number, by key.
type Sums = BTreeMap<String, i64>;

/// In batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) length: usize,
    pub(super) slide: usize,
}

/// Which rows without a partner a join keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeps {
    pub(super) left: bool,
    pub(super) right: bool,
}

fn key(row: &Value) -> String {
    row[0].as_str().unwrap().to_owned()
}

fn sums<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Sums {
    let mut sums = Sums::new();
    for row in rows {
        *sums.entry(key(row)).or_insert(0) += row[1].as_i64().unwrap();
    }
    sums
}

fn pairs(sums: &Sums) -> Vec<Value> {
    sums.iter().map(|(key, sum)| json!([key, sum])).collect()
}

fn grouped<'a>(rows: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, Vec<Value>> {
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row[1].clone());
    }
    groups
}

/// Rows of the batches with a number in (from, to] (spec 7.2); those that are not there are skipped.
fn between(input: &Batches, from: isize, to: usize) -> Vec<Value> {
    let numbers = (1..=input.len()).filter(|n| isize::try_from(*n).unwrap() > from && *n <= to);
    let batches = numbers.filter_map(|n| input[n - 1].clone());
    batches.flatten().collect()
}

/// What `of` makes of each number that is a multiple of the slide (spec 2.2).
fn sliding(
    input: &Batches,
    slide: usize,
    mut of: impl FnMut(usize) -> Option<Vec<Value>>,
) -> Batches {
    let numbers = 1..=input.len();
    numbers
        .map(|n| if n % slide == 0 { of(n) } else { None })
        .collect()
}

fn inside(input: &Batches, n: usize, length: usize) -> Vec<Value> {
    between(input, signed(n) - signed(length), n)
}

fn signed(n: usize) -> isize {
    isize::try_from(n).unwrap()
}

/// Spec 5.2.
pub(super) fn reduce_by_key(input: &Batches) -> Batches {
    let batches = input.iter();
    batches
        .map(|rows| Some(pairs(&sums(rows.as_ref()?))))
        .collect()
}

/// Spec 5.2.
pub(super) fn group_by_key(input: &Batches) -> Batches {
    let batches = input.iter();
    batches
        .map(|rows| Some(lists(&grouped(rows.as_ref()?))))
        .collect()
}

fn lists(groups: &BTreeMap<String, Vec<Value>>) -> Vec<Value> {
    groups
        .iter()
        .map(|(key, values)| json!([key, values]))
        .collect()
}

/// Spec 5.2: within the same batch, a cross product for each key.
pub(super) fn join(left: &Batches, right: &Batches, keeps: Keeps) -> Batches {
    let batches = left.iter().zip(right);
    batches
        .map(|(left, right)| {
            let (left, right) = (left.as_ref()?, right.as_ref()?);
            let mut rows = Vec::new();
            for l in left {
                let partners: Vec<_> = right.iter().filter(|r| r[0] == l[0]).collect();
                rows.extend(partners.iter().map(|r| json!([l[0], [l[1], r[1]]])));
                if partners.is_empty() && keeps.left {
                    rows.push(json!([l[0], [l[1], null]]));
                }
            }
            for r in right {
                if keeps.right && left.iter().all(|l| l[0] != r[0]) {
                    rows.push(json!([r[0], [null, r[1]]]));
                }
            }
            Some(rows)
        })
        .collect()
}

/// Spec 5.2: keys of either side.
pub(super) fn cogroup(left: &Batches, right: &Batches) -> Batches {
    let batches = left.iter().zip(right);
    batches
        .map(|(left, right)| {
            let (mut left, mut right) = (grouped(left.as_ref()?), grouped(right.as_ref()?));
            let keys: std::collections::BTreeSet<_> =
                left.keys().chain(right.keys()).cloned().collect();
            let row = |key: String| {
                let (l, r) = (left.remove(&key), right.remove(&key));
                json!([key, [l.unwrap_or_default(), r.unwrap_or_default()]])
            };
            Some(keys.into_iter().map(row).collect())
        })
        .collect()
}

/// Spec 5.2.
pub(super) fn union(left: &Batches, right: &Batches) -> Batches {
    let batches = left.iter().zip(right);
    batches
        .map(|(left, right)| Some([left.as_deref()?, right.as_deref()?].concat()))
        .collect()
}

/// `running`, which adds (spec 6.1 to 6.3). `slide` is that of the input.
pub(super) fn update_state(input: &Batches, slide: usize) -> Batches {
    let mut state: Option<Sums> = None;
    sliding(input, slide, |n| {
        let rows = input[n - 1].as_ref();
        if rows.is_none() && state.is_none() {
            return None;
        }
        let state = state.get_or_insert_default();
        for (key, sum) in sums(rows.into_iter().flatten()) {
            *state.entry(key).or_insert(0) += sum;
        }
        Some(pairs(state))
    })
}

/// `changes`, which passes on a value that is not the one before, with a timeout in batches that is
/// looked at in each `checkpoint`-th batch (spec 6.5). The rows passed on, and the snapshots.
pub(super) fn map_with_state(
    input: &Batches,
    timeout: usize,
    checkpoint: usize,
) -> (Batches, Batches) {
    let mut states: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let (mut passed, mut snapshots) = (Vec::new(), Vec::new());
    for (at, rows) in input.iter().enumerate() {
        let n = at + 1;
        let mut out = Vec::new();
        for row in rows.iter().flatten() {
            let value = row[1].as_str().unwrap();
            let last = states.get(&key(row)).map(|(value, _)| value.as_str());
            if last != Some(value) {
                out.push(json!(value));
            }
            states.insert(key(row), (value.to_owned(), n));
        }
        if n % checkpoint == 0 {
            // Strictly before; `changes` says nothing when a key's time is up.
            states.retain(|_, (_, touched)| *touched + timeout >= n);
        }
        passed.push(Some(out));
        let rows = states.iter().map(|(key, (value, _))| json!([key, value]));
        snapshots.push(Some(rows.collect()));
    }
    (passed, snapshots)
}

/// Spec 7.3.
pub(super) fn window(input: &Batches, window: Window) -> Batches {
    sliding(input, window.slide, |n| {
        Some(inside(input, n, window.length))
    })
}

/// Spec 7.4.
pub(super) fn reduce_by_key_and_window(input: &Batches, window: Window) -> Batches {
    sliding(input, window.slide, |n| {
        Some(pairs(&sums(&inside(input, n, window.length))))
    })
}

/// Spec 7.5, without a filter: keys stay.
pub(super) fn inverse(input: &Batches, window: Window) -> Batches {
    let mut previous = Sums::new();
    let Window { length, slide } = window;
    sliding(input, slide, |n| {
        let before = signed(n) - signed(slide);
        let end = n.saturating_sub(length);
        for (key, gone) in sums(&between(input, before - signed(length), end)) {
            *previous.get_mut(&key).unwrap() -= gone;
        }
        for (key, sum) in sums(&between(input, before, n)) {
            *previous.entry(key).or_insert(0) += sum;
        }
        Some(pairs(&previous))
    })
}

/// Spec 7.6: nothing before the first row ever, then how many.
pub(super) fn count_by_window(input: &Batches, window: Window) -> Batches {
    sliding(input, window.slide, |n| {
        let ever = !between(input, 0, n).is_empty();
        let count = inside(input, n, window.length).len();
        Some(if ever { vec![json!(count)] } else { Vec::new() })
    })
}

/// Spec 7.6.
pub(super) fn count_by_value_and_window(input: &Batches, window: Window) -> Batches {
    sliding(input, window.slide, |n| {
        let mut counts: BTreeMap<String, (Value, i64)> = BTreeMap::new();
        for row in inside(input, n, window.length) {
            counts.entry(row.to_string()).or_insert((row, 0)).1 += 1;
        }
        Some(
            counts
                .into_values()
                .map(|(row, n)| json!([row, n]))
                .collect(),
        )
    })
}

/// Spec 7.4.
pub(super) fn group_by_key_and_window(input: &Batches, window: Window) -> Batches {
    sliding(input, window.slide, |n| {
        Some(lists(&grouped(&inside(input, n, window.length))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(batches: Value) -> Batches {
        serde_json::from_value(batches).unwrap()
    }

    #[test]
    fn windows_begin_partial_and_a_long_slide_leaves_gaps() {
        // Spec 7.2.
        let input = batches(json!([[["a", 1]], [["a", 2]], null, [["a", 4]]]));
        let (length, slide) = (2, 1);
        let windows = reduce_by_key_and_window(&input, Window { length, slide });
        let expected = json!([[["a", 1]], [["a", 3]], [["a", 2]], [["a", 4]]]);
        assert_eq!(windows, batches(expected));
        let (length, slide) = (1, 2);
        let windows = window(&input, Window { length, slide });
        assert_eq!(
            windows,
            batches(json!([null, [["a", 2]], null, [["a", 4]]]))
        );
    }

    #[test]
    fn an_inverse_without_a_filter_keeps_its_keys() {
        // Spec 7.5.
        let input = batches(json!([[["a", 1]], [], []]));
        let (length, slide) = (1, 1);
        let windows = inverse(&input, Window { length, slide });
        assert_eq!(
            windows,
            batches(json!([[["a", 1]], [["a", 0]], [["a", 0]]]))
        );
    }

    #[test]
    fn a_window_counts_nothing_before_the_first_row_and_then_zero() {
        // Spec 7.6.
        let input = batches(json!([[], [["a", 1]], []]));
        let (length, slide) = (1, 1);
        let counts = count_by_window(&input, Window { length, slide });
        assert_eq!(counts, batches(json!([[], [1], [0]])));
    }

    #[test]
    fn state_is_put_out_also_when_the_input_has_no_batch() {
        // Spec 6.2 and 6.3.
        let input = batches(json!([null, [["a", 1]], null, []]));
        let states = update_state(&input, 1);
        let one = json!([["a", 1]]);
        assert_eq!(states, batches(json!([null, one, one, one])));
    }

    #[test]
    fn a_key_is_forgotten_strictly_after_its_time_and_only_at_a_checkpoint() {
        // Spec 6.5.
        let input = batches(json!([[["a", "x"]], null, [], [], [], []]));
        let known = |checkpoint| -> Vec<bool> {
            let (_, snapshots) = map_with_state(&input, 2, checkpoint);
            snapshots
                .iter()
                .map(|rows| !rows.as_ref().unwrap().is_empty())
                .collect()
        };
        assert_eq!(known(1), [true, true, true, false, false, false]);
        assert_eq!(known(5), [true, true, true, true, false, false]);
    }

    #[test]
    fn a_join_pairs_rows_of_one_batch_and_keeps_what_it_should() {
        // Spec 5.2.
        let left = batches(json!([[["a", 1], ["b", 2]]]));
        let right = batches(json!([[["a", 5], ["a", 6], ["c", 7]]]));
        let both = Keeps {
            left: true,
            right: true,
        };
        let expected = json!([[
            ["a", [1, 5]],
            ["a", [1, 6]],
            ["b", [2, null]],
            ["c", [null, 7]]
        ]]);
        assert_eq!(join(&left, &right, both), batches(expected));
        let expected = json!([[["a", [[1], [5, 6]]], ["b", [[2], []]], ["c", [[], [7]]]]]);
        assert_eq!(cogroup(&left, &right), batches(expected));
    }
}
