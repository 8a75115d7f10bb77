//! A batch that is kept is made once more as it was, whatever happened between, and by another
//! version as that version would have made it.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, LazyLock},
};

use proptest::{collection::vec, prelude::*};
use rsrt::{
    checkpoint::{Checkpoint, CheckpointError, NewVersion, Program, Retained},
    clock::ManualClock,
    journal::{Disk, MemoryDisk},
    model::BatchTime,
    replay::{Replay, ReplayAnswer, ReplayError, Replayed, Runnable, Verdict, way},
    scheduler::Pool,
};
use serde_json::Value;

use super::{
    Death, Outputs,
    flow::{COUNT, Flow, How},
    migrations, swaps,
};
use crate::guests;

static POOL: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Pool::new(NonZeroUsize::new(2).unwrap()).unwrap());

/// What sources read again, in files.
pub(super) struct Numbers(pub(super) tempfile::TempDir);

impl Numbers {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The same flow, whose numbers lie in a file, and that keeps so many batches.
    pub(super) fn of(&self, flow: &Flow, retain: usize) -> Flow {
        let path = self.0.path().join(flow.name());
        std::fs::write(&path, serde_json::to_vec(&flow.batches()).unwrap()).unwrap();
        let queue = format!("type = \"queue\"\npath = \"{}\"", path.display());
        let kept = format!("checkpoint = \"x\"\nretain-batches = {retain}");
        flow.with("type = \"queue\"", &queue)
            .with("checkpoint = \"x\"", &kept)
    }
}

pub(super) fn runnable(flow: &Flow) -> Runnable {
    let topology = flow.topology();
    Runnable {
        plugins: guests::catalog().of(&topology).unwrap(),
        topology,
    }
}

/// Makes a batch of this disk once more, by whichever of the flows made it.
pub(super) fn replayed(
    disk: &Arc<dyn Disk>,
    flows: &[&Flow],
    batch: i64,
    (other, stream): (Option<&Flow>, Option<&str>),
) -> Result<(Replayed, ReplayAnswer), ReplayError> {
    let batch = BatchTime::from_millis(batch);
    let (retained, before) = Retained::on_disk(disk, batch)?.unwrap();
    let way = way(&retained, &before, batch);
    let mut programs = BTreeMap::new();
    for version in &way.versions {
        let mut flows = flows.iter();
        let made_by = flows.find(|flow| Program::of(&flow.files()) == version.program);
        assert_eq!(retained.files(version)?, made_by.map(|flow| flow.files()));
        programs.insert(version.id, runnable(made_by.unwrap()));
    }
    let replay = Replay {
        retained: &retained,
        before: &before,
        programs: &programs,
        tenant: &POOL.tenant(NonZeroU32::MIN),
        clock: &ManualClock::at(0),
        stream,
    };
    let replayed = replay.make(batch, other.map(runnable).as_ref())?;
    let answer = ReplayAnswer::new(&replayed, (&before, way.batches), usize::MAX)?;
    Ok((replayed, answer))
}

/// The times of all batches that are kept.
fn kept(disk: &Arc<dyn Disk>) -> Vec<i64> {
    let retained = Retained::on(disk).unwrap().unwrap();
    let batches = retained.batches().map(|claim| claim.time.as_millis());
    batches.collect()
}

/// What sinks get of a batch that is made once more; none of those without a batch.
pub(super) fn outputs(answer: &ReplayAnswer) -> Outputs {
    let streams = answer.made.streams.iter().filter(|of| of.all.is_some());
    let rows = streams.map(|of| ((of.name.clone(), answer.batch), of.rows.clone()));
    rows.collect()
}

pub(super) fn at(given: &Outputs, batch: i64) -> Outputs {
    let of_batch = given.iter().filter(|((_, time), _)| *time == batch);
    of_batch
        .map(|(to, rows)| (to.clone(), rows.clone()))
        .collect()
}

