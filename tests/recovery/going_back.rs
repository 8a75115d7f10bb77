//! A version that took over fails, or somebody wants the one before back: that goes on from where it
//! had come, and every batch is made once, wherever the process or the machine dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, LazyLock, Mutex},
};

use proptest::{collection::vec, prelude::*};
use rsrt::{
    checkpoint::{Inside, Pending, Program, Version},
    journal::MemoryDisk,
    stream::VersionEvent,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Death, Delivered, Outputs,
    flow::{Attempt, Flow, How},
};

const TOPOLOGY: &str = r#"
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
const POISON: [i64; 2] = [6_000, 9_000];

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

const FIRST: usize = 0;
const FINE: usize = 1;
const FAILS: usize = 2;
const FAILS_TOO: usize = 3;

/// Two that make all batches, and two that fail on some.
fn versions_of(topology: &str, poison: &[i64]) -> [Flow; 4] {
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

fn versions() -> [Flow; 4] {
    versions_of(TOPOLOGY, &POISON)
}

fn fails(flow: usize) -> bool {
    [FAILS, FAILS_TOO].contains(&flow)
}

fn in_checkpoint(disk: &MemoryDisk) -> Result<Vec<Version>, String> {
    let inside = Inside::on(Arc::new(disk.clone())).map_err(|error| error.to_string())?;
    Ok(inside.map_or_else(Vec::new, |inside| inside.versions))
}

/// The first batch of a version, which of them it is, and whether it is a way back.
type Made = (i64, usize, bool);

fn made_by(versions: &[Version], flows: &[Flow]) -> Vec<Made> {
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
type Script = [(i64, usize)];

/// Goes on as a supervisor would: with the version that the checkpoint says is the last, after those
/// before it have made their batches again; and with the swaps that are still to be.
fn go_on(
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
fn check(script: &Script, live: bool, deaths: &[(u64, Death)]) -> Result<Vec<Made>, String> {
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

#[test]
fn a_version_that_fails_on_its_third_batch_gives_way_to_the_one_before() {
    for (script, behind) in [
        (
            &[(3_000, FAILS)][..],
            &[(4_000, FAILS, false), (4_000, FIRST, true)][..],
        ),
        // On its first batch.
        (
            &[(5_000, FAILS)],
            &[(6_000, FAILS, false), (6_000, FIRST, true)],
        ),
        // Two in a row, and the second fails: one version back.
        (
            &[(3_000, FINE), (3_000, FAILS)],
            &[
                (4_000, FINE, false),
                (5_000, FAILS, false),
                (5_000, FINE, true),
            ],
        ),
        // The next one is tried once more, and fails, too.
        (
            &[(3_000, FAILS_TOO), (7_000, FAILS)],
            &[
                (4_000, FAILS_TOO, false),
                (4_000, FIRST, true),
                (8_000, FAILS, false),
                (8_000, FIRST, true),
            ],
        ),
    ] {
        for live in [false, true] {
            let made = check(script, live, &[]).unwrap();
            assert_eq!(made[0].1, FIRST);
            assert_eq!(&made[1..], behind, "{script:?} {live}");
        }
    }
}

#[test]
fn who_listens_hears_of_versions() {
    let flows = versions_of(TOPOLOGY, &POISON[..1]);
    let how = How {
        swaps: vec![(3_000, &flows[FAILS]), (8_000, &flows[FINE])],
        ..How::default()
    };
    let disk = MemoryDisk::new();
    let (attempt, swapped) = flows[FIRST].attempt_as(&disk, &how).unwrap();
    assert_eq!((attempt.error, attempt.went_back), (None, false));
    assert_eq!(swapped, [Ok(4_000), Ok(9_000)]);
    let told = attempt.versions.iter().map(|event| match event {
        VersionEvent::TookOver { first, .. } => (first.as_millis(), 0),
        VersionEvent::RolledBack { to_before, at, why } => {
            assert!(
                why.contains("operator `tasted`") && why.contains("poison"),
                "{why}"
            );
            (to_before.as_millis(), at.as_millis())
        }
        VersionEvent::Settled { first } => (first.as_millis(), 1),
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [(4_000, 0), (4_000, 6_000), (9_000, 0)]);
    let why = in_checkpoint(&disk).unwrap()[2].back.clone().unwrap();
    assert!(why.contains("operator `tasted`"), "{why}");
}

#[test]
fn there_is_a_way_back_for_as_many_batches_as_are_retained() {
    let topology = TOPOLOGY.replace("name = \"trials\"", "name = \"trials\"\nretain-batches = 2");
    let flows = versions_of(&topology, &POISON[..1]);
    let run = |after: i64, how: How<'_>| {
        let how = How {
            swaps: vec![(after, &flows[FAILS])],
            ..how
        };
        let disk = MemoryDisk::new();
        let (attempt, swapped) = flows[FIRST].attempt_as(&disk, &how).unwrap();
        let made = made_by(&in_checkpoint(&disk).unwrap(), &flows);
        (attempt, swapped, made)
    };
    // The third batch fails.
    let (attempt, _, made) = run(3_000, How::default());
    assert!(attempt.error.unwrap().contains("operator `tasted`"));
    assert!(!attempt.went_back);
    assert_eq!(made.len(), 2);
    let settled = attempt.versions.last();
    assert!(
        matches!(settled, Some(VersionEvent::Settled { first }) if first.as_millis() == 4_000),
        "{settled:?}"
    );
    // The second one does.
    let (attempt, _, made) = run(4_000, How::default());
    assert_eq!(attempt.error, None);
    assert_eq!(made[1..], [(5_000, FAILS, false), (5_000, FIRST, true)]);
    // Somebody wants it back in time, and too late.
    let back = |at| How {
        back: Some(at),
        ..How::default()
    };
    let (attempt, swapped, made) = run(4_000, back(5_000));
    assert_eq!((attempt.error, &swapped[1]), (None, &Ok(6_000)));
    assert_eq!(made[1..], [(5_000, FAILS, false), (5_000, FIRST, true)]);
    let (attempt, swapped, _) = run(1_000, back(3_000));
    assert!(attempt.error.unwrap().contains("operator `tasted`"));
    let said = swapped[1].clone().unwrap_err();
    assert!(
        said.contains("there is no way back") && said.contains("swap to"),
        "{said}"
    );
}

#[test]
fn somebody_who_wants_the_version_before_gets_it() {
    for live in [false, true] {
        let flows = versions_of(TOPOLOGY, &[]);
        let how = How {
            live,
            swaps: vec![(3_000, &flows[FAILS])],
            back: Some(7_000),
            ..How::default()
        };
        let disk = MemoryDisk::new();
        let (attempt, swapped) = flows[FIRST].attempt_as(&disk, &how).unwrap();
        assert_eq!(swapped, [Ok(4_000), Ok(8_000)]);
        let made = made_by(&in_checkpoint(&disk).unwrap(), &flows);
        assert_eq!(made[1..], [(4_000, FAILS, false), (4_000, FIRST, true)]);
        let given: Outputs = attempt.given.into_iter().collect();
        let undisturbed = flows[FIRST].attempt_as(&MemoryDisk::new(), &How::default());
        let undisturbed: Outputs = undisturbed.unwrap().0.given.into_iter().collect();
        for (to, rows) in &undisturbed {
            match to.1 {
                4_000..8_000 => {}
                12_001.. => {}
                _ => assert_eq!(given.get(to), Some(rows), "{to:?}"),
            }
        }
    }
}

#[test]
fn what_is_no_fault_of_the_version_leads_nowhere() {
    let flows = versions_of(TOPOLOGY, &POISON);
    let how = How {
        swaps: vec![(3_000, &flows[FAILS])],
        sinks_fail_from: Some(5_000),
        ..How::default()
    };
    let disk = MemoryDisk::new();
    let (attempt, _) = flows[FIRST].attempt_as(&disk, &how).unwrap();
    let error = attempt.error.unwrap();
    assert!(error.contains("it is full"), "{error}");
    assert_eq!(in_checkpoint(&disk).unwrap().len(), 2);
    assert_eq!(attempt.versions.len(), 1);
}

#[test]
fn without_a_checkpoint_there_is_a_way_back_as_well() {
    let without = TOPOLOGY
        .replace("checkpoint = \"x\"\ncheckpoint-interval = \"3s\"\n", "")
        .replace(
            "[operator.totals]\ninput = \"each\"\nupdate-state-by-key = \"running\"\n",
            "",
        )
        .replace(
            "[sink.totals-out]\ninput = \"totals\"",
            "[sink.totals-out]\ninput = \"each\"",
        )
        .replace("inverse = true\n", "");
    let windows = versions_of(&without, &POISON);
    let stateless = without
        .replace("[operator.recent]\ninput = \"each\"\nreduce-by-key-and-window = \"std:sum\"\nlength = \"4s\"\n", "")
        .replace("[operator.rows]\ninput = \"numbers\"\nwindow = \"3s\"\n", "")
        .replace("input = \"recent\"", "input = \"each\"")
        .replace("input = \"rows\"", "input = \"each\"");
    for flows in [windows, versions_of(&stateless, &POISON)] {
        let (undisturbed, _) = flows[FIRST].attempt_without(&How::default());
        let undisturbed: Outputs = undisturbed.given.into_iter().collect();
        for live in [false, true] {
            let how = How {
                live,
                swaps: vec![(3_000, &flows[FAILS])],
                ..How::default()
            };
            let (attempt, swapped) = flows[FIRST].attempt_without(&how);
            assert_eq!((attempt.error, &swapped[..]), (None, &[Ok(4_000)][..]));
            assert_eq!(attempt.versions.len(), 2, "{:?}", attempt.versions);
            let given: Outputs = attempt.given.into_iter().collect();
            for (to, rows) in &undisturbed {
                if !(4_000..6_000).contains(&to.1) {
                    assert_eq!(given.get(to), Some(rows), "{to:?}");
                }
            }
        }
    }
}

/// Steps of the disk in an undisturbed run.
fn steps(script: &Script, live: bool) -> u64 {
    let disk = MemoryDisk::new();
    go_on(&disk, &versions(), script, (live, &mut Vec::new())).unwrap();
    disk.steps()
}

#[test]
fn a_run_may_die_at_any_step_of_a_way_back() {
    let script = [(3_000, FAILS)];
    for live in [false, true] {
        let steps = steps(&script, live);
        assert!(steps > 60, "{steps}");
        let mut seen = BTreeMap::new();
        for step in (1..=steps).step_by(if live { 4 } else { 1 }) {
            let death =
                [Death::Kill, Death::Crash(0), Death::Crash(7)][usize::try_from(step % 3).unwrap()];
            let checked = check(&script, live, &[(step, death)]);
            let made = checked.unwrap_or_else(|error| panic!("step {step} {death:?}: {error}"));
            *seen.entry(made).or_insert(0) += 1;
        }
        // It died before and after either of them was durable.
        assert!(seen.len() > 1, "{seen:?}");
        let ends_well = |made: &[Made]| {
            let (from, flow, _) = made[made.len() - 1];
            !fails(flow) || from > POISON[1]
        };
        assert!(seen.keys().all(|made| ends_well(made)), "{seen:?}");
    }
}

fn deaths() -> impl Strategy<Value = Vec<(u64, Death)>> {
    let death = prop_oneof![
        3 => Just(Death::Kill),
        3 => Just(Death::Crash(0)),
        1 => (0..400_usize).prop_map(Death::Crash),
        1 => Just(Death::Crash(usize::MAX)),
    ];
    vec((1..80_u64, death), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 32 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn ways_back_lose_nothing_wherever_a_run_dies(
        script in vec((1..11_i64, FIRST..=FAILS_TOO), 1..5),
        live in any::<bool>(),
        deaths in deaths(),
    ) {
        let mut script: Vec<_> = script.into_iter().map(|(at, flow)| (at * 1_000, flow)).collect();
        script.sort_unstable_by_key(|(at, _)| *at);
        // Where the one before fails as well there is no way on.
        for at in 1..script.len() {
            if fails(script[at].1) && fails(script[at - 1].1) {
                script[at].1 = FINE;
            }
        }
        let checked = check(&script, live, &deaths);
        prop_assert!(checked.is_ok(), "{script:?} {live} {deaths:?}: {}", checked.unwrap_err());
    }
}
