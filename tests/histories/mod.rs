//! Whatever a topology remembers, windows and brings together over several batches is what a plain
//! reference over lists of rows says (spec 5 to 7).

mod flow;
mod reference;

use std::{num::NonZeroUsize, sync::Arc, sync::LazyLock};

use proptest::{collection::vec, prelude::*, sample::select};
use rsrt::{
    cases::{Case, CaseRunner, Got},
    scheduler::{Plan, Pool},
    topology::{Defaults, compile},
};
use serde_json::{Value, json};

use crate::guests;
use flow::{Flow, Shape, Stream};
use reference::Batches;

static POOL: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Pool::new(NonZeroUsize::new(2).unwrap()).unwrap());

fn run(flow: &Flow, batches: usize, restarts: &[u64]) -> Got {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: false,
    };
    let plugins = guests::catalog();
    let topology = match compile("law.toml", &flow.toml(), plugins, &defaults) {
        Ok(topology) => Arc::new(topology),
        Err(invalid) => panic!("{:?}\n{}", invalid.problems(), flow.toml()),
    };
    let case = Case {
        name: "law".into(),
        sources: flow.streams[..flow.sources]
            .iter()
            .map(|source| source.batches.clone())
            .collect(),
        batches: batches as u64,
        expect: vec![None; flow.streams.len()],
        ordered: false,
        restart_after: restarts.to_vec(),
        expect_error: None,
    };
    let plan = Plan::new(&topology);
    let plugins = plugins.of(&topology).unwrap();
    let runner = CaseRunner::new(topology, plan, plugins, POOL.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(runner.run(&case))
}

/// Rows in a fixed order; so are the items of their lists, whose order the reference does not know.
fn canonical(shape: Shape, rows: &[Value]) -> Vec<String> {
    let sorted = |list: &Value| {
        let mut items: Vec<String> = list
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        items.sort_unstable();
        items
    };
    let is_list = |value: &Value| value.is_array();
    let mut rows: Vec<String> = rows
        .iter()
        .map(|row| match (shape, row[1].as_array()) {
            (Shape::Lists, Some(sides)) if !sides.is_empty() && sides.iter().all(is_list) => {
                let sides: Vec<_> = sides.iter().map(sorted).collect();
                json!([row[0], sides]).to_string()
            }
            (Shape::Lists, _) => json!([row[0], sorted(&row[1])]).to_string(),
            _ => row.to_string(),
        })
        .collect();
    rows.sort_unstable();
    rows
}

fn check(flow: &Flow, batches: usize, restarts: &[u64]) -> Result<(), String> {
    let got = run(flow, batches, restarts);
    if let Some((time, errors)) = got.batches.iter().find(|(_, errors)| !errors.is_empty()) {
        return Err(format!("batch {time}: {errors:?}"));
    }
    for (sink, stream) in flow.streams.iter().enumerate() {
        for (at, (time, _)) in got.batches.iter().enumerate() {
            same(
                stream,
                stream.batches[at].as_deref(),
                got.sinks[sink].get(time).map(Vec::as_slice),
            )
            .map_err(|why| format!("batch {time}, {}: {why}", stream.name))?;
        }
    }
    Ok(())
}

fn same(stream: &Stream, expected: Option<&[Value]>, got: Option<&[Value]>) -> Result<(), String> {
    let rows = |rows: Option<&[Value]>| rows.map(|rows| canonical(stream.shape, rows));
    let (expected, got) = (rows(expected), rows(got));
    match expected == got {
        true => Ok(()),
        false => Err(format!("{expected:?} expected, {got:?} came")),
    }
}

const BATCHES: usize = 9;

fn source() -> impl Strategy<Value = (Shape, usize, Batches)> {
    (any::<u8>(), 1_usize..4, any::<bool>()).prop_flat_map(|(kind, partitions, solid)| {
        let key = select(vec!["a", "b", "c", "d", ""]);
        let (shape, value) = match kind % 4 {
            0 => (
                Shape::Texts,
                select(vec!["up", "down"])
                    .prop_map(|text| json!(text))
                    .boxed(),
            ),
            _ => (
                Shape::Numbers,
                (-3_i64..9).prop_map(|number| json!(number)).boxed(),
            ),
        };
        let rows = vec(
            (key, value).prop_map(|(key, value)| json!([key, value])),
            0..6,
        );
        let batch = prop_oneof![
            u32::from(!solid) * 2 => Just(None),
            8 => rows.prop_map(Some),
        ];
        vec(batch, BATCHES).prop_map(move |batches| (shape, partitions, batches))
    })
}

fn flow() -> impl Strategy<Value = Flow> {
    let operators = vec(vec(any::<u16>(), 4), 1..8);
    (vec(source(), 1..3), 1_usize..4, operators).prop_map(|(sources, parallelism, operators)| {
        let mut flow = Flow::new(sources, parallelism);
        for choices in &operators {
            flow.grow(choices);
        }
        flow
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_is_what_the_rules_say(flow in flow()) {
        let checked = check(&flow, BATCHES, &[]);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }

    #[test]
    fn what_is_remembered_outlives_the_process(flow in flow(), restarts in vec(1..BATCHES as u64, 1..4), interval in 1..5_u8) {
        let flow = flow.checkpointed_every(interval);
        let checked = check(&flow, BATCHES, &restarts);
        prop_assert!(checked.is_ok(), "restarts {restarts:?}: {}", checked.unwrap_err());
    }
}

/// 48, unless `PROPTEST_CASES` says otherwise.
fn cases() -> u32 {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    match asked {
        true => ProptestConfig::default().cases,
        false => 48,
    }
}