/// All that is kept is as sinks got it; answers with what that is.
fn check(disk: &MemoryDisk, flows: &[&Flow], given: &Outputs) -> Result<Vec<i64>, String> {
    check_on(&(Arc::new(disk.clone()) as Arc<dyn Disk>), flows, given)
}

pub(super) fn check_on(
    disk: &Arc<dyn Disk>,
    flows: &[&Flow],
    given: &Outputs,
) -> Result<Vec<i64>, String> {
    let mut kept = kept(disk);
    // By the clock a run is ended while the one behind waits.
    kept.retain(|batch| *batch <= 12_000);
    for batch in &kept {
        let made = replayed(disk, flows, *batch, (None, None));
        let (_, answer) = made.map_err(|error| error.to_string())?;
        if answer.made.error.is_some() {
            return Err(format!("{batch}: {:?}", answer.made.error));
        }
        let (made, expected) = (outputs(&answer), at(given, *batch));
        if made != expected {
            return Err(format!("{batch}: {made:?}\nexpected {expected:?}"));
        }
    }
    Ok(kept)
}

pub(super) fn run(disk: &MemoryDisk, flow: &Flow, how: &How<'_>) -> Outputs {
    let (attempt, swapped) = flow.attempt_as(disk, how).unwrap();
    assert_eq!(attempt.error, None);
    assert!(swapped.iter().all(Result::is_ok), "{swapped:?}");
    attempt.given.into_iter().collect()
}

fn files(disk: &MemoryDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list().unwrap().into_iter();
    names
        .map(|name| (name.clone(), disk.read(&name).unwrap()))
        .collect()
}

#[test]
fn every_kept_batch_is_made_as_it_was_and_nothing_is_changed() {
    let numbers = Numbers::new();
    for which in 0..COUNT {
        for (interval, retain) in [(1, 30), (3, 30), (1, 3), (4, 5)] {
            let flow = numbers.of(&Flow::new(which, interval), retain);
            let disk = MemoryDisk::new();
            let mut given = Outputs::new();
            // States are written behind the batches' back: each run begins where they all are.
            for batches in [Some(4), Some(4), None] {
                let how = How {
                    batches,
                    ..How::default()
                };
                given.extend(run(&disk, &flow, &how));
            }
            let before = (disk.steps(), files(&disk));
            let kept = check(&disk, &[&flow], &given).unwrap();
            assert_eq!((disk.steps(), files(&disk)), before);
            let all: BTreeSet<i64> = given.keys().map(|(_, time)| *time).collect();
            let first = kept.first().unwrap();
            assert_eq!(kept.last(), all.last());
            match retain {
                30 => assert!(all.iter().all(|time| kept.contains(time)), "{kept:?}"),
                _ => assert!(kept.len() >= retain && kept.len() < 12, "{kept:?}"),
            }
            // What is not kept is told, with what is.
            let disk: Arc<dyn Disk> = Arc::new(disk);
            for missing in [first - 1_000, first + 500, i64::MIN, i64::MAX] {
                let error = replayed(&disk, &[&flow], missing, (None, None)).unwrap_err();
                let error = error.to_string();
                let there =
                    format!("batch {missing} ms is not kept in memory: there are {first} ms");
                assert!(error.starts_with(&there), "{error}");
            }
        }
    }
}

#[test]
fn every_version_makes_its_own_batches() {
    let numbers = Numbers::new();
    let flows = swaps::versions();
    for retain in [3, 30] {
        let flows = flows.each_ref().map(|flow| numbers.of(flow, retain));
        let all: Vec<&Flow> = flows.iter().collect();
        for (script, live) in [
            (&[(4_000, 0)][..], false),
            (&[(2_000, 1)], true),
            (&[(3_000, 0), (3_000, 2)], false),
            (&[(3_000, 2), (7_000, swaps::FIRST)], false),
            (&[(3_000, 2), (7_000, swaps::FIRST), (8_000, 1)], true),
        ] {
            let disk = MemoryDisk::new();
            let how = How {
                live,
                swaps: script.iter().map(|(at, to)| (*at, &flows[*to])).collect(),
                ..How::default()
            };
            let given = run(&disk, &flows[swaps::FIRST], &how);
            let kept = check(&disk, &all, &given).unwrap();
            assert!(kept.len() >= retain.min(12), "{kept:?}");
        }
    }
}

