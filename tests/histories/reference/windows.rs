//! Windows (spec 7).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Batches, each, group, grouped, reduced, reducer::Reducer, sliding};

/// In batches.
#[derive(Debug, Clone, Copy)]
pub(in crate::histories) struct Window {
    pub(in crate::histories) length: usize,
    pub(in crate::histories) slide: usize,
}

/// Rows of the batches with a number in (from, to] (spec 7.2); those that are not there are skipped.
fn between(input: &Batches, from: isize, to: usize) -> Vec<Value> {
    let numbers = (1..=input.len()).filter(|n| signed(*n) > from && *n <= to);
    let batches = numbers.filter_map(|n| input[n - 1].clone());
    batches.flatten().collect()
}

fn inside(input: &Batches, n: usize, length: usize) -> Vec<Value> {
    between(input, signed(n) - signed(length), n)
}

fn signed(n: usize) -> isize {
    isize::try_from(n).unwrap()
}

/// What `of` makes of the rows of each window.
fn windows(input: &Batches, window: Window, of: impl Fn(&[Value]) -> Vec<Value>) -> Batches {
    let Window { length, slide } = window;
    sliding(input, slide, |n| Some(of(&inside(input, n, length))))
}

/// Spec 7.3.
pub(in crate::histories) fn window(input: &Batches, window: Window) -> Batches {
    windows(input, window, <[Value]>::to_vec)
}

/// Spec 7.4: no row for an empty window.
pub(in crate::histories) fn reduce_by_window(
    input: &Batches,
    window: Window,
    reducer: Reducer,
) -> Batches {
    windows(input, window, |rows| match rows {
        [] => Vec::new(),
        rows => vec![reducer.of(rows)],
    })
}

/// Spec 7.4.
pub(in crate::histories) fn reduce_by_key_and_window(
    input: &Batches,
    window: Window,
    reducer: Reducer,
) -> Batches {
    windows(input, window, |rows| reduced(rows, reducer))
}

/// Spec 7.4.
pub(in crate::histories) fn group_by_key_and_window(input: &Batches, window: Window) -> Batches {
    windows(input, window, group)
}

/// What stays in a window from which values are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::histories) enum Stays {
    /// Every key.
    All,
    /// Keys with more than 0, as `seen` says.
    Seen,
}

/// Spec 7.5, of a sum or a count. None: a batch fails, as a key has neither a value in the window
/// before nor a new one.
pub(in crate::histories) fn inverse(
    input: &Batches,
    window: Window,
    reducer: Reducer,
    stays: Stays,
) -> Option<Batches> {
    let sums = |rows: Vec<Value>| -> BTreeMap<String, i64> {
        let groups = grouped(&rows).into_iter();
        groups
            .map(|(key, values)| (key, reducer.of(&values).as_i64().unwrap()))
            .collect()
    };
    let Window { length, slide } = window;
    let mut previous: BTreeMap<String, i64> = BTreeMap::new();
    let mut fails = false;
    let batches = sliding(input, slide, |n| {
        let before = signed(n) - signed(slide);
        let end = n.saturating_sub(length);
        let leaving = sums(between(input, before - signed(length), end));
        let entering = sums(between(input, before, n));
        for (key, gone) in leaving {
            match previous.get_mut(&key) {
                Some(value) => *value -= gone,
                None => fails |= !entering.contains_key(&key),
            }
        }
        for (key, new) in entering {
            *previous.entry(key).or_insert(0) += new;
        }
        previous.retain(|_, value| stays == Stays::All || *value > 0);
        Some(previous.iter().map(|(key, v)| json!([key, v])).collect())
    });
    (!fails).then_some(batches)
}

/// Spec 7.6: the inverse form on one key.
pub(in crate::histories) fn reduce_by_window_inverse(
    input: &Batches,
    window: Window,
    reducer: Reducer,
) -> Option<Batches> {
    let one_key = each(input, |rows| {
        rows.iter().map(|row| json!(["", row])).collect()
    });
    let windows = inverse(&one_key, window, reducer, Stays::All)?;
    Some(each(&windows, |rows| {
        rows.iter().map(|row| row[1].clone()).collect()
    }))
}

/// Spec 7.6: nothing before the first row ever, then how many.
pub(in crate::histories) fn count_by_window(input: &Batches, window: Window) -> Batches {
    sliding(input, window.slide, |n| {
        let ever = !between(input, 0, n).is_empty();
        let count = inside(input, n, window.length).len();
        Some(if ever { vec![json!(count)] } else { Vec::new() })
    })
}

/// Spec 7.6.
pub(in crate::histories) fn count_by_value_and_window(input: &Batches, window: Window) -> Batches {
    windows(input, window, |rows| {
        let mut counts: BTreeMap<String, (&Value, i64)> = BTreeMap::new();
        for row in rows {
            counts.entry(row.to_string()).or_insert((row, 0)).1 += 1;
        }
        let counts = counts.into_values();
        counts.map(|(row, n)| json!([row, n])).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(batches: Value) -> Batches {
        serde_json::from_value(batches).unwrap()
    }

    const LAST: Window = Window {
        length: 1,
        slide: 1,
    };

    #[test]
    fn windows_begin_partial_and_a_long_slide_leaves_gaps() {
        // Spec 7.2.
        let input = batches(json!([[["a", 1]], [["a", 2]], null, [["a", 4]]]));
        let (length, slide) = (2, 1);
        let windows = reduce_by_key_and_window(&input, Window { length, slide }, Reducer::Sum);
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
        let kept = |stays| inverse(&input, LAST, Reducer::Sum, stays).unwrap();
        let zero = json!([["a", 0]]);
        assert_eq!(kept(Stays::All), batches(json!([[["a", 1]], zero, zero])));
        assert_eq!(kept(Stays::Seen), batches(json!([[["a", 1]], [], []])));
    }

    #[test]
    fn what_leaves_must_have_been_there_or_come_again() {
        // Spec 7.5: `a` is dropped while its row is still in the window.
        let of = |last: Value| {
            let input = batches(json!([[["a", -1]], [], last]));
            let (length, slide) = (2, 1);
            inverse(&input, Window { length, slide }, Reducer::Sum, Stays::Seen)
        };
        assert_eq!(of(json!([])), None);
        let only_what_entered = batches(json!([[], [], [["a", 5]]]));
        assert_eq!(of(json!([["a", 5]])), Some(only_what_entered));
    }

    #[test]
    fn a_window_counts_nothing_before_the_first_row_and_then_zero() {
        // Spec 7.6.
        let input = batches(json!([[], [["a", 1]], []]));
        let expected = batches(json!([[], [1], [0]]));
        assert_eq!(count_by_window(&input, LAST), expected);
        let reduced = reduce_by_window_inverse(&input, LAST, Reducer::Count);
        assert_eq!(reduced, Some(expected));
        let anew = reduce_by_window(&input, LAST, Reducer::Count);
        assert_eq!(anew, batches(json!([[], [1], []])));
    }
}
