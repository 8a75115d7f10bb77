//! A version is tried on the batches of the running one: nobody gets what it makes, nothing comes
//! late, and it takes over only if it makes the same.

use std::sync::Arc;

use rsrt::{
    checkpoint::{Inside, Pending, Program},
    journal::MemoryDisk,
    stream::{OnlyIn, Shadow, ShadowProblem, SwapError, Swapped},
};
use serde_json::{Value, json};

use super::{
    Death, Delivered, Outputs,
    flow::{self, Attempt, Flow, How},
    letters,
};

const TOPOLOGY: &str = r#"
name = "shadows"
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
reduce-by-key-and-window = "std:sum"
length = "4s"
inverse = true
[operator.slow]
input = "numbers"
reduce-by-key-and-window = "std:sum"
length = "3s"
[operator.rows]
input = "numbers"
window = "3s"
persist = "disk"
[operator.best]
input = "rows"
reduce-by-key = "std:max"
[sink.tallies-out]
input = "tallies"
type = "null"
[sink.recent-out]
input = "recent"
type = "null"
[sink.slow-out]
input = "slow"
type = "null"
[sink.rows-out]
input = "rows"
type = "null"
[sink.best-out]
input = "best"
type = "null"
"#;

fn first() -> Flow {
    Flow::of("shadows", TOPOLOGY)
}

/// The same, by another name.
fn again(flow: &Flow) -> Flow {
    flow.with("batch-interval", "# once more\nbatch-interval")
}

/// It has an operator more, which fails on some rows, and a sink for it.
fn tasting(flow: &Flow) -> Flow {
    let operator = "[operator.tasted]\ninput = \"numbers\"\nmap-values = \"faulty:poison-map\"\n";
    let sink = "[sink.tasted-out]\ninput = \"tasted\"\ntype = \"null\"\n";
    let with = flow.with("[operator.rows]", &format!("{operator}[operator.rows]"));
    with.with("[sink.rows-out]", &format!("{sink}[sink.rows-out]"))
}

fn tried(batches: u64, max_diff: u64) -> Shadow {
    Shadow { batches, max_diff }
}

fn outputs(attempt: Attempt) -> Outputs {
    assert_eq!(attempt.error, None);
    let count = attempt.given.len();
    let outputs: Outputs = attempt.given.into_iter().collect();
    assert_eq!(outputs.len(), count, "a batch was given twice");
    outputs
}

fn undisturbed(flow: &Flow) -> Outputs {
    let attempt = flow.attempt_as(&MemoryDisk::new(), &How::default());
    outputs(attempt.unwrap().0)
}

/// What sinks got, what came of the swap, and what is there afterwards.
type Came = (Outputs, Result<Swapped, SwapError>, MemoryDisk);

fn swapped(flow: &Flow, (at, next): (i64, &Flow), shadow: Option<Shadow>, live: bool) -> Came {
    let how = How {
        swaps: vec![(at, next)],
        shadow,
        live,
        ..How::default()
    };
    let disk = MemoryDisk::new();
    let (attempt, mut swapped) = flow.attempt_shadowed(&disk, &how).unwrap();
    (outputs(attempt), swapped.remove(0), disk)
}

/// Asked for after the third batch.
fn asked(next: &Flow, shadow: Option<Shadow>, live: bool) -> Came {
    swapped(&first(), (3_000, next), shadow, live)
}

/// So many versions were ever durable.
fn versions(disk: &MemoryDisk) -> usize {
    let inside = Inside::on(Arc::new(disk.clone())).unwrap();
    inside.map_or(0, |inside| inside.versions.len())
}

#[test]
fn a_version_that_makes_the_same_takes_over_when_its_batches_are_made() {
    let expected = undisturbed(&first());
    for batches in [1, 3, 5] {
        let (given, swapped, disk) = asked(&again(&first()), Some(tried(batches, 0)), false);
        let swapped = swapped.unwrap();
        let first = 4_000 + i64::try_from(batches).unwrap() * 1_000;
        assert_eq!(swapped.first.as_millis(), first);
        assert_eq!(given, expected, "{batches}");
        assert_eq!(versions(&disk), 2);
        let report = swapped.shadow.unwrap();
        assert_eq!((report.batches, report.differing), (batches, 0));
        let compared = expected
            .iter()
            .filter(|((_, time), _)| (4_000..first).contains(time));
        let rows = compared.map(|(_, rows)| rows.len() as u64).sum::<u64>();
        assert_eq!(report.rows, rows);
        for cost in [&report.running, &report.shadow] {
            assert!(!cost.cpu.is_zero());
            let tallies = cost.operators[&"tallies".parse().unwrap()];
            assert!(
                !tallies.cpu.is_zero() && tallies.memory_peak > 60_000,
                "{tallies:?}"
            );
        }
        let text = report.to_string();
        assert!(
            text.starts_with(&format!(
                "shadow: {batches} batches, {rows} rows compared, 0 differ; CPU "
            )),
            "{text}"
        );
        assert!(text.contains("\n  operator tallies: CPU "), "{text}");
    }
    // Without a shadow there is no report.
    for shadow in [None, Some(tried(0, 0))] {
        let (given, swapped, _) = asked(&again(&first()), shadow, false);
        let swapped = swapped.unwrap();
        assert_eq!((swapped.first.as_millis(), swapped.shadow), (4_000, None));
        assert_eq!(given, expected);
    }
}