#[test]
fn what_a_version_gave_to_sinks_is_its_own_also_if_one_went_back_behind_it() {
    let numbers = Numbers::new();
    let first = numbers.of(&swaps::versions()[swaps::FIRST], 30);
    // What is in the window was summed in either case.
    let sums = "std:sum\"\n[operator.totals";
    let second = first.with(sums, &sums.replace("sum", "count"));
    let disk = MemoryDisk::new();
    let how = How {
        batches: Some(7),
        swaps: vec![(3_000, &second)],
        ..How::default()
    };
    let given = run(&disk, &first, &how);
    let there: Arc<dyn Disk> = Arc::new(disk.clone());
    let program = Program::of(&second.files());
    let opened = Checkpoint::open(there.clone(), &second.topology(), program, "test").unwrap();
    let back = NewVersion {
        from: BatchTime::from_millis(4_000),
        program: Program::of(&first.files()),
        forgets: Vec::new(),
        now: 0,
    };
    opened.checkpoint.begin_version(back).unwrap();
    assert_eq!(check(&disk, &[&first, &second], &given).unwrap().len(), 7);
    for (batch, version) in [(3_000, 1), (4_000, 2), (7_000, 2)] {
        let made = replayed(&there, &[&first, &second], batch, (None, None));
        assert_eq!(made.unwrap().1.version, version, "{batch}");
    }
}

#[test]
fn state_is_migrated_between_versions_as_it_was() {
    let numbers = Numbers::new();
    let flows = ["tally", "tally-text", "tally-again"].map(migrations::with);
    let flows = flows.each_ref().map(|flow| numbers.of(flow, 30));
    let disk = MemoryDisk::new();
    let how = How {
        swaps: vec![(3_000, &flows[1]), (7_000, &flows[2])],
        ..How::default()
    };
    let given = run(&disk, &flows[0], &how);
    let all: Vec<&Flow> = flows.iter().collect();
    assert_eq!(check(&disk, &all, &given).unwrap().len(), 12);
    // The third version cannot go on where the first one was: nobody has made its state.
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let instead = |to| replayed(&disk, &all, 3_000, (Some(to), None));
    let error = instead(&flows[2]).unwrap_err().to_string();
    assert!(error.contains("the state before batch 3000 ms"), "{error}");
    assert!(error.contains("since version 1"), "{error}");
    let (made, answer) = instead(&flows[1]).unwrap();
    assert_eq!(answer.equal, Some(false));
    let (_, differences) = made.other.unwrap();
    // The other sink's are the same.
    assert!(matches!(differences[0].verdict, Verdict::Rows { .. }));
    assert_eq!(differences[1].verdict, Verdict::Equal);
}

/// What sinks get if this version takes over at a batch.
fn taken_over(flows: &[Flow], batch: i64, by: &Flow) -> Outputs {
    let disk = MemoryDisk::new();
    let how = How {
        swaps: vec![(batch - 1_000, by)],
        ..How::default()
    };
    run(&disk, &flows[swaps::FIRST], &how)
}

