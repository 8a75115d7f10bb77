//! State goes over to a version that remembers something else: its plugin migrates it, or the old
//! version goes on.

use std::{collections::BTreeSet, sync::Arc};

use rsrt::{
    checkpoint::{Inside, Pending, Program},
    journal::MemoryDisk,
    stream::{Shadow, SwapError},
};
use serde_json::{Value, json};

use super::{
    Death, Delivered, Outputs,
    flow::{Attempt, Flow, How},
};

const TOPOLOGY: &str = r#"
name = "tallies"
batch-interval = "1s"
parallelism = 2
checkpoint = "x"
checkpoint-interval = "3s"
[limits]
cpu-time = "200ms"
[plugin.faulty]
path = "faulty.wasm"
[source.numbers]
type = "queue"
schema = { key = "utf8", value = "int64" }
partitions = 2
[operator.tallies]
input = "numbers"
update-state-by-key = "faulty:tally"
[operator.recent]
input = "numbers"
count-by-value-and-window = true
length = "3s"
[sink.tallies-out]
input = "tallies"
type = "null"
[sink.recent-out]
input = "recent"
type = "null"
"#;

pub(super) fn with(function: &str) -> Flow {
    let first = Flow::of("tallies", TOPOLOGY);
    first.with("faulty:tally\"", &format!("faulty:{function}\""))
}

fn undisturbed() -> Outputs {
    let disk = MemoryDisk::new();
    let attempt = with("tally").attempt_as(&disk, &How::default());
    attempt.unwrap().0.given.into_iter().collect()
}

/// The same with numbers where texts were.
fn as_numbers(outputs: Outputs) -> Outputs {
    let number = |value: &Value| match value.as_str() {
        Some(text) => json!(text.parse::<i64>().unwrap()),
        None => value.clone(),
    };
    let row = |row: Value| json!([row[0], number(&row[1])]);
    let outputs = outputs.into_iter().map(|((sink, time), rows)| {
        let rows = match sink == "tallies-out" {
            true => rows.into_iter().map(row).collect(),
            false => rows,
        };
        ((sink, time), rows)
    });
    outputs.collect()
}

/// Goes on with the last version, and with the swaps that are still to be.
fn go_on(disk: &MemoryDisk, flows: &[Flow], live: bool) -> Result<Vec<Attempt>, String> {
    let mut attempts = Vec::new();
    loop {
        let inside = Inside::on(Arc::new(disk.clone())).map_err(|error| error.to_string())?;
        let done = inside.map_or(0, |inside| inside.versions.len() - 1);
        let program = Program::of(&flows[done].files());
        let pending = Pending::on(Arc::new(disk.clone()), &program);
        let pending = pending.map_err(|error| error.to_string())?;
        let flow = pending.as_ref().map(|pending| {
            let files = pending.files.clone().unwrap();
            flows.iter().find(|flow| flow.files() == files).unwrap()
        });
        let times = [3_000, 7_000].into_iter().zip(&flows[1..]);
        let how = How {
            recovers: flow.is_some(),
            live,
            swaps: match flow {
                Some(_) => Vec::new(),
                None => times.skip(done).collect(),
            },
            ..How::default()
        };
        let (attempt, _) = flow.unwrap_or(&flows[done]).attempt_as(disk, &how)?;
        let is_over = attempt.error.is_some() || flow.is_none();
        attempts.push(attempt);
        if is_over {
            return Ok(attempts);
        }
    }
}

#[test]
fn state_is_migrated_and_no_record_is_lost_wherever_a_run_dies() {
    let flows = ["tally", "tally-text", "tally-again"].map(with);
    let expected = undisturbed();
    let disk = MemoryDisk::new();
    let attempts = go_on(&disk, &flows, false).unwrap();
    assert!(attempts.iter().all(|attempt| attempt.error.is_none()));
    let given: Outputs = attempts.into_iter().flat_map(|a| a.given).collect();
    let text = |time: i64| given[&("tallies-out".to_owned(), time)][0][1].is_string();
    assert_eq!(
        [3_000, 4_000, 7_000, 8_000].map(text),
        [false, true, true, false]
    );
    assert_eq!(as_numbers(given), expected);
    let steps = disk.steps();
    for step in (1..steps).step_by(2) {
        let death =
            [Death::Kill, Death::Crash(0), Death::Crash(9)][usize::try_from(step % 3).unwrap()];
        let disk = MemoryDisk::new();
        let mut delivered = Delivered::default();
        disk.fail_at(Some(step));
        match go_on(&disk, &flows, false) {
            Ok(attempts) => attempts.iter().try_for_each(|a| delivered.add(a)).unwrap(),
            Err(error) => assert!(error.contains("the disk is gone"), "{error}"),
        }
        death.of(&disk);
        disk.fail_at(None);
        for attempt in go_on(&disk, &flows, false).unwrap() {
            assert_eq!(attempt.error, None, "step {step} {death:?}");
            delivered.add(&attempt).unwrap();
        }
        assert!(delivered.repeats(2) <= 1, "step {step} {death:?}");
        assert_eq!(
            as_numbers(delivered.rows),
            expected,
            "step {step} {death:?}"
        );
    }
}