#[test]
fn operators_may_have_other_names_and_places_and_sinks_may_be_new() {
    let expected = undisturbed(&first());
    let renamed = tasting(&first()).with(
        "[operator.tallies]",
        "[operator.sums]\nrenamed-from = \"tallies\"",
    );
    let renamed = renamed.with("input = \"tallies\"", "input = \"sums\"");
    let (mut given, swapped, _) = asked(&renamed, Some(tried(3, 0)), false);
    let swapped = swapped.unwrap();
    assert_eq!(swapped.first.as_millis(), 7_000);
    // Only sinks of the same name are compared, and the others get nothing before.
    let report = swapped.shadow.unwrap();
    assert_eq!((report.batches, report.differing), (3, 0));
    let name = |name: &str| name.parse().unwrap();
    let (running, shadow) = (&report.running.operators, &report.shadow.operators);
    assert!(running.contains_key(&name("tallies")) && !running.contains_key(&name("sums")));
    assert!(shadow.contains_key(&name("sums")) && shadow.contains_key(&name("tasted")));
    let new = given.keys().filter(|(sink, _)| sink == "tasted-out");
    assert_eq!(new.map(|(_, time)| *time).min(), Some(7_000));
    given.retain(|(sink, _), _| sink != "tasted-out");
    assert_eq!(given, expected);
}

#[test]
fn live_batches_go_on_beside_it() {
    let expected = undisturbed(&first());
    let (given, swapped, _) = asked(&again(&first()), Some(tried(2, 0)), true);
    let swapped = swapped.unwrap();
    // It may be a little behind when the clock is far ahead.
    let first = swapped.first.as_millis();
    assert!((6_000..=11_000).contains(&first), "{first}");
    assert_eq!(swapped.shadow.unwrap().batches, 2);
    let given: Outputs = given
        .into_iter()
        .filter(|((_, time), _)| *time <= 12_000)
        .collect();
    assert_eq!(given, expected);
}

#[test]
fn a_version_that_makes_something_else_is_refused_with_the_rows() {
    let expected = undisturbed(&first());
    // In the third batch that both make, a sum in the window is not what it would be.
    let other = first().with("\"std:max\"", "\"std:min\"");
    let (given, swapped, disk) = asked(&other, Some(tried(4, 0)), false);
    assert_eq!(given, expected);
    assert_eq!(versions(&disk), 1);
    let Err(SwapError::Shadow(problem, report)) = swapped else {
        panic!("{swapped:?}");
    };
    assert!(
        matches!(problem, ShadowProblem::Differs { most: 0, .. }),
        "{problem:?}"
    );
    assert!(report.differing > 0);
    let row = &report.different[0];
    assert_eq!(
        (row.sink.as_str(), row.only_in),
        ("best-out", OnlyIn::Running)
    );
    let rows = &expected[&("best-out".to_owned(), row.batch.as_millis())];
    let row = serde_json::from_str::<Value>(&row.row).unwrap();
    assert!(rows.contains(&row), "{row} of {rows:?}");
    let said = SwapError::Shadow(problem, report).to_string();
    assert!(said.contains("only the running version has ["), "{said}");
    assert!(said.ends_with("nothing was changed"), "{said}");
}

#[test]
fn so_many_rows_may_differ() {
    let other = first().with("\"std:max\"", "\"std:min\"");
    let (_, swapped, _) = asked(&other, Some(tried(4, u64::MAX)), false);
    let differing = swapped.unwrap().shadow.unwrap().differing;
    assert!(differing > 1, "{differing}");
    let (_, swapped, _) = asked(&other, Some(tried(4, differing)), false);
    assert_eq!(swapped.unwrap().first.as_millis(), 8_000);
    let (_, swapped, _) = asked(&other, Some(tried(4, differing - 1)), false);
    let Err(SwapError::Shadow(
        ShadowProblem::Differs {
            differing: found,
            most,
            ..
        },
        _,
    )) = swapped
    else {
        panic!("{swapped:?}");
    };
    assert_eq!(most, differing - 1);
    assert!(found >= differing, "{found}");
}

