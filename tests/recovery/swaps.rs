//! Another version takes over while a stream runs: every batch is made once, by the version whose it
//! is, wherever the process or the machine dies.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use proptest::{collection::vec, prelude::*};
use rsrt::{
    checkpoint::{Inside, Pending, Program, Version},
    journal::MemoryDisk,
};

use super::{
    Death, Delivered, Outputs, deaths,
    flow::{Attempt, Flow, How},
};

const TOPOLOGY: &str = r#"
name = "swaps"
batch-interval = "1s"
parallelism = 2
checkpoint = "x"
checkpoint-interval = "3s"
[source.numbers]
type = "queue"
schema = { key = "utf8", value = "int64" }
partitions = 2
[operator.each]
input = "numbers"
reduce-by-key = "std:sum"
[operator.totals]
input = "each"
update-state-by-key = "running"
[operator.recent]
input = "each"
reduce-by-key-and-window = "std:sum"
length = "4s"
inverse = true
[operator.rows]
input = "numbers"
window = "3s"
[sink.totals-out]
input = "totals"
type = "null"
[sink.recent-out]
input = "recent"
type = "null"
[sink.rows-out]
input = "rows"
type = "null"
"#;

/// Versions of it that go on with the state of others, but for the way back from the second, whose
/// operator has a name that only it knows.
pub(super) fn versions() -> [Flow; 4] {
    let first = Flow::of("swaps", TOPOLOGY);
    [
        first.with("std:sum\"\n[operator.totals", "std:max\"\n[operator.totals"),
        first
            .with(
                "[operator.totals]",
                "[operator.sums]\nrenamed-from = \"totals\"",
            )
            .with("input = \"totals\"", "input = \"sums\""),
        // One operator more before it, so that all have another place, and a sink more.
        first
            .with(
                "[operator.each]",
                "[operator.first]\ninput = \"numbers\"\ndistinct = true\n[operator.each]",
            )
            .with(
                "[sink.totals-out]",
                "[sink.first-out]\ninput = \"first\"\ntype = \"null\"\n[sink.totals-out]",
            ),
        first,
    ]
}

pub(super) const FIRST: usize = 3;

/// Which of the versions these are, each with its first batch.
fn made_by(versions: &[Version], flows: &[Flow]) -> Vec<(i64, usize)> {
    let known = |version: &Version| {
        let mut programs = flows.iter().map(|flow| Program::of(&flow.files()));
        programs
            .position(|program| program == version.program)
            .unwrap()
    };
    versions
        .iter()
        .map(|version| (version.from, known(version)))
        .collect()
}

fn in_checkpoint(disk: &MemoryDisk) -> Result<Vec<Version>, String> {
    let inside = Inside::on(Arc::new(disk.clone())).map_err(|error| error.to_string())?;
    Ok(inside.map_or_else(Vec::new, |inside| inside.versions))
}

/// By the versions and their first batches.
type Known = Mutex<BTreeMap<Vec<(i64, usize)>, Outputs>>;

/// What sinks get if each version is stopped before the next one's first batch, and that one then
/// started: the other way to another version.
fn restarted(made_by: &[(i64, usize)]) -> Outputs {
    static KNOWN: LazyLock<Known> = LazyLock::new(Mutex::default);
    let known = KNOWN.lock().unwrap().get(made_by).cloned();
    known.unwrap_or_else(|| {
        let given = restart(made_by, &versions());
        let mut known = KNOWN.lock().unwrap();
        known.insert(made_by.to_vec(), given.clone());
        given
    })
}

fn restart(made_by: &[(i64, usize)], flows: &[Flow]) -> Outputs {
    let disk = MemoryDisk::new();
    let mut given = Outputs::new();
    let mut begun = 0;
    for (at, (_, flow)) in made_by.iter().enumerate() {
        let next = made_by.get(at + 1).map(|(from, _)| from / 1_000 - 1);
        let batches = next.map(|last| u64::try_from(last - begun).unwrap());
        begun = next.unwrap_or(begun);
        let how = How {
            batches,
            ..How::default()
        };
        if batches == Some(0) {
            continue;
        }
        let (attempt, _) = flows[*flow].attempt_as(&disk, &how).unwrap();
        assert_eq!(attempt.error, None);
        given.extend(attempt.given);
    }
    given
}

/// Swaps that are to be: after which batch, and which version.
type Script = [(i64, usize)];