#[test]
fn a_migration_that_goes_wrong_leaves_the_old_version_as_it_is() {
    let expected = undisturbed();
    for (function, why) in [
        ("tally-panics", "poison"),
        ("tally-spins", "CPU time"),
        ("tally-lies", "broken result"),
        // It can only be migrated from version 2.
        (
            "tally-again",
            "no migration of the state of tally-again since version 1",
        ),
    ] {
        let next = with(function);
        let how = How {
            swaps: vec![(3_000, &next)],
            ..How::default()
        };
        let disk = MemoryDisk::new();
        let (attempt, swapped) = with("tally").attempt_as(&disk, &how).unwrap();
        assert_eq!(attempt.error, None);
        let said = swapped[0].clone().unwrap_err();
        assert!(said.contains("`tallies` has version 1"), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(said.ends_with("nothing was changed"), "{said}");
        let given: Outputs = attempt.given.into_iter().collect();
        assert_eq!(given, expected, "{function}");
        let inside = Inside::on(Arc::new(disk)).unwrap().unwrap();
        assert_eq!(inside.versions.len(), 1);
    }
}

const KEPT: &str = r#"
name = "kept"
batch-interval = "1s"
parallelism = 2
checkpoint = "x"
checkpoint-interval = "2s"
[limits]
cpu-time = "1h"
[plugin.faulty]
path = "faulty.wasm"
[source.numbers]
type = "queue"
schema = { key = "utf8", value = "int64" }
partitions = 2
[operator.kept]
input = "numbers"
map-with-state = "faulty:kept"
timeout = "2s"
checkpoint-interval = "2s"
[sink.kept-out]
input = "kept"
type = "null"
"#;

#[test]
fn keys_that_come_and_go_meanwhile_are_right_whenever_it_takes_over() {
    let first = Flow::of("kept", KEPT);
    let next = first.with("faulty:kept\"", "faulty:kept-text\"");
    let attempt = first.attempt_as(&MemoryDisk::new(), &How::default());
    let expected: Outputs = attempt.unwrap().0.given.into_iter().collect();
    let mut firsts = BTreeSet::new();
    for live in [false, true] {
        for at in 1..10 {
            let tried = [None, Some(2)][usize::try_from(at % 2).unwrap()];
            let how = How {
                swaps: vec![(at * 1_000, &next)],
                shadow: tried.map(|batches| Shadow {
                    batches,
                    max_diff: 0,
                }),
                live,
                ..How::default()
            };
            let disk = MemoryDisk::new();
            let (attempt, swapped) = first.attempt_shadowed(&disk, &how).unwrap();
            assert_eq!(attempt.error, None);
            let mut given: Outputs = attempt.given.into_iter().collect();
            given.retain(|(_, time), _| *time <= 12_000);
            assert_eq!(given, expected, "{at} {live}");
            match &swapped[0] {
                Ok(swapped) => drop(firsts.insert(swapped.first.as_millis())),
                // The run was over before.
                Err(error) => assert!(live && *error == SwapError::Ended, "{error}"),
            }
        }
    }
    assert!(firsts.len() > 5, "{firsts:?}");
}

#[test]
fn a_run_may_die_while_state_is_migrated_behind_its_back() {
    let first = Flow::of("kept", KEPT);
    let attempt = first.attempt_as(&MemoryDisk::new(), &How::default());
    let expected: Outputs = attempt.unwrap().0.given.into_iter().collect();
    let next = first.with("faulty:kept\"", "faulty:kept-text\"");
    let flows = [first, next];
    let disk = MemoryDisk::new();
    go_on(&disk, &flows, true).unwrap();
    for step in (1..disk.steps()).step_by(4) {
        let death = [Death::Kill, Death::Crash(0)][usize::try_from(step / 4 % 2).unwrap()];
        let disk = MemoryDisk::new();
        let mut delivered = Delivered::default();
        disk.fail_at(Some(step));
        match go_on(&disk, &flows, true) {
            Ok(attempts) => attempts.iter().try_for_each(|a| delivered.add(a)).unwrap(),
            Err(error) => assert!(error.contains("the disk is gone"), "{error}"),
        }
        death.of(&disk);
        disk.fail_at(None);
        for attempt in go_on(&disk, &flows, true).unwrap() {
            assert_eq!(attempt.error, None, "step {step} {death:?}");
            delivered.add(&attempt).unwrap();
        }
        assert!(delivered.repeats(1) <= 1, "step {step} {death:?}");
        delivered.rows.retain(|(_, time), _| *time <= 12_000);
        assert_eq!(delivered.rows, expected, "step {step} {death:?}");
    }
}

#[test]
fn no_batch_waits_for_a_migration() {
    // It never ends.
    let first = Flow::of("tallies", TOPOLOGY).with("\"200ms\"", "\"1h\"");
    let next = first.with("faulty:tally\"", "faulty:tally-spins\"");
    let how = How {
        swaps: vec![(3_000, &next)],
        live: true,
        ..How::default()
    };
    let disk = MemoryDisk::new();
    let (attempt, swapped) = first.attempt_shadowed(&disk, &how).unwrap();
    assert_eq!(attempt.error, None);
    assert_eq!(swapped, [Err(SwapError::Ended)]);
    let given: Outputs = attempt.given.into_iter().collect();
    assert_eq!(given, undisturbed());
    let inside = Inside::on(Arc::new(disk)).unwrap().unwrap();
    assert_eq!(inside.versions.len(), 1);
}
