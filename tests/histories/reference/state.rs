//! Verbs that remember something of each key (spec 6).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Batches, grouped, key, reducer::Reducer, sliding};

/// When state is looked at, in batches.
#[derive(Debug, Clone, Copy)]
pub(in crate::histories) struct Aging {
    /// The slide of the input.
    pub(in crate::histories) slide: usize,
    /// None: nothing is forgotten.
    pub(in crate::histories) timeout: Option<usize>,
    pub(in crate::histories) checkpoint: usize,
}

/// A function for the new values of a key and its state, which gives its state.
type Renew = fn(&[Value], Option<Value>) -> Option<Value>;

/// `running`, which adds.
#[expect(clippy::unnecessary_wraps, reason = "it is a `Renew`")]
pub(in crate::histories) fn running(new: &[Value], state: Option<Value>) -> Option<Value> {
    let values: Vec<Value> = new.iter().cloned().chain(state).collect();
    Some(Reducer::Sum.of(&values))
}

/// `quiet`, which counts batches without values, and forgets a key after two or at a logout.
pub(in crate::histories) fn quiet(new: &[Value], state: Option<Value>) -> Option<Value> {
    if let Some(text) = new.last() {
        return (text != "logout").then(|| json!(0));
    }
    let batches = state?.as_i64().unwrap();
    (batches < 2).then(|| json!(batches + 1))
}

/// Spec 6.1 to 6.4. `slide` is that of the input.
pub(in crate::histories) fn update_state(
    input: &Batches,
    slide: usize,
    function: Renew,
    initial: &[Value],
) -> Batches {
    let mut states: BTreeMap<String, Value> = BTreeMap::new();
    for row in initial {
        states.entry(key(row)).or_insert(row[1].clone()); // the first of a key counts
    }
    let mut begun = false;
    sliding(input, slide, |n| {
        let rows = input[n - 1].as_ref();
        begun |= rows.is_some();
        if !begun {
            return None;
        }
        let mut groups = grouped(rows.into_iter().flatten());
        for key in states.keys() {
            groups.entry(key.clone()).or_default();
        }
        for (key, values) in groups {
            let state = function(&values, states.remove(&key));
            states.extend(state.map(|state| (key, state)));
        }
        Some(states.iter().map(|(k, state)| json!([k, state])).collect())
    })
}

/// A function for a key, a value or none if the key's time is up, and the key's state.
type Update = fn(&str, Option<&Value>, &mut Option<Value>) -> Option<Value>;

/// `changes`, which passes on a value that is not the one before.
pub(in crate::histories) fn changes(
    _: &str,
    value: Option<&Value>,
    last: &mut Option<Value>,
) -> Option<Value> {
    let value = value.filter(|value| last.as_ref() != Some(value))?;
    *last = Some(value.clone());
    Some(value.clone())
}

/// `session`, which puts out (clicks, first page, last page) at a logout or when time is up.
pub(in crate::histories) fn session(
    user: &str,
    page: Option<&Value>,
    open: &mut Option<Value>,
) -> Option<Value> {
    let Some(page) = page else {
        return Some(json!([user, open.as_ref()?]));
    };
    let session = match open {
        Some(open) => json!([open[0].as_i64().unwrap() + 1, open[1], page]),
        None => json!([1, page, page]),
    };
    if page == "logout" {
        *open = None;
        return Some(json!([user, session]));
    }
    *open = Some(session);
    None
}