/// Goes on as a supervisor would: with the version that the checkpoint says is the last, after those
/// before it have made their batches again; and with the swaps that are still to be.
fn go_on(
    disk: &MemoryDisk,
    flows: &[Flow],
    script: &Script,
    live: bool,
) -> Result<Vec<Attempt>, String> {
    let mut attempts = Vec::new();
    loop {
        let versions = made_by(&in_checkpoint(disk)?, flows);
        let now = versions.last().map_or(FIRST, |(_, flow)| *flow);
        let program = Program::of(&flows[now].files());
        let pending = Pending::on(Arc::new(disk.clone()), &program);
        let pending = pending.map_err(|error| error.to_string())?;
        let Some(pending) = pending else {
            let done = versions.len().saturating_sub(1);
            let swaps = script.iter().skip(done);
            let how = How {
                live,
                swaps: swaps.map(|(at, flow)| (*at, &flows[*flow])).collect(),
                ..How::default()
            };
            attempts.push(flows[now].attempt_as(disk, &how)?.0);
            return Ok(attempts);
        };
        let files = pending.files.ok_or("what it was made of was not kept")?;
        let flow = flows.iter().find(|flow| flow.files() == files).unwrap();
        let how = How {
            recovers: true,
            ..How::default()
        };
        let attempt = flow.attempt_as(disk, &how)?.0;
        let failed = attempt.error.is_some();
        attempts.push(attempt);
        if failed {
            return Ok(attempts);
        }
    }
}

/// Runs with these swaps and dies so often; then the outputs must be those of versions that were
/// stopped and started at the same batches.
fn check(
    script: &Script,
    live: bool,
    deaths: &[(u64, Death)],
) -> Result<Vec<(i64, usize)>, String> {
    let flows = versions();
    let disk = MemoryDisk::new();
    let mut delivered = Delivered::default();
    let mut froms: BTreeMap<u64, (i64, usize)> = BTreeMap::new();
    for (steps, death) in deaths {
        disk.fail_at(Some(disk.steps() + steps));
        match go_on(&disk, &flows, script, live) {
            Ok(attempts) => attempts
                .iter()
                .try_for_each(|attempt| delivered.add(attempt))?,
            Err(error) if error.contains("the disk is gone") => {}
            Err(error) => return Err(error),
        }
        death.of(&disk);
    }
    disk.fail_at(None);
    let attempts = go_on(&disk, &flows, script, live)?;
    for attempt in &attempts {
        delivered.add(attempt)?;
        if let Some(error) = &attempt.error {
            return Err(error.clone());
        }
    }
    for (at, version) in made_by(&in_checkpoint(&disk)?, &flows)
        .into_iter()
        .enumerate()
    {
        froms.insert(at as u64, version);
    }
    let versions: Vec<_> = froms.into_values().collect();
    let expected = restarted(&versions);
    // By the clock there is no end to which both come.
    let until = |outputs: Outputs| -> Outputs {
        let outputs = outputs.into_iter();
        outputs.filter(|((_, time), _)| *time <= 12_000).collect()
    };
    let (expected, rows) = (until(expected), until(delivered.rows.clone()));
    if rows != expected {
        return Err(format!("{versions:?}: {rows:?}\nexpected {expected:?}"));
    }
    let repeats = delivered.repeats(4);
    if repeats > deaths.len() {
        return Err(format!("{repeats} repeats by {} deaths", deaths.len()));
    }
    Ok(versions)
}

#[test]
fn a_version_takes_over_at_the_next_batch_and_nothing_is_lost() {
    for (script, expected) in [
        (&[(4_000, 0)][..], &[(5_000, 0)][..]),
        (&[(4_000, 1)], &[(5_000, 1)]),
        (&[(4_000, 2)], &[(5_000, 2)]),
        // Two in a row, each with a batch of its own; and back.
        (&[(3_000, 0), (3_000, 2)], &[(4_000, 0), (5_000, 2)]),
        (&[(3_000, 2), (7_000, FIRST)], &[(4_000, 2), (8_000, FIRST)]),
    ] {
        let versions = check(script, false, &[]).unwrap();
        assert_eq!(versions[0].1, FIRST);
        assert_eq!(&versions[1..], expected);
    }
}

#[test]
fn a_version_takes_over_while_batches_wait() {
    for next in [0, 2] {
        let versions = check(&[(2_000, next), (5_000, FIRST)], true, &[]).unwrap();
        // At the next batch that begins, although later ones were claimed long before.
        let expected = [(3_000, next), (6_000, FIRST)];
        assert_eq!(&versions[1..], expected);
    }
    // The way back from a name that the first version does not know would lose state.
    let versions = check(&[(2_000, 1), (5_000, FIRST)], true, &[]).unwrap();
    assert_eq!(&versions[1..], [(3_000, 1)]);
}

/// Steps of the disk in an undisturbed run.
fn steps(script: &Script, live: bool) -> u64 {
    let disk = MemoryDisk::new();
    go_on(&disk, &versions(), script, live).unwrap();
    disk.steps()
}

