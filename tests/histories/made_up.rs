//! Topologies as they are made up: what their sources have, and what is chosen.

use proptest::{collection::vec, option::weighted, prelude::*, sample::select};
use serde_json::{Value, json};

use super::{
    BATCHES,
    feed::Deal,
    flow::{Flow, Shape, Source},
    offers::{KEYS, TEXTS},
    runs::{End, Restart},
};
use crate::choices::Choices;

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
        Shape::Lines => return text().prop_map(|text| json!(text)).boxed(),
        Shape::Texts => text().prop_map(|text| json!(text)).boxed(),
        // Whose sums are exact.
        Shape::Floats => number().prop_map(|n| json!(n as f64 / 2.0)).boxed(),
        _ => number().prop_map(|n| json!(n)).boxed(),
    };
    (select(&KEYS), value).prop_map(pair).boxed()
}

/// Some function may not be able to bear it.
fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof![24 => select(&TEXTS), 1 => Just("no!")]
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

/// Batches fail only if they may.
pub(super) fn flow(may_fail: bool) -> impl Strategy<Value = Flow> {
    let operators = vec(vec(any::<u16>(), 31), 1..11);
    (vec(source(), 1..4), 1_usize..4, operators).prop_map(
        move |(sources, parallelism, operators)| {
            let mut flow = Flow::new(sources, parallelism, may_fail);
            for choices in &operators {
                flow.grow(Choices::new(choices));
            }
            flow
        },
    )
}

pub(super) fn restart() -> impl Strategy<Value = Restart> {
    let kept = prop_oneof![2 => Just(0), 1 => 0..400_usize, 1 => Just(usize::MAX)];
    let end = prop_oneof![
        1 => Just(End::Stops),
        4 => (0..12_u64, kept).prop_map(|(steps, kept)| End::Dies { steps, kept }),
    ];
    (1..BATCHES, end).prop_map(|(after, end)| Restart { after, end })
}
