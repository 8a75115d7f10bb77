//! Functions of a key's values.

use super::*;

#[test]
fn groups_are_reduced_each_for_itself() {
    let grouped = |groups: &[u32], keys: Batch, values: Batch| Grouped {
        keys,
        groups: indexes(groups),
        values,
    };
    let no_keys = Batch {
        rows: 2,
        columns: Vec::new(),
    };
    let input = grouped(&[0, 3, 4], no_keys, batch::<i64>([1, 2, 3, 4]));
    let out = <P as aggregate::Guest>::reduce("sum".into(), input.clone()).unwrap();
    assert_eq!(rows::<i64>(&out), [6, 4]);
    let out = <P as aggregate::Guest>::reduce("subtract".into(), input).unwrap();
    assert_eq!(rows::<i64>(&out), [-4, 4]);
    let keys = batch::<&str>(["zero", "one"]);
    let input = grouped(&[0, 1, 3], keys, batch::<&str>(["a", "b", "c"]));
    let out = <P as aggregate::Guest>::reduce("count".into(), input).unwrap();
    assert_eq!(rows::<i64>(&out), [0, 2]);
}

#[test]
fn reductions_name_their_helpers() {
    let all = <P as aggregate::Guest>::functions();
    let sum = &all[0];
    assert!(sum.associative && sum.keys.is_none());
    assert_eq!(sum.inverse.as_deref(), Some("subtract"));
    assert_eq!(sum.merge.as_deref(), Some("sum"));
    let count = &all[2];
    assert_eq!(count.keys.as_ref().unwrap()[0].name, "key");
    assert_eq!(
        (&*count.output[0].name, count.merge.as_deref()),
        ("value", Some("sum"))
    );
}

fn update(name: &str, input: stateful::Input) -> stateful::Outcome {
    <P as stateful::Guest>::update(name.into(), input).unwrap()
}

#[test]
fn states_are_updated_made_and_forgotten() {
    let out = update(
        "running",
        stateful::Input {
            rows: Grouped {
                keys: Batch {
                    rows: 3,
                    columns: Vec::new(),
                },
                groups: indexes(&[0, 2, 3, 3]),
                values: batch::<i64>([1, 2, -5]),
            },
            states: batch::<i64>([10, 5, 99]),
            present: Some(vec![0b011]),
            expired: None,
        },
    );
    assert_eq!(rows::<i64>(&out.states)[0], 13);
    assert_eq!(out.states.rows, 3);
    assert_eq!(out.keep, Some(vec![0b001]));
    assert!(out.output.columns.is_empty() && out.origins.is_none());
}

/// The example of the interface's README.
#[test]
fn map_with_state_answers_values_in_order_and_says_good_bye() {
    let out = update(
        "numbered",
        stateful::Input {
            rows: Grouped {
                keys: batch::<&str>(["ann", "bob", "cy"]),
                groups: indexes(&[0, 2, 4, 4]),
                values: batch::<&str>(["x", "y", "z", "forget"]),
            },
            states: batch::<i64>([20, 0, 9]),
            present: Some(vec![0b101]),
            expired: Some(vec![0b100]),
        },
    );
    assert_eq!(
        rows::<String>(&out.output),
        ["ann:x:21", "ann:y:22", "bob:z:1", "cy leaves after 9"]
    );
    assert_eq!(out.origins, Some(indexes(&[0, 1, 2, 4 + 2])));
    assert_eq!(rows::<i64>(&out.states)[0], 22);
    assert_eq!(out.keep, Some(vec![0b001]));
}

#[test]
fn old_states_become_new_ones_or_say_which_does_not() {
    let migrate = |since, states| {
        <P as migration::Guest>::migrate("running".into(), since, batch::<&str>(states))
    };
    assert_eq!(rows::<i64>(&migrate(1, ["7", "8"]).unwrap()), [7, 8]);
    let Fault { message, row, .. } = migrate(1, ["7", "x"]).unwrap_err();
    assert_eq!((&*message, row), ("invalid digit found in string", Some(1)));
    let message = migrate(3, ["7", "8"]).unwrap_err().message;
    assert!(
        message.ends_with("no migration of the state of running since version 3"),
        "{message}"
    );
}
