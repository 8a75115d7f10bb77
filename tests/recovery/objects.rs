//! The same over an object store, and two processes at one checkpoint.

use std::sync::Arc;

use proptest::prelude::*;
use rsrt::{
    checkpoint::{NewClaim, Program, SourceFact},
    journal::{Disk, ObjectDisk},
    model::{BatchTime, InputPosition, InputRange},
    topology::Topology,
};

use super::{
    Death, Flow, check, deaths,
    flow::{self, How},
    machine::{Fault, Machine, Objects},
    replays::{Numbers, check_on},
    undisturbed,
};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 24 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_batch_is_there_once_wherever_a_run_dies(which in 0..flow::COUNT, interval in 1..6_u8, deaths in deaths(60, 6)) {
        let flow = Flow::new(which, interval);
        let (expected, _) = undisturbed(&flow);
        let checked = check(&flow, &Objects::default(), &expected, &deaths);
        prop_assert!(checked.is_ok(), "{} {deaths:?}: {}", flow.name(), checked.unwrap_err());
    }
}

#[test]
fn a_run_may_die_at_every_single_request() {
    let flow = Flow::new(1, 2);
    let (expected, _) = undisturbed(&flow);
    let store = Objects::default();
    flow.attempt(&store).unwrap();
    let steps = store.steps();
    assert!(steps > 20, "{steps}");
    for step in 1..=steps {
        // The request at which it dies is carried out, or not.
        for kept in [0, 1] {
            let store = Objects::default();
            store.crash(kept);
            let deaths = [(step, Death::Crash(kept))];
            let checked = check(&flow, &store, &expected, &deaths);
            assert!(checked.is_ok(), "step {step}: {}", checked.unwrap_err());
        }
    }
}

#[test]
fn a_write_whose_answer_is_lost_is_not_taken_for_somebody_elses() {
    let flow = Flow::new(0, 2);
    let store = Objects::with(Fault::LosesAnswers);
    let attempt = flow.attempt(&store).unwrap();
    assert_eq!(attempt.error, None);
    assert!(store.steps() > 20);
    assert_eq!(
        attempt.given,
        flow.attempt(&Objects::default()).unwrap().given
    );
}

#[test]
fn a_store_that_overwrites_what_it_must_not_is_refused() {
    let store = Objects::with(Fault::Overwrites);
    let opened = store.open(&topology(), Program::new("two", Vec::new()));
    let error = opened.unwrap_err();
    assert!(
        error.contains("does not know conditional writes"),
        "{error}"
    );
}

fn topology() -> Topology {
    rsrt::topology::compile(
        "two.toml",
        r#"
name = "two"
batch-interval = "1s"
checkpoint = "s3://b/kept"
[source.numbers]
type = "queue"
path = "in.json"
schema = { value = "int64" }
[sink.out]
input = "numbers"
type = "null"
"#,
        crate::guests::catalog(),
        &rsrt::topology::Defaults {
            parallelism: std::num::NonZeroUsize::MIN,
            base_dir: "".into(),
            needs_checkpoint: true,
        },
    )
    .unwrap()
}

#[test]
fn who_opened_a_checkpoint_last_has_it_and_the_one_before_commits_nothing_more() {
    let topology = topology();
    let program = || Program::new("two", Vec::new());
    let claim = |number: u64| NewClaim {
        letters: &[],
        time: BatchTime::from_millis(i64::try_from(number).unwrap() * 1000),
        number,
        sources: Some(vec![SourceFact {
            source: "numbers".into(),
            range: InputRange::NoBatch,
            position: InputPosition::Batches(1),
        }]),
        references: &[],
    };
    let store = Objects::default();
    let first = store.open(&topology, program()).unwrap().checkpoint;
    first.claim(&claim(1)).unwrap();
    first.commit(claim(1).time, false).unwrap();
    first.claim(&claim(2)).unwrap();

    let opened = store.same_store().open(&topology, program()).unwrap();
    let second = opened.checkpoint;
    let claims = opened.recovered.unwrap().claims;
    let committed: Vec<_> = claims.iter().map(|claim| claim.committed).collect();
    assert_eq!(committed, [Some(false), None]);

    // The first was about to commit: it finds out, and so does whoever asks later.
    let error = first.commit(claim(2).time, false).unwrap_err().to_string();
    assert!(
        error.contains("another process has taken this checkpoint over: process"),
        "{error}"
    );
    assert!(first.claim(&claim(3)).is_err());
    assert!(first.finish().is_err());

    second.commit(claim(2).time, false).unwrap();
    second.claim(&claim(3)).unwrap();
    let third = store.same_store().open(&topology, program()).unwrap();
    let claims = third.recovered.unwrap().claims;
    let committed: Vec<_> = claims.iter().map(|claim| claim.committed).collect();
    assert_eq!(committed, [Some(false), Some(false), None]);
    assert!(second.claim(&claim(4)).is_err());
}

#[test]
fn who_has_no_business_in_a_checkpoint_does_not_take_it_over() {
    let flow = Flow::new(3, 2);
    let store = Objects::default();
    store.fail_at(Some(40));
    flow.attempt(&store).unwrap();
    store.crash(0);
    let first = store.open(&topology(), Program::new("two", Vec::new()));
    assert!(first.unwrap_err().contains("is of topology"));
    let steps = store.steps();
    let changed = flow.with("std:sum", "std:max");
    let error = changed.attempt(&store).map(|_| ()).unwrap_err();
    assert!(error.contains("claimed by another version"), "{error}");
    assert_eq!(store.steps(), steps, "nothing was written");
    assert!(flow.attempt(&store).unwrap().error.is_none());
}

#[test]
fn a_batch_is_made_once_more_by_someone_who_only_reads_the_store() {
    let numbers = Numbers::new();
    for which in [1, 3, 5] {
        let flow = numbers.of(&Flow::new(which, 2), 30);
        let store = Objects::default();
        let (attempt, _) = flow.attempt_as(&store, &How::default()).unwrap();
        let given = attempt.given.into_iter().collect();
        let steps = store.steps();
        let disk = ObjectDisk::over(Arc::new(store.clone()), "kept", "s3://b/kept").unwrap();
        let disk: Arc<dyn Disk> = Arc::new(disk);
        assert_eq!(check_on(&disk, &[&flow], &given).unwrap().len(), 12);
        assert_eq!(store.steps(), steps, "nothing was written");
    }
}
