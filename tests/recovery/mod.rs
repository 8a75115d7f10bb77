//! Nothing is lost and nothing is counted twice, whatever the disk does and whenever it dies.
//!
//! A run here is the real thing (sources, scheduler, operators, checkpoint) over a disk in memory
//! that forgets what was not synced, names of files included; or over an object store, whose requests
//! are carried out or not, and told or not.

mod blocks;
mod catch_up;
mod clock;
mod flow;
mod going_back;
mod going_back_blocks;
mod machine;
mod migrations;
mod objects;
mod replays;
mod replays_damaged;
mod retry;
mod shadows;
mod swaps;
mod trials;

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use rsrt::journal::{Disk as _, Ignored, MemoryDisk};
use serde_json::Value;

use flow::{Attempt, Flow};
use machine::Machine;

/// What each sink has of each batch.
type Outputs = BTreeMap<(String, i64), Vec<Value>>;

/// What sinks were given over all runs.
#[derive(Default)]
struct Delivered {
    rows: Outputs,
    /// How often each batch was given to a sink.
    times: BTreeMap<(String, i64), usize>,
}

impl Delivered {
    /// Adds what one run gave; a batch that is given again must be the same.
    fn add(&mut self, attempt: &Attempt) -> Result<(), String> {
        for (to, rows) in &attempt.given {
            *self.times.entry(to.clone()).or_default() += 1;
            match self.rows.insert(to.clone(), rows.clone()) {
                Some(before) if before != *rows => {
                    return Err(format!("{to:?} was {before:?} and is {rows:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A batch is given again only if its commit was cut short: once for each death.
    fn repeats(&self, sinks: usize) -> usize {
        let more: usize = self.times.values().map(|times| times - 1).sum();
        more.div_ceil(sinks)
    }
}

/// What dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// The process: what it wrote stays to be read, none the more durable.
    Kill,
    /// The machine, keeping so many unsynced bytes.
    Crash(usize),
}

impl Death {
    fn of<M: Machine>(self, disk: &M) {
        match self {
            Self::Kill => disk.kill(),
            Self::Crash(kept) => disk.crash(kept),
        }
    }
}

/// Runs, and dies after so many further steps of the disk; then runs again; at last to the end.
fn run_and_die<M: Machine>(
    flow: &Flow,
    disk: &M,
    deaths: &[(u64, Death)],
) -> Result<Delivered, String> {
    let mut delivered = Delivered::default();
    let mut committed = 0;
    for (steps, death) in deaths {
        disk.fail_at(Some(disk.steps() + steps));
        match flow.attempt(disk) {
            Ok(attempt) => {
                delivered.add(&attempt)?;
                // What was committed stays, so a run never goes back behind it.
                let first = attempt.given.first().map(|((_, time), _)| *time);
                if first.is_some_and(|first| first < committed) {
                    return Err(format!("batch {first:?} again after {committed}"));
                }
                committed = attempt.committed.unwrap_or(committed).max(committed);
            }
            // It died while the checkpoint was being opened.
            Err(error) if error.contains("the disk is gone") => {}
            Err(error) => return Err(error),
        }
        death.of(disk);
    }
    disk.fail_at(None);
    let attempt = flow.attempt(disk)?;
    delivered.add(&attempt)?;
    match attempt.error {
        None => Ok(delivered),
        Some(error) => Err(error),
    }
}

/// What an undisturbed run gives to sinks, and how many steps of the disk it takes.
fn undisturbed(flow: &Flow) -> (Outputs, u64) {
    let disk = MemoryDisk::new();
    let attempt = flow.attempt(&disk).unwrap();
    assert!(attempt.error.is_none(), "{:?}", attempt.error);
    assert!(!attempt.given.is_empty());
    (attempt.given.into_iter().collect(), disk.steps())
}

fn check<M: Machine>(
    flow: &Flow,
    disk: &M,
    expected: &Outputs,
    deaths: &[(u64, Death)],
) -> Result<(), String> {
    let delivered = run_and_die(flow, disk, deaths)?;
    if delivered.rows != *expected {
        return Err(format!("{:?}\nexpected {expected:?}", delivered.rows));
    }
    let repeats = delivered.repeats(flow.sinks());
    if repeats > deaths.len() {
        return Err(format!("{repeats} repeats by {} deaths", deaths.len()));
    }
    Ok(())
}

/// So many deaths, each after so many steps of a run at most.
fn deaths(steps: u64, most: usize) -> impl Strategy<Value = Vec<(u64, Death)>> {
    let death = prop_oneof![
        3 => Just(Death::Kill),
        3 => Just(Death::Crash(0)),
        1 => (0..400_usize).prop_map(Death::Crash),
        1 => Just(Death::Crash(usize::MAX)),
    ];
    vec((1..steps, death), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 64 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_batch_is_there_once_wherever_a_run_dies(which in 0..flow::COUNT, interval in 1..6_u8, deaths in deaths(60, 6)) {
        let flow = Flow::new(which, interval);
        let (expected, _) = undisturbed(&flow);
        let checked = check(&flow, &MemoryDisk::new(), &expected, &deaths);
        prop_assert!(checked.is_ok(), "{} {deaths:?}: {}", flow.name(), checked.unwrap_err());
    }
}

#[test]
fn a_run_may_die_at_every_single_step() {
    let flow = Flow::new(1, 2);
    let (expected, steps) = undisturbed(&flow);
    assert!(steps > 20, "{steps}");
    for step in 1..=steps {
        // Nothing that was not synced stays, or some of it.
        for kept in [0, usize::try_from(step).unwrap()] {
            let deaths = [(step, Death::Crash(kept))];
            let checked = check(&flow, &MemoryDisk::new(), &expected, &deaths);
            assert!(checked.is_ok(), "step {step}: {}", checked.unwrap_err());
        }
    }
}

#[test]
fn what_a_killed_run_left_unsynced_is_made_durable_by_the_next_one() {
    let flow = Flow::new(1, 2);
    let (expected, steps) = undisturbed(&flow);
    for step in 1..=steps {
        // The next run reads what the first one wrote, builds on it, and then the machine stops.
        let kept = usize::try_from(step % 3 * step).unwrap();
        let deaths = [(step, Death::Kill), (1 + step % 11, Death::Crash(kept))];
        let checked = check(&flow, &MemoryDisk::new(), &expected, &deaths);
        assert!(checked.is_ok(), "{deaths:?}: {}", checked.unwrap_err());
    }
}

#[test]
fn without_either_kind_of_sync_something_goes_wrong() {
    let flow = Flow::new(0, 2);
    let (expected, _) = undisturbed(&flow);
    for ignored in [Ignored::Files, Ignored::Names] {
        let caught = (1..40).any(|step| {
            let disk = MemoryDisk::new();
            disk.ignore(Some(ignored));
            check(&flow, &disk, &expected, &[(step, Death::Crash(0))]).is_err()
        });
        assert!(caught, "nobody needs {ignored:?}");
    }
}

#[test]
fn a_finished_run_is_not_made_again() {
    let flow = Flow::new(0, 2);
    let disk = MemoryDisk::new();
    flow.attempt(&disk).unwrap();
    let again = flow.attempt(&disk).unwrap();
    assert!(again.given.is_empty());
    assert!(again.error.is_none());
}

#[test]
fn what_is_damaged_or_missing_is_told() {
    let flow = Flow::new(0, 2);
    for (begins, why) in [
        ("state-", "is not what was written"),
        ("manifest", "is not what was written"),
    ] {
        let disk = MemoryDisk::new();
        flow.attempt(&disk).unwrap();
        let name = disk
            .list()
            .unwrap()
            .into_iter()
            .rfind(|name| name.starts_with(begins));
        disk.damage(&name.unwrap(), |bytes| {
            let middle = bytes.len() / 2;
            bytes.truncate(middle);
        });
        let error = flow.attempt(&disk).map(|_| ()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let disk = MemoryDisk::new();
    flow.attempt(&disk).unwrap();
    let name = disk
        .list()
        .unwrap()
        .into_iter()
        .rfind(|name| name.starts_with("state-"));
    disk.remove(&name.unwrap()).unwrap();
    let error = flow.attempt(&disk).map(|_| ()).unwrap_err();
    assert!(error.contains("is missing"), "{error}");
}

#[test]
fn a_checkpoint_goes_on_only_with_what_fits_it() {
    let disk = MemoryDisk::new();
    let flow = Flow::new(3, 2);
    // Dies in the middle, so that batches must be made again.
    disk.fail_at(Some(60));
    flow.attempt(&disk).unwrap();
    disk.crash(0);
    for (from, to, why) in [
        ("name = \"joins", "name = \"other-joins", "is of topology"),
        (
            "batch-interval = \"1s\"",
            "batch-interval = \"2s\"",
            "`batch-interval` was 1000 ms",
        ),
        (
            "std:sum",
            "std:max",
            "claimed by another version of the topology",
        ),
    ] {
        let changed = flow.with(from, to);
        let error = changed.attempt(&disk).map(|_| ()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    flow.attempt(&disk).unwrap();
    // Nothing has to be made again now, but state that was written must stay of its kind.
    let state = Flow::new(1, 2);
    let disk = MemoryDisk::new();
    state.attempt(&disk).unwrap();
    for (from, to, why) in [
        ("[operator.recent]", "[operator.lately]", "no such operator"),
        (
            "length = \"3s\"",
            "length = \"4s\"",
            "was `count-by-value-and-window of 3",
        ),
    ] {
        let changed = state
            .with(from, to)
            .with("input = \"recent\"", "input = \"direct\"");
        let error = changed.attempt(&disk).unwrap().error.unwrap();
        assert!(error.contains(why), "{error}");
    }
}

/// The files of dead letters, and what is in them.
fn letters(disk: &MemoryDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list().unwrap().into_iter();
    let names = names.filter(|name| name.starts_with("letters-"));
    names
        .map(|name| (name.clone(), disk.read(&name).unwrap()))
        .collect()
}

#[test]
fn dead_letters_are_there_once_wherever_a_run_dies() {
    let flow = Flow::new(5, 2);
    let (expected, steps) = undisturbed(&flow);
    let disk = MemoryDisk::new();
    flow.attempt(&disk).unwrap();
    let expected_letters = letters(&disk);
    assert!(expected_letters.len() > 5, "{}", expected_letters.len());
    for step in 1..=steps {
        let death = [Death::Kill, Death::Crash(0)][usize::from(step % 2 == 0)];
        let disk = MemoryDisk::new();
        let checked = check(&flow, &disk, &expected, &[(step, death)]);
        assert!(checked.is_ok(), "step {step}: {}", checked.unwrap_err());
        assert_eq!(letters(&disk), expected_letters, "step {step}, {death:?}");
    }
}

#[test]
fn dead_letters_are_durable_before_any_sink_has_their_batch() {
    let flow = Flow::new(5, 2);
    let (_, steps) = undisturbed(&flow);
    for step in 1..=steps {
        let disk = MemoryDisk::new();
        disk.fail_at(Some(step));
        let Ok(attempt) = flow.attempt(&disk) else {
            continue;
        };
        disk.crash(0);
        let kept = letters(&disk);
        for ((_, time), _) in &attempt.given {
            let has = kept
                .iter()
                .any(|(name, _)| name.starts_with(&format!("letters-{time}-")));
            assert!(has || !has_letters(*time), "step {step}: batch {time}");
        }
    }
}

/// Whether an undisturbed run has dead letters of the batch.
fn has_letters(time: i64) -> bool {
    static ALL: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| {
        let disk = MemoryDisk::new();
        Flow::new(5, 2).attempt(&disk).unwrap();
        letters(&disk).into_iter().map(|(name, _)| name).collect()
    });
    let begin = format!("letters-{time}-");
    ALL.iter().any(|name| name.starts_with(&begin))
}
