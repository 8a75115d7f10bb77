//! What a function fails on is left out, and the rest comes out as if it had never been there: in any
//! partitions and chunks, and again after a crash.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{Arc, LazyLock},
};

use proptest::{collection::vec, prelude::*};
use rsrt::{
    cases::{Case, CaseRunner, Got},
    scheduler::{Plan, Pool},
    topology::{Defaults, Topology, compile},
};
use serde_json::{Value, json};

use crate::guests;

/// Batches of (key, number); see `plugins/faulty` for which numbers are poison.
type Batches = Vec<Vec<(u8, i64)>>;

static POOL: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Pool::new(NonZeroUsize::new(2).unwrap()).unwrap());

/// What goes with the row to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Row,
    /// All rows of its key in the batch. A function that adds two sees no number that is alone.
    Key {
        alone: bool,
    },
    Batch,
}

/// Operators whose functions fail on poison, all called `it` and reading pairs.
const VERBS: [(&str, Unit); 9] = [
    ("map-values = \"faulty:poison-map\"", Unit::Row),
    ("flat-map-values = \"faulty:poison-flat-map\"", Unit::Row),
    (
        "reduce-by-key = \"faulty:poison-add\"",
        Unit::Key { alone: false },
    ),
    (
        "combine-by-key = \"faulty:poison-add\"",
        Unit::Key { alone: false },
    ),
    (
        "update-state-by-key = \"faulty:poison-update\"",
        Unit::Key { alone: true },
    ),
    (
        "map-with-state = \"faulty:poison-total\"",
        Unit::Key { alone: true },
    ),
    ("map = \"faulty:poison-map\"", Unit::Row),
    ("filter = \"faulty:poison-filter\"", Unit::Row),
    ("transform = \"faulty:poison-batch\"", Unit::Batch),
];

fn topology(verb: &str, on_error: &str, partitions: usize, more: &str) -> Arc<Topology> {
    let plain = verb.contains("map =") || verb.contains("filter") || verb.contains("transform");
    let schema = match plain {
        true => "{ value = \"int64\" }",
        false => "{ key = \"int64\", value = \"int64\" }",
    };
    let toml = format!(
        r#"
name = "poison"
batch-interval = "1s"
parallelism = {partitions}
checkpoint = "x"
on-failed-batch = "continue"
{more}
[plugin.faulty]
path = "faulty.wasm"
[source.numbers]
type = "queue"
schema = {schema}
partitions = {partitions}
[operator.it]
input = "numbers"
{verb}
on-error = "{on_error}"
[sink.out]
input = "it"
type = "null"
"#
    );
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: true,
    };
    match compile("poison.toml", &toml, guests::catalog(), &defaults) {
        Ok(topology) => Arc::new(topology),
        Err(invalid) => panic!("{:?}\n{toml}", invalid.problems()),
    }
}

