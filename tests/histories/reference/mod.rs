//! What verbs over several batches mean: a stream is a list of batches, a batch a list of rows, and
//! each verb goes through the batches one after the other. Written from the rules (spec 5 to 7) and
//! not from the runtime; slow and plain on purpose.

mod reducer;
mod state;
mod texts;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub(super) use reducer::Reducer;
pub(super) use state::{Aging, changes, map_with_state, quiet, running, session, update_state};
pub(super) use texts::{
    cut_values, map, map_values, not_from, split, split_values, values, without,
};
pub(super) use windows::{
    Stays, Window, count_by_value_and_window, count_by_window, group_by_key_and_window, inverse,
    reduce_by_key_and_window, reduce_by_window, reduce_by_window_inverse, window,
};

/// The batches of a stream: the first is number 1. None: no batch.
pub(super) type Batches = Vec<Option<Vec<Value>>>;

/// Which rows without a partner a join keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeps {
    pub(super) left: bool,
    pub(super) right: bool,
}

fn key(row: &Value) -> String {
    row[0].as_str().unwrap().to_owned()
}

fn grouped<'a>(rows: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, Vec<Value>> {
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row[1].clone());
    }
    groups
}

fn reduced(rows: &[Value], reducer: Reducer) -> Vec<Value> {
    let groups = grouped(rows).into_iter();
    groups
        .map(|(key, values)| json!([key, reducer.of(&values)]))
        .collect()
}

fn group(rows: &[Value]) -> Vec<Value> {
    let groups = grouped(rows).into_iter();
    groups.map(|(key, values)| json!([key, values])).collect()
}

/// What `of` makes of each batch; where there is none, there is none (spec 5.1).
fn each(input: &Batches, of: impl Fn(&[Value]) -> Vec<Value>) -> Batches {
    let batches = input.iter();
    batches.map(|rows| rows.as_deref().map(&of)).collect()
}

/// The same of two streams.
fn both(left: &Batches, right: &Batches, of: impl Fn(&[Value], &[Value]) -> Vec<Value>) -> Batches {
    let batches = left.iter().zip(right);
    batches
        .map(|(left, right)| Some(of(left.as_deref()?, right.as_deref()?)))
        .collect()
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

/// Spec 5.2; `combine-by-key` gives the same.
pub(super) fn reduce_by_key(input: &Batches, reducer: Reducer) -> Batches {
    each(input, |rows| reduced(rows, reducer))
}

/// Spec 5.2.
pub(super) fn group_by_key(input: &Batches) -> Batches {
    each(input, group)
}

/// `seen`: pairs with more than 0.
pub(super) fn seen(input: &Batches) -> Batches {
    each(input, |rows| {
        let rows = rows.iter().filter(|row| row[1].as_i64().unwrap() > 0);
        rows.cloned().collect()
    })
}

/// `mean` of the values of pairs, which are a sum and how many.
pub(super) fn mean_values(input: &Batches) -> Batches {
    each(input, |rows| {
        let mean = |of: &Value| of[0].as_f64().unwrap() / of[1].as_f64().unwrap();
        let rows = rows.iter();
        rows.map(|row| json!([row[0], mean(&row[1])])).collect()
    })
}

/// Spec 5.2: within the same batch, a cross product for each key.
pub(super) fn join(left: &Batches, right: &Batches, keeps: Keeps) -> Batches {
    both(left, right, |left, right| {
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
        rows
    })
}

/// Spec 5.2: keys of either side.
pub(super) fn cogroup(left: &Batches, right: &Batches) -> Batches {
    both(left, right, |left, right| {
        let (mut left, mut right) = (grouped(left), grouped(right));
        let keys: BTreeSet<_> = left.keys().chain(right.keys()).cloned().collect();
        let row = |key: String| {
            let (l, r) = (left.remove(&key), right.remove(&key));
            json!([key, [l.unwrap_or_default(), r.unwrap_or_default()]])
        };
        keys.into_iter().map(row).collect()
    })
}

/// Spec 5.2.
pub(super) fn union(left: &Batches, right: &Batches) -> Batches {
    both(left, right, |left, right| [left, right].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(batches: Value) -> Batches {
        serde_json::from_value(batches).unwrap()
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