#[test]
fn another_version_makes_it_as_if_it_had_taken_over_there() {
    let numbers = Numbers::new();
    let mut flows = swaps::versions();
    // Keys come once in a batch, so another function is one that does not give a value back.
    flows[0] = flows[0].with("std:max", "std:count");
    let flows = flows.each_ref().map(|flow| numbers.of(flow, 30));
    let first = &flows[swaps::FIRST];
    let disk = MemoryDisk::new();
    let given = run(&disk, first, &How::default());
    let disk: Arc<dyn Disk> = Arc::new(disk);
    for (version, by) in flows.iter().enumerate() {
        let mut different = 0;
        for batch in (2_000..=12_000).step_by(1_000) {
            let (made, answer) = replayed(&disk, &[first], batch, (Some(by), None)).unwrap();
            assert_eq!(outputs(&answer), at(&given, batch));
            let instead = ReplayAnswer {
                made: answer.other.clone().unwrap(),
                ..answer.clone()
            };
            let expected = at(&taken_over(&flows, batch, by), batch);
            assert_eq!(outputs(&instead), expected, "{batch}");
            let (_, differences) = made.other.unwrap();
            for difference in differences {
                let key = (difference.name.clone(), batch);
                let (was, is) = (given.get(&key), expected.get(&key));
                match &difference.verdict {
                    Verdict::Equal => assert_eq!(was, is),
                    Verdict::Stream { after: true } => assert_eq!(was, None),
                    Verdict::Rows { before, after } => {
                        different += 1;
                        let rows = |of: Option<&Vec<Value>>, rows: &[Value]| {
                            let of = of.unwrap();
                            assert!(rows.iter().all(|row| of.contains(row)));
                            of.len() - rows.len()
                        };
                        assert!(before.iter().all(|row| !after.contains(row)));
                        assert_eq!(rows(was, before), rows(is, after), "the rest is the same");
                    }
                    verdict => panic!("{verdict:?}"),
                }
            }
            assert_eq!(answer.equal, Some(at(&given, batch) == expected));
        }
        // The first one has another function.
        assert_eq!(different > 0, version == 0, "{different}");
    }
}

#[test]
fn what_cannot_follow_is_refused_and_lost_state_is_told() {
    let numbers = Numbers::new();
    let first = numbers.of(&swaps::versions()[swaps::FIRST], 30);
    let disk = MemoryDisk::new();
    let given = run(&disk, &first, &How::default());
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let instead = |other: &Flow| replayed(&disk, &[&first], 6_000, (Some(other), None));
    let slower = first.with("batch-interval = \"1s\"", "batch-interval = \"500ms\"");
    let split = first.with("partitions = 2", "partitions = 1");
    for (other, why) in [(slower, "batch-interval"), (split, "what it reads")] {
        let error = instead(&other).unwrap_err().to_string();
        assert!(error.contains("cannot go on where this one was"), "{error}");
        assert!(error.contains(why), "{error}");
    }
    let longer = first.with("length = \"4s\"", "length = \"5s\"");
    let (_, answer) = instead(&longer).unwrap();
    assert!(
        answer.notes[0].contains("without the state of recent"),
        "{:?}",
        answer.notes
    );
    let other = answer.other.unwrap();
    let recent = |streams: &[rsrt::replay::ShownStream]| streams[1].rows.clone();
    // A window of one batch: the sums of that batch alone.
    assert_ne!(recent(&other.streams), recent(&answer.made.streams));
    assert_eq!(
        other.streams[0].rows,
        given[&("totals-out".to_owned(), 6_000)]
    );
    // More partitions are no other rows.
    let wider = first.with("parallelism = 2", "parallelism = 3");
    let (made, _) = instead(&wider).unwrap();
    let (_, differences) = made.other.unwrap();
    let same = [Verdict::Equal, Verdict::Order];
    assert!(
        differences.iter().all(|of| same.contains(&of.verdict)),
        "{differences:?}"
    );
}

