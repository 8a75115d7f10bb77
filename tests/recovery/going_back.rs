//! A version that took over fails, or somebody wants the one before back: that goes on from where it
//! had come, and every batch is made once, wherever the process or the machine dies.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use rsrt::{journal::MemoryDisk, stream::VersionEvent};

use super::{
    Death, Outputs, deaths,
    flow::How,
    trials::{
        FAILS, FAILS_TOO, FINE, FIRST, Made, POISON, Script, TOPOLOGY, check, fails, go_on,
        in_checkpoint, made_by, versions, versions_of,
    },
};

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
                4_000..8_000 | 12_001.. => {}
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

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 32 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn ways_back_lose_nothing_wherever_a_run_dies(
        // With their ways back they are not more than a checkpoint remembers.
        script in vec((1..11_i64, FIRST..=FAILS_TOO), 1..3),
        live in any::<bool>(),
        deaths in deaths(80, 6),
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
