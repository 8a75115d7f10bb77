//! Any topology gives what a plain reference over lists of rows gives: the same rows, in order
//! where there is one, and errors where a batch is missing (spec 5).

mod cell;
mod flow;
mod offers;
mod reference;
mod rules;
mod taps;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{Arc, LazyLock},
};

use proptest::{collection::vec, prelude::*, sample::select};
use rsrt::{
    cases::{Case, CaseRunner, Got},
    model::BatchTime,
    scheduler::{Plan, Pool, StageInput},
    stream::Plugins,
    topology::{Defaults, Topology, compile},
};

use crate::{choices::Choices, guests};
use cell::{Cell, Row, canonical};
use flow::{Column, Flow, Kind, Source, Stream};

/// What all cases share.
struct Shared {
    plugins: &'static Plugins,
    pool: Arc<Pool>,
    runtime: tokio::runtime::Runtime,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| Shared {
    plugins: guests::catalog(),
    pool: Pool::new(NonZeroUsize::new(2).unwrap()).unwrap(),
    runtime: tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap(),
});

fn compiled(flow: &Flow) -> Arc<Topology> {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: false,
    };
    let toml = flow.toml();
    match compile("law.toml", &toml, SHARED.plugins, &defaults) {
        Ok(topology) => Arc::new(topology),
        Err(invalid) => panic!("{:?}\n{toml}", invalid.problems()),
    }
}

fn run(topology: &Arc<Topology>, flow: &Flow, fusion: bool, batches: usize) -> Got {
    let sources = flow.sources().iter();
    let case = Case {
        name: "law".into(),
        sources: sources.map(Source::json).collect(),
        batches: batches as u64,
        expect: vec![None; flow.sinks.len()],
        ordered: false,
        restart_after: Vec::new(),
        left_out: BTreeMap::new(),
        expect_error: None,
    };
    let plan = Plan::with_fusion(topology, fusion);
    let plugins = SHARED.plugins.of(topology).unwrap();
    let runner = CaseRunner::new(topology.clone(), plan, plugins, SHARED.pool.clone());
    SHARED.runtime.block_on(runner.run(&case))
}

fn names(columns: &[Column]) -> Vec<&str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}

/// What a sink got is what the reference says; where the reference does not know the order, in any.
fn same(stream: &Stream, expected: &[Vec<Row>], got: &[serde_json::Value]) -> Result<(), String> {
    let names = names(&stream.columns);
    let rows = expected.iter().flatten();
    let mut expected: Vec<_> = rows
        .map(|row| canonical(&cell::json(&names, row)))
        .collect();
    let mut got: Vec<_> = got.iter().map(canonical).collect();
    if !stream.ordered {
        expected.sort_unstable();
        got.sort_unstable();
    }
    if expected == got {
        return Ok(());
    }
    let at = expected
        .iter()
        .zip(&got)
        .take_while(|(e, g)| e == g)
        .count();
    Err(format!(
        "{}: {} rows expected, {} came; row {at}: {:?} expected, {:?} came",
        stream.name,
        expected.len(),
        got.len(),
        expected.get(at),
        got.get(at)
    ))
}

fn check(flow: &Flow, fusion: bool, batches: usize) -> Result<(), String> {
    let topology = compiled(flow);
    for (sink, at) in topology.sinks.iter().zip(&flow.sinks) {
        let fields = topology.schema(sink.input).fields().iter();
        let fields: Vec<_> = fields.map(|f| (f.name.clone(), f.type_text())).collect();
        let columns = flow.streams[*at].columns.iter();
        let columns: Vec<_> = columns.map(|c| (c.name.clone(), c.type_text())).collect();
        if fields != columns {
            return Err(format!("columns {columns:?} expected, {fields:?} came"));
        }
    }
    let got = run(&topology, flow, fusion, batches);
    if got.batches.len() != batches {
        return Err(format!(
            "{} batches of {batches} were run",
            got.batches.len()
        ));
    }
    for (batch, (time, errors)) in got.batches.iter().enumerate() {
        let wrong = |why: String| Err(format!("batch {batch}: {why}"));
        let expected = match (flow.expected(batch), &errors[..]) {
            (Ok(expected), []) => expected,
            (Err(failed), [error]) if names_one(error, &failed) => {
                vec![None; flow.streams.len()]
            }
            (Ok(_), errors) => return wrong(format!("unexpected {errors:?}")),
            (Err(failed), errors) => return wrong(format!("{failed:?} lack a batch: {errors:?}")),
        };
        for (sink, at) in flow.sinks.iter().enumerate() {
            let (stream, got) = (&flow.streams[*at], got.sinks[sink].get(time));
            match (&expected[*at], got) {
                (None, None) => {}
                (Some(expected), Some(got)) => {
                    same(stream, expected, got).or_else(&wrong)?;
                }
                (expected, got) => {
                    let has = |has| ["no batch", "a batch"][usize::from(has)];
                    let (expected, got) = (has(expected.is_some()), has(got.is_some()));
                    return wrong(format!("{}: {expected} expected, {got} came", stream.name));
                }
            }
        }
        assert_eq!(
            *time,
            BatchTime::from_millis(1_000 * (i64::try_from(batch).unwrap() + 1))
        );
    }
    Ok(())
}

fn names_one(error: &str, operators: &[&str]) -> bool {
    operators.iter().any(|name| {
        error.contains(&format!("operator `{name}`")) && error.contains("has none at this time")
    })
}