#[test]
fn whatever_operators_remember_the_shadow_remembers_too() {
    for which in 0..flow::COUNT {
        let flow = Flow::new(which, 2);
        let expected = undisturbed(&flow);
        for at in [1_000, 6_000] {
            let (given, swapped, disk) =
                swapped(&flow, (at, &again(&flow)), Some(tried(5, 0)), false);
            let swapped = swapped.unwrap_or_else(|error| panic!("{}: {error}", flow.name()));
            assert_eq!(swapped.first.as_millis(), at + 6_000, "{}", flow.name());
            assert_eq!(given, expected, "{}", flow.name());
            let alone = MemoryDisk::new();
            flow.attempt_as(&alone, &How::default()).unwrap();
            assert_eq!(letters(&disk), letters(&alone), "{}", flow.name());
        }
    }
}

#[test]
fn a_shadow_that_fails_or_loops_disturbs_nobody() {
    // Some rows of the fourth batch are poison to it: it traps, or it loops until its CPU time is over.
    for (name, why) in [("letters", "poison"), ("loops", "CPU time")] {
        let flow = Flow::of(name, TOPOLOGY);
        let expected = undisturbed(&flow);
        let (given, swapped, disk) =
            swapped(&flow, (2_000, &tasting(&flow)), Some(tried(9, 0)), false);
        let Err(SwapError::Shadow(ShadowProblem::Failed { batch, why: said }, report)) = swapped
        else {
            panic!("{swapped:?}");
        };
        assert_eq!(batch.as_millis(), 3_000);
        assert!(said.contains("`tasted`") && said.contains(why), "{said}");
        assert_eq!(report.batches, 0);
        assert_eq!(given, expected, "{name}");
        assert_eq!(versions(&disk), 1);
    }
}

#[test]
fn a_shadow_that_is_too_slow_is_given_up_and_no_batch_waits_for_it() {
    // It loops for ever; another topology runs on the same cores.
    let flow = Flow::of("loops", TOPOLOGY).with("\"200ms\"", "\"1h\"");
    let expected = undisturbed(&flow);
    let alone = undisturbed(&first());
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| undisturbed(&first()));
        let (given, swapped, disk) =
            swapped(&flow, (1_000, &tasting(&flow)), Some(tried(20, 0)), true);
        let Err(SwapError::Shadow(problem, _)) = swapped else {
            panic!("{swapped:?}");
        };
        let ShadowProblem::FellBehind { batch, waiting } = problem else {
            panic!("{problem:?}");
        };
        assert!((10_000..=11_000).contains(&batch.as_millis()), "{batch}");
        assert_eq!(waiting, 8);
        assert_eq!(given, expected);
        assert_eq!(versions(&disk), 1);
        assert_eq!(beside.join().unwrap(), alone);
    });
    // One that is at work when the run ends does not hold it up.
    let (given, swapped, _) = swapped(&flow, (8_000, &tasting(&flow)), Some(tried(20, 0)), true);
    assert_eq!(swapped, Err(SwapError::Ended));
    assert_eq!(given, expected);
}

#[test]
fn a_batch_that_the_running_version_fails_on_ends_the_shadow() {
    let flow = tasting(&Flow::of("letters", TOPOLOGY)).with(
        "parallelism = 2",
        "parallelism = 2\non-failed-batch = \"continue\"",
    );
    let next = again(&flow);
    let how = How {
        swaps: vec![(1_000, &next)],
        shadow: Some(tried(9, 0)),
        ..How::default()
    };
    let disk = MemoryDisk::new();
    let (_, mut swapped) = flow.attempt_shadowed(&disk, &how).unwrap();
    let Err(SwapError::Shadow(ShadowProblem::RunningFailed { batch }, report)) = swapped.remove(0)
    else {
        panic!("it went on");
    };
    assert_eq!((batch.as_millis(), report.batches), (3_000, 1));
    assert_eq!(versions(&disk), 1);
}

#[test]
fn who_asks_while_another_is_tried_waits_until_that_is_decided() {
    let expected = undisturbed(&first());
    let (one, two) = (again(&first()), again(&again(&first())));
    let other = first().with("\"std:max\"", "\"std:min\"");
    for (versions, firsts) in [
        ([&one, &two], [Some(7_000), Some(11_000)]),
        // The second one begins when the first one is refused.
        ([&other, &two], [None, Some(8_000)]),
    ] {
        let how = How {
            swaps: versions.iter().map(|next| (3_000, *next)).collect(),
            shadow: Some(tried(3, 0)),
            ..How::default()
        };
        let (attempt, swapped) = first().attempt_as(&MemoryDisk::new(), &how).unwrap();
        assert_eq!(outputs(attempt), expected);
        let found = swapped.into_iter().map(Result::ok);
        assert_eq!(found.collect::<Vec<_>>(), firsts);
    }
}