/// Spec 6.5: what the function puts out, and the snapshots.
pub(in crate::histories) fn map_with_state(
    input: &Batches,
    function: Update,
    aging: Aging,
    initial: &[Value],
) -> (Batches, Batches) {
    // With the batch that touched it last.
    let mut states: BTreeMap<String, (Value, usize)> = BTreeMap::new();
    for row in initial {
        states.insert(key(row), (row[1].clone(), aging.slide)); // the last of a key counts
    }
    let mut snapshots = vec![None; input.len()];
    let passed = sliding(input, aging.slide, |n| {
        let mut out = Vec::new();
        for row in input[n - 1].iter().flatten() {
            let mut state = states.remove(&key(row)).map(|(state, _)| state);
            out.extend(function(&key(row), Some(&row[1]), &mut state));
            states.extend(state.map(|state| (key(row), (state, n))));
        }
        if let (Some(timeout), 0) = (aging.timeout, n % aging.checkpoint) {
            // Strictly before.
            let idle = states.extract_if(.., |_, (_, touched)| *touched + timeout < n);
            for (key, (state, _)) in idle {
                out.extend(function(&key, None, &mut Some(state)));
            }
        }
        let rows = states.iter().map(|(key, (state, _))| json!([key, state]));
        snapshots[n - 1] = Some(rows.collect());
        Some(out)
    });
    (passed, snapshots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(batches: Value) -> Batches {
        serde_json::from_value(batches).unwrap()
    }

    fn rows(rows: Value) -> Vec<Value> {
        serde_json::from_value(rows).unwrap()
    }

    #[test]
    fn state_is_put_out_also_when_the_input_has_no_batch() {
        // Spec 6.2 and 6.3.
        let input = batches(json!([null, [["a", 1]], null, []]));
        let states = update_state(&input, 1, running, &[]);
        let one = json!([["a", 1]]);
        assert_eq!(states, batches(json!([null, one, one, one])));
    }

    #[test]
    fn a_key_is_updated_in_every_batch_until_it_has_no_state() {
        // Spec 6.1 and 6.3.
        let input = batches(json!([[["a", "x"], ["b", "x"]], [["b", "x"]], null, []]));
        let states = update_state(&input, 1, quiet, &[]);
        let expected = json!([
            [["a", 0], ["b", 0]],
            [["a", 1], ["b", 0]],
            [["a", 2], ["b", 1]],
            [["b", 2]]
        ]);
        assert_eq!(states, batches(expected));
        let input = batches(json!([[["a", "x"], ["a", "logout"]], []]));
        let states = update_state(&input, 1, quiet, &rows(json!([["b", 1]])));
        assert_eq!(states, batches(json!([[["b", 2]], []])));
    }

    #[test]
    fn an_initial_state_waits_for_the_first_batch_and_the_first_of_a_key_counts() {
        // Spec 6.2 and 6.4.
        let initial = rows(json!([["a", 5], ["a", 7], ["b", 2]]));
        let states = update_state(&batches(json!([null, [["a", 1]]])), 1, running, &initial);
        assert_eq!(states, batches(json!([null, [["a", 6], ["b", 2]]])));
    }

    #[test]
    fn a_key_is_forgotten_strictly_after_its_time_and_only_at_a_checkpoint() {
        // Spec 6.5.
        let input = batches(json!([[["a", "x"]], null, [], [], [], []]));
        let known = |timeout, checkpoint| -> Vec<bool> {
            let aging = Aging {
                slide: 1,
                timeout,
                checkpoint,
            };
            let (_, snapshots) = map_with_state(&input, changes, aging, &[]);
            snapshots
                .iter()
                .map(|rows| !rows.as_ref().unwrap().is_empty())
                .collect()
        };
        assert_eq!(known(Some(2), 1), [true, true, true, false, false, false]);
        assert_eq!(known(Some(2), 5), [true, true, true, true, false, false]);
        assert_eq!(known(None, 1), [true; 6]);
    }

    #[test]
    fn an_initial_state_is_as_old_as_the_first_batch() {
        // Spec 6.5.
        let input = batches(json!([null, [["a", "x"], ["a", "y"]], []]));
        let initial = rows(json!([["a", "y"], ["a", "x"], ["b", "x"]]));
        let aging = Aging {
            slide: 1,
            timeout: Some(1),
            checkpoint: 1,
        };
        let (passed, snapshots) = map_with_state(&input, changes, aging, &initial);
        assert_eq!(passed, batches(json!([[], ["y"], []])));
        let known = json!([
            [["a", "x"], ["b", "x"]],
            [["a", "y"], ["b", "x"]],
            [["a", "y"]]
        ]);
        assert_eq!(snapshots, batches(known));
    }

    #[test]
    fn a_session_ends_at_a_logout_or_when_its_time_is_up() {
        // Spec 6.5.
        let input = batches(json!([[["a", "x"], ["b", "x"], ["b", "logout"]], [], []]));
        let aging = Aging {
            slide: 1,
            timeout: Some(1),
            checkpoint: 1,
        };
        let (ended, open) = map_with_state(&input, session, aging, &[]);
        let (a, b) = (
            json!(["a", [1, "x", "x"]]),
            json!(["b", [2, "x", "logout"]]),
        );
        assert_eq!(ended, batches(json!([[b], [], [a]])));
        assert_eq!(open, batches(json!([[a], [a], []])));
    }
}