#[test]
fn a_run_may_die_at_any_step_of_a_swap() {
    let script = [(3_000, 2), (4_000, 1)];
    for live in [false, true] {
        let steps = steps(&script, live);
        assert!(steps > 60, "{steps}");
        let mut seen = BTreeMap::new();
        // Each of them is a run of several versions: some of the steps here, any of them below.
        for step in (1..=steps).step_by(if live { 5 } else { 2 }) {
            let death =
                [Death::Kill, Death::Crash(0), Death::Crash(7)][usize::try_from(step % 3).unwrap()];
            let checked = check(&script, live, &[(step, death)]);
            let versions = checked.unwrap_or_else(|error| panic!("step {step} {death:?}: {error}"));
            *seen.entry(versions).or_insert(0) += 1;
        }
        // It died before and after either of them was durable.
        assert!(seen.len() > 1 || live, "{seen:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 32 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn swaps_lose_nothing_wherever_a_run_dies(
        script in vec((1..11_i64, 0..=FIRST), 1..5),
        live in any::<bool>(),
        deaths in deaths(80, 6),
    ) {
        let mut script: Vec<_> = script.into_iter().map(|(at, flow)| (at * 1_000, flow)).collect();
        script.sort_unstable_by_key(|(at, _)| *at);
        let checked = check(&script, live, &deaths);
        prop_assert!(checked.is_ok(), "{script:?} {live} {deaths:?}: {}", checked.unwrap_err());
    }
}

/// What is said when this version is to take over after the third batch, and what sinks get.
fn refused(to: &Flow, accepts_loss: bool) -> (Result<i64, String>, Outputs) {
    let how = How {
        swaps: vec![(3_000, to)],
        accepts_loss,
        ..How::default()
    };
    let first = Flow::of("swaps", TOPOLOGY);
    let (attempt, mut swapped) = first.attempt_as(&MemoryDisk::new(), &how).unwrap();
    assert_eq!(attempt.error, None);
    (swapped.remove(0), attempt.given.into_iter().collect())
}

#[test]
fn what_cannot_take_over_leaves_the_running_version_as_it_is() {
    let flows = versions();
    let undisturbed = restarted(&[(0, FIRST)]);
    let first = &flows[FIRST];
    for (next, why) in [
        (
            first.with("length = \"4s\"", "length = \"5s\""),
            "it would lose state: operator `recent`",
        ),
        (
            first.with("parallelism = 2", "parallelism = 3"),
            "topology `swaps`: parallelism was `2` and is `3`",
        ),
        (
            first.with("partitions = 2", "partitions = 1"),
            "source `numbers`: what it reads",
        ),
        (
            first.with("batch-interval = \"1s\"", "batch-interval = \"500ms\""),
            "it cannot take over: topology `swaps`: batch-interval",
        ),
    ] {
        let (swapped, given) = refused(&next, false);
        let said = swapped.unwrap_err();
        assert!(said.contains(why), "{said}");
        assert_eq!(given, undisturbed, "{why}");
    }
}

#[test]
fn state_that_may_be_lost_is_lost_and_everything_else_goes_on() {
    let first = Flow::of("swaps", TOPOLOGY);
    let next = first.with("length = \"4s\"", "length = \"5s\"");
    let (swapped, given) = refused(&next, true);
    assert_eq!(swapped, Ok(4_000));
    let undisturbed = restarted(&[(0, FIRST)]);
    for ((sink, time), rows) in &undisturbed {
        let now = &given[&(sink.clone(), *time)];
        if sink != "recent-out" || *time < 4_000 {
            assert_eq!(now, rows, "{sink} {time}");
        }
    }
    // The window holds the fourth batch and nothing else.
    let at = ("recent-out".to_owned(), 4_000);
    assert_ne!(given[&at], undisturbed[&at]);
    // A run that dies behind the swap forgets the same.
    let how = How {
        swaps: vec![(3_000, &next)],
        accepts_loss: true,
        ..How::default()
    };
    let steps = {
        let disk = MemoryDisk::new();
        first.attempt_as(&disk, &how).unwrap();
        disk.steps()
    };
    for step in 1..steps {
        let disk = MemoryDisk::new();
        disk.fail_at(Some(step));
        let _ = first.attempt_as(&disk, &how);
        disk.kill();
        disk.fail_at(None);
        let versions = in_checkpoint(&disk).unwrap();
        if versions.len() < 2 {
            continue;
        }
        let flows = [next.with("", ""), first.with("", "")];
        let attempts = go_on_with(&disk, &flows);
        for ((sink, time), rows) in attempts.into_iter().flat_map(|attempt| attempt.given) {
            assert_eq!(
                rows,
                given[&(sink.clone(), time)],
                "step {step}: {sink} {time}"
            );
        }
    }
}

/// The first of the versions goes on; what the other one has claimed it makes again before.
fn go_on_with(disk: &MemoryDisk, flows: &[Flow; 2]) -> Vec<Attempt> {
    let program = Program::of(&flows[0].files());
    let mut attempts = Vec::new();
    while let Some(pending) = Pending::on(Arc::new(disk.clone()), &program).unwrap() {
        assert_eq!(pending.files, Some(flows[1].files()));
        let how = How {
            recovers: true,
            ..How::default()
        };
        attempts.push(flows[1].attempt_as(disk, &how).unwrap().0);
    }
    attempts.push(flows[0].attempt_as(disk, &How::default()).unwrap().0);
    assert!(attempts.iter().all(|attempt| attempt.error.is_none()));
    attempts
}