#[test]
fn state_is_migrated_for_the_shadow_and_once_more_when_it_takes_over() {
    let expected = undisturbed(&first());
    let next = first().with("faulty:tally\"", "faulty:tally-text\"");
    let (given, swapped, _) = asked(&next, Some(tried(3, u64::MAX)), false);
    let swapped = swapped.unwrap();
    assert_eq!(swapped.first.as_millis(), 7_000);
    for ((sink, time), rows) in &expected {
        let now = &given[&(sink.clone(), *time)];
        let is_text = sink == "tallies-out" && *time >= 7_000;
        let as_it_was = |row: &Value| match row[1].as_str().filter(|_| is_text) {
            Some(text) => json!([row[0], text.parse::<i64>().unwrap()]),
            None => row.clone(),
        };
        assert_eq!(
            now.iter().map(as_it_was).collect::<Vec<_>>(),
            *rows,
            "{sink} {time}"
        );
    }
    // The shadow has made of the sums what they are.
    let report = swapped.shadow.unwrap();
    let shown = report
        .different
        .iter()
        .filter(|row| row.only_in == OnlyIn::Shadow);
    let shown: Vec<_> = shown.collect();
    assert!(!shown.is_empty());
    for row in shown {
        assert_eq!(row.sink.as_str(), "tallies-out");
        let shadow: Value = serde_json::from_str(&row.row).unwrap();
        let number: i64 = shadow[1].as_str().unwrap().parse().unwrap();
        let rows = &expected[&("tallies-out".to_owned(), row.batch.as_millis())];
        assert!(
            rows.contains(&json!([shadow[0], number])),
            "{shadow} of {rows:?}"
        );
    }
}

/// Goes on with the last version, after those before it have made their batches again.
fn go_on(
    disk: &MemoryDisk,
    flows: &[Flow; 2],
    shadow: Option<Shadow>,
) -> Result<Vec<Attempt>, String> {
    let mut attempts = Vec::new();
    loop {
        let now = versions(disk).saturating_sub(1);
        let program = Program::of(&flows[now].files());
        let pending = Pending::on(Arc::new(disk.clone()), &program);
        let pending = pending.map_err(|error| error.to_string())?;
        let how = How {
            recovers: pending.is_some(),
            swaps: match now {
                0 if pending.is_none() => vec![(3_000, &flows[1])],
                _ => Vec::new(),
            },
            shadow,
            ..How::default()
        };
        let flow = &flows[if pending.is_some() { 0 } else { now }];
        attempts.push(flow.attempt_as(disk, &how)?.0);
        if pending.is_none() || attempts.iter().any(|attempt| attempt.error.is_some()) {
            return Ok(attempts);
        }
    }
}

#[test]
fn a_run_that_dies_while_a_version_is_tried_goes_on_with_the_old_one() {
    let flows = [first(), again(&first())];
    let (expected, shadow) = (undisturbed(&first()), Some(tried(4, 0)));
    let steps = {
        let disk = MemoryDisk::new();
        go_on(&disk, &flows, shadow).unwrap();
        disk.steps()
    };
    let mut seen = [0, 0];
    for step in (1..steps).step_by(3) {
        let death =
            [Death::Kill, Death::Crash(0), Death::Crash(9)][usize::try_from(step % 3).unwrap()];
        let disk = MemoryDisk::new();
        let mut delivered = Delivered::default();
        disk.fail_at(Some(step));
        match go_on(&disk, &flows, shadow) {
            Ok(attempts) => attempts.iter().try_for_each(|a| delivered.add(a)).unwrap(),
            Err(error) => assert!(error.contains("the disk is gone"), "{error}"),
        }
        death.of(&disk);
        disk.fail_at(None);
        let before = delivered.rows.keys().map(|(_, time)| *time).max();
        if before.is_some_and(|last| (4_000..7_000).contains(&last)) {
            // It had begun, and nothing of it is there.
            assert_eq!(versions(&disk), 1, "step {step} {death:?}");
        }
        seen[versions(&disk).saturating_sub(1)] += 1;
        for attempt in go_on(&disk, &flows, shadow).unwrap() {
            assert_eq!(attempt.error, None, "step {step} {death:?}");
            delivered.add(&attempt).unwrap();
        }
        assert!(delivered.repeats(5) <= 1, "step {step} {death:?}");
        assert_eq!(delivered.rows, expected, "step {step} {death:?}");
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}