#[test]
fn one_stream_can_be_looked_at_by_its_name() {
    let numbers = Numbers::new();
    let flow = numbers.of(&Flow::new(2, 3), 30);
    let disk = MemoryDisk::new();
    let given = run(&disk, &flow, &How::default());
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let stream = |name| replayed(&disk, &[&flow], 6_000, (None, Some(name)));
    let rows = |name| {
        let (_, answer) = stream(name).unwrap();
        assert_eq!(answer.made.streams.len(), 1);
        assert_eq!(answer.made.streams[0].name, name);
        answer.made.streams[0].rows.clone()
    };
    assert_eq!(rows("numbers"), flow.batches()[5].clone().unwrap());
    assert_eq!(rows("numbers.rejected"), [Value::Null; 0]);
    assert_eq!(rows("direct"), given[&("direct-out".to_owned(), 6_000)]);
    assert_eq!(rows("recent"), given[&("recent-out".to_owned(), 6_000)]);
    assert_eq!(rows("mapped").len(), rows("numbers").len());
    assert!(!rows("mapped.snapshots").is_empty());
    let error = stream("maped").unwrap_err().to_string();
    assert!(error.starts_with("there is no stream `maped`"), "{error}");
    assert!(error.contains("mapped.snapshots, numbers"), "{error}");
    // What each of them took is told of all, and of nothing that was not done.
    let (_, answer) = stream("numbers").unwrap();
    let costs = &answer.made.operators;
    let names: Vec<&str> = costs.iter().map(|cost| &*cost.name).collect();
    assert_eq!(names, ["numbers", "mapped", "direct", "recent"]);
    let records = rows("numbers").len() as u64;
    assert_eq!(
        (costs[0].records_out, costs[1].records_in),
        (records, records)
    );
    assert!(costs[1].cpu_seconds >= costs[1].sandbox_seconds && costs[1].sandbox_seconds > 0.0);
    assert!(costs[1].memory_peak > 0);
}

fn deaths() -> impl Strategy<Value = Vec<(u64, Death)>> {
    let death = prop_oneof![
        Just(Death::Kill),
        Just(Death::Crash(0)),
        Just(Death::Crash(99))
    ];
    vec((1..60_u64, death), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 24 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Also one that nobody has committed, and while others wait to be made again.
    #[test]
    fn it_does_not_matter_where_the_run_died(
        which in 0..COUNT, interval in 1..6_u8, retain in 1..14_usize, deaths in deaths(),
    ) {
        let numbers = Numbers::new();
        let flow = numbers.of(&Flow::new(which, interval), retain);
        let expected = run(&MemoryDisk::new(), &flow, &How::default());
        let disk = MemoryDisk::new();
        for (steps, death) in deaths {
            disk.fail_at(Some(disk.steps() + steps));
            let _ = flow.attempt_as(&disk, &How::default());
            death.of(&disk);
            disk.fail_at(None);
            if disk.list().unwrap().contains(&"manifest".to_owned()) {
                let checked = check(&disk, &[&flow], &expected);
                prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
            }
        }
        run(&disk, &flow, &How::default());
        let checked = check(&disk, &[&flow], &expected);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
        prop_assert!(checked.unwrap().len() >= retain.min(12));
    }
}

#[test]
fn a_run_goes_on_while_someone_looks() {
    let numbers = Numbers::new();
    let flow = numbers.of(&Flow::new(1, 1), 2);
    let expected = run(&MemoryDisk::new(), &flow, &How::default());
    let mut looked = 0;
    for _ in 0..5 {
        let disk = MemoryDisk::new();
        let (there, by) = (disk.clone(), flow.with("", ""));
        let running = std::thread::spawn(move || run(&there, &by, &How::default()));
        let disk: Arc<dyn Disk> = Arc::new(disk);
        loop {
            let is_over = running.is_finished();
            let retained = Retained::on(&disk).unwrap();
            let batches = retained.iter().flat_map(Retained::batches);
            let batches: Vec<i64> = batches.map(|claim| claim.time.as_millis()).collect();
            for batch in batches {
                match replayed(&disk, &[&flow], batch, (None, None)) {
                    Ok((_, answer)) => {
                        looked += 1;
                        assert_eq!(outputs(&answer), at(&expected, batch));
                    }
                    // It went meanwhile.
                    Err(ReplayError::Checkpoint(CheckpointError::NotRetained { .. })) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            if is_over {
                break;
            }
        }
        assert_eq!(running.join().unwrap(), expected);
    }
    assert!(looked > 10, "{looked}");
}
