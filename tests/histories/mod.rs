//! Whatever a topology remembers, windows and brings together over several batches is what a plain
//! reference over lists of rows says (spec 5 to 7), however its rows come in chunks and partitions.

mod feed;
mod flow;
mod meetings;
mod offers;
mod reference;

use std::{collections::BTreeMap, fs, num::NonZeroUsize, sync::Arc, sync::LazyLock};

use proptest::{collection::vec, option::weighted, prelude::*, sample::select};
use rsrt::{
    cases::{CaptureSink, Captured},
    clock::ManualClock,
    model::BatchTime,
    scheduler::{Mode, Plan, Pool},
    sink::Sink,
    stream::{BatchReport, Listener, Run, Stop},
    topology::{Defaults, SourceId, compile},
};
use serde_json::{Value, json};

use crate::{choices::Choices, guests};
use feed::{Deal, Feed};
use flow::{Flow, Shape, Source, Stream};
use offers::{KEYS, TEXTS};

static POOL: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Pool::new(NonZeroUsize::new(2).unwrap()).unwrap());

/// The batches that were run, with their errors.
#[derive(Default)]
struct Ended(Vec<(BatchTime, Vec<String>)>);

impl Listener for Ended {
    fn batch_ended(&mut self, batch: &BatchReport) {
        let errors = batch.errors.iter().map(ToString::to_string);
        self.0.push((batch.time, errors.collect()));
    }
}

/// The batches, and what the sinks of the watched streams got.
fn run(flow: &Flow, fusion: bool) -> (Ended, Vec<Captured>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in &flow.files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: folder.path().into(),
        needs_checkpoint: false,
    };
    let plugins = guests::catalog();
    let topology = match compile("law.toml", &flow.toml(), plugins, &defaults) {
        Ok(topology) => Arc::new(topology),
        Err(invalid) => panic!("{:?}\n{}", invalid.problems(), flow.toml()),
    };
    let plan = Plan::with_fusion(&topology, fusion);
    let feeds = topology.sources.iter().zip(&flow.sources).enumerate();
    let feeds = feeds.map(|(at, (source, made_up))| {
        let (batches, deal) = (made_up.batches.clone(), made_up.deal.clone());
        let feed = Feed::new(&source.schema, batches, deal);
        (
            SourceId(at),
            Box::new(feed) as Box<dyn rsrt::source::Source>,
        )
    });
    let feeds: BTreeMap<_, _> = feeds.filter(|(id, _)| plan.sources.contains(id)).collect();
    let sinks = topology
        .sinks
        .iter()
        .map(|sink| CaptureSink::new(&sink.name));
    let sinks: Vec<CaptureSink> = sinks.collect();
    let captures = sinks.iter().cloned();
    let stream = rsrt::stream::Stream::planned(
        topology.clone(),
        plan,
        plugins.of(&topology).unwrap(),
        feeds,
        captures
            .map(|sink| Box::new(sink) as Box<dyn Sink>)
            .collect(),
        &POOL,
    );
    let run = Run {
        mode: Mode::Virtual,
        start: Some(0),
        batches: Some(BATCHES as u64),
        clock: Arc::new(ManualClock::at(0)),
        stop: Stop::new(),
    };
    let mut ended = Ended::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(stream.run(run, &mut ended));
    (ended, sinks.iter().map(CaptureSink::captured).collect())
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

fn check(flow: &Flow, fusion: bool) -> Result<(), String> {
    let (ended, sinks) = run(flow, fusion);
    if let Some((time, errors)) = ended.0.iter().find(|(_, errors)| !errors.is_empty()) {
        return Err(format!("batch {time}: {errors:?}"));
    }
    assert_eq!(ended.0.len(), BATCHES);
    for (stream, got) in flow.watched().into_iter().zip(sinks) {
        for (at, (time, _)) in ended.0.iter().enumerate() {
            same(
                stream,
                stream.batches[at].as_deref(),
                got.get(time).map(Vec::as_slice),
            )
            .map_err(|why| format!("batch {time}, {}: {why}", stream.name))?;
        }
    }
    Ok(())
}