fn schemas() -> Vec<Vec<Column>> {
    let column = Column::new;
    let pair = |key, value| vec![column("key", key), column("value", value)];
    vec![
        vec![column("value", Kind::Text)],
        vec![column("value", Kind::Text)],
        vec![column("value", Kind::Int)],
        vec![column("value", Kind::Text).nullable()],
        vec![column("value", Kind::Binary)],
        pair(Kind::Text, Kind::Int),
        pair(Kind::Text, Kind::Int),
        pair(Kind::Text, Kind::Float),
        pair(Kind::Int, Kind::Text),
        pair(Kind::Time, Kind::Bool),
        vec![
            column("key", Kind::Text).nullable(),
            column("value", Kind::Int).nullable(),
        ],
        vec![
            column("user", Kind::Text),
            column("amount", Kind::Float).nullable(),
        ],
        vec![column("user", Kind::Float), column("value", Kind::Int)],
    ]
}

const WORDS: [&str; 10] = ["", "a", "b", "ä", "A", "ß", "日本", "e\u{301}", "𝄞", "aa"];
const GAPS: [&str; 7] = [" ", "  ", "\t", ",", "\u{2003}", " , ", "\r"];
const FLOATS: [f64; 9] = [
    0.0,
    -0.0,
    0.5,
    1.5,
    -2.0,
    1e10,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];
const TIMES: [i64; 6] = [0, 1, -1, 1_767_225_600_000, i64::MIN, i64::MAX];
const BYTES: [&str; 5] = ["", "00", "ff", "00ff", "7f"];

fn line() -> impl Strategy<Value = String> {
    vec((select(&WORDS), select(&GAPS)), 0..4).prop_map(|parts| {
        let parts = parts.into_iter().map(|(word, gap)| format!("{word}{gap}"));
        parts.collect::<String>()
    })
}

fn cell(column: &Column) -> BoxedStrategy<Cell> {
    let word = || select(&WORDS).prop_map(Cell::from);
    let cell = match column.kind {
        Kind::Bool => any::<bool>().prop_map(Cell::Bool).boxed(),
        Kind::Int => (-3_i64..4).prop_map(Cell::Int).boxed(),
        Kind::Time => select(&TIMES).prop_map(Cell::Int).boxed(),
        Kind::Float => select(&FLOATS).prop_map(Cell::Float).boxed(),
        Kind::Binary => select(&BYTES).prop_map(Cell::from).boxed(),
        Kind::Text if column.name == "value" => {
            prop_oneof![line().prop_map(Cell::Text), word()].boxed()
        }
        Kind::Text => word().boxed(),
    };
    match column.nullable {
        true => prop_oneof![1 => Just(Cell::Null), 3 => cell].boxed(),
        false => cell,
    }
}

fn batch(columns: &[Column]) -> BoxedStrategy<Option<Vec<Row>>> {
    let row = columns.iter().map(cell).collect::<Vec<_>>();
    // More rows than a chunk has.
    let many = (vec(row.clone(), 1..40), 4_000_usize..9_000).prop_map(|(rows, n)| {
        let rows = rows.into_iter().cycle().take(n);
        Some(rows.collect())
    });
    prop_oneof![
        2 => Just(None),
        2 => Just(Some(Vec::new())),
        12 => vec(row, 1..12).prop_map(Some),
        1 => many,
    ]
    .boxed()
}

fn source() -> impl Strategy<Value = Source> {
    select(schemas()).prop_flat_map(|columns| {
        let batches = vec(batch(&columns), 1..4);
        (1_usize..5, batches).prop_map(move |(partitions, batches)| Source {
            columns: columns.clone(),
            partitions,
            batches,
        })
    })
}

fn flow() -> impl Strategy<Value = Flow> {
    let operators = vec(vec(any::<u16>(), 16), 1..6);
    let sinks = vec(any::<prop::sample::Index>(), 0..3);
    (vec(source(), 1..3), 1_usize..6, operators, sinks).prop_map(
        |(sources, parallelism, operators, sinks)| {
            let mut flow = Flow::new(sources, parallelism);
            for choices in &operators {
                flow.grow(Choices::new(choices));
            }
            let newest = flow.streams.len() - 1;
            let others = sinks.iter().map(|at| at.index(newest + 1));
            flow.sinks = [newest].into_iter().chain(others).collect();
            flow
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_topology_gives_what_the_rules_say(flow in flow(), more in 0_usize..2) {
        let longest = flow.sources().iter().map(|s| s.batches.len()).max().unwrap();
        for fusion in [true, false] {
            let checked = check(&flow, fusion, longest + more);
            prop_assert!(checked.is_ok(), "fusion {}: {}", fusion, checked.unwrap_err());
        }
    }

    #[test]
    fn no_part_of_an_operator_is_computed_twice(flow in flow()) {
        let plan = Plan::new(&compiled(&flow));
        let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
        let parts: Vec<_> = steps.map(|s| (s.operator, format!("{:?}", s.part))).collect();
        let distinct: BTreeSet<_> = parts.iter().collect();
        prop_assert_eq!(distinct.len(), parts.len(), "{:?}", parts);
        let sources = plan.stages.iter().filter_map(|stage| match stage.input {
            StageInput::Source(id) => Some(id),
            _ => None,
        });
        let sources: Vec<_> = sources.collect();
        let distinct: BTreeSet<_> = sources.iter().collect();
        prop_assert_eq!(distinct.len(), sources.len(), "{:?}", sources);
    }
}

/// 64, unless `PROPTEST_CASES` says otherwise.
fn cases() -> u32 {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    match asked {
        true => ProptestConfig::default().cases,
        false => 64,
    }
}