fn run(topology: &Arc<Topology>, batches: &Batches, restart_after: Vec<u64>) -> Got {
    let plain = topology.sources[0].schema.fields().len() == 1;
    let rows = |batch: &Vec<(u8, i64)>| {
        let rows = batch.iter().map(|(key, number)| match plain {
            true => json!(number),
            false => json!([key, number]),
        });
        Some(rows.collect())
    };
    let case = Case {
        name: "poison".into(),
        sources: vec![batches.iter().map(rows).collect()],
        batches: batches.len() as u64,
        expect: vec![None],
        ordered: false,
        restart_after,
        left_out: BTreeMap::new(),
        expect_error: None,
    };
    let plugins = guests::catalog().of(topology).unwrap();
    let plan = Plan::new(topology);
    let runner = CaseRunner::new(topology.clone(), plan, plugins, POOL.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(runner.run(&case))
}

/// The rows that stay, and how many go.
fn without(batch: &[(u8, i64)], unit: Unit) -> (Vec<(u8, i64)>, u64) {
    let poisoned: BTreeSet<u8> = batch
        .iter()
        .filter(|(_, number)| *number < 0)
        .map(|(key, _)| *key)
        .collect();
    let count = |key: u8| batch.iter().filter(|(of, _)| *of == key).count();
    let goes = |(key, number): &(u8, i64)| match unit {
        Unit::Row => *number < 0,
        Unit::Key { alone } => poisoned.contains(key) && (alone || count(*key) > 1),
        Unit::Batch => !poisoned.is_empty(),
    };
    let stays: Vec<_> = batch.iter().filter(|row| !goes(row)).copied().collect();
    let left_out = (batch.len() - stays.len()) as u64;
    (stays, left_out)
}

/// What the sink got, batch by batch, in any order.
fn rows(got: &Got) -> Vec<Vec<String>> {
    let batches = got.sinks[0].values();
    let text = |rows: &Vec<Value>| {
        let mut rows: Vec<_> = rows.iter().map(Value::to_string).collect();
        rows.sort_unstable();
        rows
    };
    batches.map(text).collect()
}

fn errors(got: &Got) -> Vec<&String> {
    got.batches.iter().flat_map(|(_, errors)| errors).collect()
}

fn check(
    which: usize,
    batches: &Batches,
    on_error: &str,
    partitions: usize,
    restart: Vec<u64>,
) -> Result<(), String> {
    let (verb, unit) = VERBS[which];
    let poisoned = run(&topology(verb, on_error, partitions, ""), batches, restart);
    if let Some(error) = errors(&poisoned).first() {
        return Err(format!("{verb}: {error}"));
    }
    let (clean, left_out): (Vec<_>, Vec<_>) =
        batches.iter().map(|batch| without(batch, unit)).unzip();
    let expected = run(&topology(verb, "fail", 1, ""), &clean, Vec::new());
    if rows(&poisoned) != rows(&expected) {
        return Err(format!(
            "{verb}: {:?}\nexpected {:?}",
            rows(&poisoned),
            rows(&expected)
        ));
    }
    let counts = poisoned.left_out.iter();
    let counts: Vec<u64> = counts
        .map(|of| of.get("it").copied().unwrap_or(0))
        .collect();
    match counts == left_out {
        true => Ok(()),
        false => Err(format!(
            "{verb}: {counts:?} left out, expected {left_out:?}"
        )),
    }
}

fn batches() -> impl Strategy<Value = Batches> {
    let number = prop_oneof![8 => 0..20_i64, 1 => Just(-1_i64), 1 => Just(-4_i64)];
    vec(vec((0..6_u8, number), 0..25), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 96 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rest_is_as_if_the_poison_had_not_been_there(
        which in 0..VERBS.len(),
        batches in batches(),
        partitions in 1..4_usize,
        letters in any::<bool>(),
        restart in vec(1..4_u64, 0..2),
    ) {
        let on_error = if letters { "dead-letter" } else { "skip" };
        let checked = check(which, &batches, on_error, partitions, restart);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }
}

#[test]
fn every_verb_finds_its_poison_in_many_chunks() {
    let poison = [17, 4_095, 4_096, 9_999];
    let number = |row: usize| match poison.contains(&row) {
        true => -1,
        false => i64::try_from(row % 7).unwrap(),
    };
    let key = |row: usize| u8::try_from(row % 251).unwrap();
    let batch: Vec<_> = (0..10_000).map(|row| (key(row), number(row))).collect();
    for which in 0..VERBS.len() {
        for partitions in [1, 3] {
            let batches = vec![batch.clone(), batch[..20].to_vec()];
            check(which, &batches, "dead-letter", partitions, vec![1]).unwrap();
        }
    }
}

#[test]
fn a_partition_goes_as_a_whole() {
    let verb = "map-partitions = \"faulty:poison-partition\"";
    let verb_of_pairs = topology(verb, "skip", 2, "");
    // A pair's only fitting column is its value; the queue cuts a batch into halves.
    let batch = vec![(0, 1), (0, 2), (0, -1), (0, 4)];
    let got = run(&verb_of_pairs, &vec![batch], Vec::new());
    assert_eq!(errors(&got), [""; 0]);
    assert_eq!(rows(&got), [["3"]]);
    assert_eq!(got.left_out[0]["it"], 2);
}

#[test]
fn each_deterministic_fault_may_be_left_out_and_a_limit_on_time_may_not() {
    let verb = "map = \"faulty:poison-map\"";
    let batch = |poison: i64| vec![vec![(0, 1), (0, poison), (0, 3)]];
    for (poison, limits) in [(-1, ""), (-2, "limits = { memory = \"4MiB\" }"), (-4, "")] {
        let got = run(
            &topology(verb, "skip", 1, limits),
            &batch(poison),
            Vec::new(),
        );
        assert_eq!(errors(&got), [""; 0], "{poison}");
        assert_eq!(rows(&got), [["2", "6"]], "{poison}");
    }
    let limits = "limits = { cpu-time = \"50ms\" }";
    let got = run(&topology(verb, "skip", 1, limits), &batch(-3), Vec::new());
    let error = errors(&got)[0];
    assert!(error.contains("used up its 50ms of CPU time"), "{error}");
    assert!(got.left_out[0].is_empty());
    // A function that fails on everything, and one whose columns are broken.
    for function in ["fails", "invalid-utf8"] {
        let verb = format!("map = \"faulty:{function}\"");
        let toml_lines = topology_of_lines(&verb);
        let got = run_lines(&toml_lines, &["a", "b"]);
        assert_eq!(errors(&got), [""; 0], "{function}");
        assert_eq!(got.left_out[0]["it"], 2, "{function}");
    }
}

fn topology_of_lines(verb: &str) -> Arc<Topology> {
    let toml = format!(
        r#"
name = "lines"
batch-interval = "1s"
[plugin.faulty]
path = "faulty.wasm"
[source.lines]
type = "queue"
schema = {{ value = "utf8" }}
[operator.it]
input = "lines"
{verb}
on-error = "skip"
[sink.out]
input = "it"
type = "null"
"#
    );
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: false,
    };
    Arc::new(compile("lines.toml", &toml, guests::catalog(), &defaults).unwrap())
}

fn run_lines(topology: &Arc<Topology>, lines: &[&str]) -> Got {
    let case = Case {
        name: "lines".into(),
        sources: vec![vec![Some(lines.iter().map(|line| json!(line)).collect())]],
        batches: 1,
        expect: vec![None],
        ordered: false,
        restart_after: Vec::new(),
        left_out: BTreeMap::new(),
        expect_error: None,
    };
    let plugins = guests::catalog().of(topology).unwrap();
    let runner = CaseRunner::new(topology.clone(), Plan::new(topology), plugins, POOL.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(runner.run(&case))
}

#[test]
fn too_much_poison_fails_the_batch_over_all_partitions() {
    let verb = "map-values = \"faulty:poison-map\"";
    let poison = |count: usize| {
        (0..8)
            .map(|at| (0, if at < count { -1 } else { 1 }))
            .collect()
    };
    let batches = vec![poison(3), poison(4), poison(0)];
    for partitions in [1, 2, 4] {
        let limited = topology(verb, "skip", partitions, "limits = { faults = 3 }");
        let got = run(&limited, &batches, Vec::new());
        let errors = errors(&got);
        assert_eq!(errors.len(), 1, "{errors:?}");
        let expected = "fails on more than 3 rows, keys or partitions of one batch";
        assert!(errors[0].contains(expected), "{}", errors[0]);
        assert_eq!(rows(&got).len(), 2);
    }
}

#[test]
fn a_key_that_is_left_out_keeps_its_state() {
    for verb in [
        "update-state-by-key = \"faulty:poison-update\"",
        "map-with-state = \"faulty:poison-total\"",
    ] {
        let batches = vec![
            vec![(1, 5), (2, 7)],
            vec![(1, 6), (1, -1), (2, 1)],
            vec![(1, 1)],
        ];
        let got = run(&topology(verb, "skip", 2, ""), &batches, vec![2]);
        assert_eq!(errors(&got), [""; 0]);
        let last = rows(&got).pop().unwrap();
        assert!(
            last.contains(&"[1,6]".to_owned()) || last == ["6"],
            "{last:?}"
        );
    }
}
