//! Versions that take over, some of which fail on a batch, and what must come of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, LazyLock, Mutex},
};

use rsrt::{
    checkpoint::{Inside, Pending, Program, Version},
    journal::MemoryDisk,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Death, Delivered, Outputs,
    flow::{Attempt, Flow, How},
};

pub(super) const TOPOLOGY: &str = r#"
name = "trials"
batch-interval = "1s"
parallelism = 2
checkpoint = "x"
checkpoint-interval = "3s"
[plugin.faulty]
path = "faulty.wasm"
[source.numbers]
type = "queue"
path = "NUMBERS"
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

/// Batches with a number on which the function of one of the versions fails.
pub(super) const POISON: [i64; 2] = [6_000, 9_000];

/// The first of them only, or both.
fn numbers(poison: &[i64]) -> String {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    let keys = ["a", "b", "c", "d", "e"];
    let row = |batch: usize, row: usize| json!([keys[(batch * 2 + row * 3) % 5], batch + row]);
    let batches = (0..12).map(|batch| {
        let mut rows: Vec<Value> = match batch {
            4 => Vec::new(),
            _ => (0..=batch % 4).map(|at| row(batch, at)).collect(),
        };
        let time = (i64::try_from(batch).unwrap() + 1) * 1_000;
        if poison.contains(&time) {
            rows.push(json!(["a", -1]));
        }
        rows
    });
    let path = FOLDER.path().join(format!("{}.json", poison.len()));
    let batches: Value = batches.collect();
    // The same each time, so whoever reads it meanwhile sees no other.
    if !path.exists() {
        let new = tempfile::NamedTempFile::new_in(FOLDER.path()).unwrap();
        fs::write(new.path(), batches.to_string()).unwrap();
        new.persist(&path).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

pub(super) const FIRST: usize = 0;
pub(super) const FINE: usize = 1;
pub(super) const FAILS: usize = 2;
pub(super) const FAILS_TOO: usize = 3;

/// Two that make all batches, and two that fail on some.
pub(super) fn versions_of(topology: &str, poison: &[i64]) -> [Flow; 4] {
    let first = Flow::of("trials", &topology.replace("NUMBERS", &numbers(poison)));
    let fails = first
        .with(
            "[operator.each]\ninput = \"numbers\"",
            "[operator.tasted]\ninput = \"numbers\"\nmap-values = \"faulty:poison-map\"\n[operator.each]\ninput = \"tasted\"",
        )
        .with(
            "[sink.totals-out]",
            "[sink.tasted-out]\ninput = \"tasted\"\ntype = \"null\"\n[sink.totals-out]",
        );
    [
        first.with("", ""),
        first.with("std:sum\"\n[operator.totals", "std:max\"\n[operator.totals"),
        fails.with("", ""),
        // Its state is another: a function of its own, in a window.
        fails.with(
            "input = \"tasted\"\nreduce-by-key = \"std:sum\"",
            "input = \"tasted\"\nreduce-by-key = \"std:max\"",
        ),
    ]
}

pub(super) fn versions() -> [Flow; 4] {
    versions_of(TOPOLOGY, &POISON)
}

pub(super) fn fails(flow: usize) -> bool {
    [FAILS, FAILS_TOO].contains(&flow)
}

pub(super) fn in_checkpoint(disk: &MemoryDisk) -> Result<Vec<Version>, String> {
    let inside = Inside::on(Arc::new(disk.clone())).map_err(|error| error.to_string())?;
    Ok(inside.map_or_else(Vec::new, |inside| inside.versions))
}

/// The first batch of a version, which of them it is, and whether it is a way back.
pub(super) type Made = (i64, usize, bool);

pub(super) fn made_by(versions: &[Version], flows: &[Flow]) -> Vec<Made> {
    let known = |version: &Version| {
        let mut programs = flows.iter().map(|flow| Program::of(&flow.files()));
        programs
            .position(|program| program == version.program)
            .unwrap()
    };
    let made = versions.iter();
    made.map(|version| (version.from, known(version), version.back.is_some()))
        .collect()
}

/// What sinks get if each version is stopped before the next one's first batch, and that one then
/// started; up to this batch.
fn restarted(made_by: &[(i64, usize)], until: i64, flows: &[Flow]) -> Outputs {
    type Known = BTreeMap<(Vec<(i64, usize)>, i64), Outputs>;
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let key = (made_by.to_vec(), until);
    if let Some(known) = KNOWN.lock().unwrap().get(&key) {
        return known.clone();
    }
    let disk = MemoryDisk::new();
    let (mut given, mut begun) = (Outputs::new(), 0);
    for (at, (_, flow)) in made_by.iter().enumerate() {
        let next = made_by.get(at + 1).map_or(until + 1_000, |(from, _)| *from);
        let last = (next / 1_000 - 1).max(begun);
        let how = How {
            batches: Some(u64::try_from(last - begun).unwrap()),
            ..How::default()
        };
        if last == begun {
            continue;
        }
        begun = last;
        let (attempt, _) = flows[*flow].attempt_as(&disk, &how).unwrap();
        assert_eq!(attempt.error, None);
        given.extend(attempt.given);
    }
    KNOWN.lock().unwrap().insert(key, given.clone());
    given
}

/// What sinks get of these versions: each way back leads to where the version before would be if
/// the one behind it had never been, but for the batches that that one has made.
fn expected(made: &[Made], flows: &[Flow]) -> Outputs {
    const END: i64 = 12_000;
    let mut lineage: Vec<(i64, usize)> = Vec::new();
    let mut of_gone = Outputs::new();
    for (from, flow, is_back) in made {
        if !is_back {
            lineage.push((*from, *flow));
            continue;
        }
        // It made what lies before the batch on which it failed.
        let at = POISON.into_iter().find(|at| at >= from).unwrap();
        let outputs = restarted(&lineage, at - 1_000, flows);
        let own = outputs.into_iter().filter(|((_, time), _)| time >= from);
        of_gone.extend(own);
        lineage.pop();
        assert_eq!(lineage.last().map(|(_, flow)| *flow), Some(*flow));
    }
    let mut outputs = restarted(&lineage, END, flows);
    let gone: BTreeSet<i64> = of_gone.keys().map(|(_, time)| *time).collect();
    outputs.retain(|(_, time), _| !gone.contains(time));
    outputs.extend(of_gone);
    outputs
}

/// Swaps that are to be: after which batch, and which version.
pub(super) type Script = [(i64, usize)];

/// Goes on as a supervisor would: with the version that the checkpoint says is the last, after those
/// before it have made their batches again; and with the swaps that are still to be.
pub(super) fn go_on(
    disk: &MemoryDisk,
    flows: &[Flow],
    script: &Script,
    (live, attempts): (bool, &mut Vec<Attempt>),
) -> Result<(), String> {
    loop {
        let versions = made_by(&in_checkpoint(disk)?, flows);
        let now = versions.last().map_or(FIRST, |(_, flow, _)| *flow);
        let program = Program::of(&flows[now].files());
        let pending = Pending::on(Arc::new(disk.clone()), &program);
        let pending = pending.map_err(|error| error.to_string())?;
        if let Some(pending) = pending {
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
                return Ok(());
            }
            continue;
        }
        let done = versions.iter().filter(|(_, _, is_back)| !is_back).count();
        let swaps = script.iter().skip(done.saturating_sub(1));
        let how = How {
            live,
            swaps: swaps.map(|(at, flow)| (*at, &flows[*flow])).collect(),
            ..How::default()
        };
        let attempt = flows[now].attempt_as(disk, &how)?.0;
        let went_back = attempt.went_back;
        attempts.push(attempt);
        if !went_back {
            return Ok(());
        }
    }
}

/// Runs with these swaps and dies so often; then the outputs must be those that are expected.
pub(super) fn check(
    script: &Script,
    live: bool,
    deaths: &[(u64, Death)],
) -> Result<Vec<Made>, String> {
    let flows = versions();
    let disk = MemoryDisk::new();
    let mut delivered = Delivered::default();
    for (steps, death) in deaths {
        disk.fail_at(Some(disk.steps() + steps));
        let mut attempts = Vec::new();
        match go_on(&disk, &flows, script, (live, &mut attempts)) {
            Err(error) if !error.contains("the disk is gone") => return Err(error),
            _ => attempts
                .iter()
                .try_for_each(|attempt| delivered.add(attempt))?,
        }
        death.of(&disk);
    }
    disk.fail_at(None);
    let mut attempts = Vec::new();
    go_on(&disk, &flows, script, (live, &mut attempts))?;
    for attempt in &attempts {
        delivered.add(attempt)?;
        match &attempt.error {
            Some(error) if !attempt.went_back => return Err(error.clone()),
            _ => {}
        }
    }
    let made = made_by(&in_checkpoint(&disk)?, &flows);
    // By the clock there is no end to which both come.
    let until = |outputs: Outputs| -> Outputs {
        let outputs = outputs.into_iter();
        outputs.filter(|((_, time), _)| *time <= 12_000).collect()
    };
    let (expected, rows) = (
        until(expected(&made, &flows)),
        until(delivered.rows.clone()),
    );
    if rows != expected {
        return Err(format!("{made:?}: {rows:?}\nexpected {expected:?}"));
    }
    let repeats = delivered.repeats(4);
    if repeats > deaths.len() {
        return Err(format!("{repeats} repeats by {} deaths", deaths.len()));
    }
    Ok(made)
}