fn same(stream: &Stream, expected: Option<&[Value]>, got: Option<&[Value]>) -> Result<(), String> {
    let rows = |rows: &[Value]| canonical(stream.shape, rows);
    let items = |lists: &[Value]| -> Vec<Value> {
        let lists = lists.iter().map(|list| list.as_array().unwrap());
        lists.flatten().cloned().collect()
    };
    let got = match stream.shape {
        Shape::Gloms => got.map(items),
        _ => got.map(<[Value]>::to_vec),
    };
    let (expected, got) = (expected.map(rows), got.as_deref().map(rows));
    match (&expected, &got) {
        _ if expected == got => Ok(()),
        (Some(expected), Some(got)) => Err(format!(
            "of {} rows {:?} did not come, of {} that came {:?} are wrong",
            expected.len(),
            some_of(expected, got),
            got.len(),
            some_of(got, expected)
        )),
        (None, _) => Err("a batch came where there is none".to_owned()),
        (_, None) => Err("no batch came".to_owned()),
    }
}

/// A few of these that are not there as often among the others; both are sorted.
fn some_of(these: &[String], others: &[String]) -> Vec<String> {
    let mut others = others.iter().peekable();
    let here = these.iter().filter(|row| {
        while others.next_if(|other| other < row).is_some() {}
        others.next_if(|other| other == row).is_none()
    });
    here.take(5).cloned().collect()
}

const BATCHES: usize = 9;

fn deal() -> impl Strategy<Value = Deal> {
    let chunks = (
        vec(select(vec![0, 1, 2, 4096]), 0..3),
        select(vec![1, 2, 4096]),
    );
    (vec(0_usize..4, 1..4), chunks).prop_map(|(partitions, (mut chunks, last))| {
        chunks.push(last);
        Deal { partitions, chunks }
    })
}

fn row(shape: Shape) -> BoxedStrategy<Value> {
    let number = || -3_i64..9;
    let pair = |(key, value): (&str, Value)| json!([key, value]);
    let value = match shape {
        Shape::Plain => return number().prop_map(|n| json!(n)).boxed(),
        Shape::Lines => return select(&TEXTS).prop_map(|text| json!(text)).boxed(),
        Shape::Texts => select(&TEXTS).prop_map(|text| json!(text)).boxed(),
        // Whose sums are exact.
        Shape::Floats => number().prop_map(|n| json!(n as f64 / 2.0)).boxed(),
        _ => number().prop_map(|n| json!(n)).boxed(),
    };
    (select(&KEYS), value).prop_map(pair).boxed()
}

fn source() -> impl Strategy<Value = Source> {
    let shapes = vec![
        Shape::Numbers,
        Shape::Texts,
        Shape::Texts,
        Shape::Floats,
        Shape::Lines,
        Shape::Plain,
    ];
    let (solid, watched) = (any::<bool>(), any::<bool>());
    (select(shapes), solid, watched, deal()).prop_flat_map(|(shape, solid, watched, deal)| {
        let rows = prop_oneof![12 => vec(row(shape), 0..6), 1 => vec(row(shape), 20..40)];
        let batch = prop_oneof![
            u32::from(!solid) * 2 => Just(None),
            8 => rows.prop_map(Some),
        ];
        let sizes = select(vec![4_095, 4_096, 4_097, 9_000]);
        let large = weighted(0.06, (0..BATCHES, sizes, any::<bool>()));
        (vec(batch, BATCHES), large).prop_map(move |(mut batches, large)| {
            if let Some((at, size, is_wide)) = large {
                let rows = batches[at].take();
                batches[at] = rows.map(|rows| repeated(&rows, size, is_wide));
            }
            Source {
                shape,
                batches,
                deal: deal.clone(),
                watched,
            }
        })
    })
}

/// These rows again and again, more than a chunk has; with new keys each time if it is wide.
fn repeated(rows: &[Value], size: usize, is_wide: bool) -> Vec<Value> {
    let rounds = (0..).flat_map(|round| rows.iter().map(move |row| (round, row)));
    let renamed = |(round, row): (usize, &Value)| match row[0].as_str() {
        Some(key) if is_wide && round > 0 => json!([format!("{key}{round}"), row[1]]),
        _ => row.clone(),
    };
    match rows {
        [] => Vec::new(),
        _ => rounds.take(size).map(renamed).collect(),
    }
}

fn flow() -> impl Strategy<Value = Flow> {
    let operators = vec(vec(any::<u16>(), 31), 1..11);
    (vec(source(), 1..4), 1_usize..4, operators).prop_map(|(sources, parallelism, operators)| {
        let mut flow = Flow::new(sources, parallelism);
        for choices in &operators {
            flow.grow(Choices::new(choices));
        }
        flow
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_is_what_the_rules_say(flow in flow(), fusion in any::<bool>()) {
        let checked = check(&flow, fusion);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }
}

/// 160, unless `PROPTEST_CASES` says otherwise.
fn cases() -> u32 {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    match asked {
        true => ProptestConfig::default().cases,
        false => 160,
    }
}
