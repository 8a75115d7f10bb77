//! Whatever a topology remembers, windows and brings together over several batches is what a plain
//! reference over lists of rows says (spec 5 to 7), however its rows come in chunks and partitions,
//! and however many processes it takes. Where batches fail, what no reference knows must at least
//! not depend on any of that, nor on where sinks are.

mod feed;
mod flow;
mod made_up;
mod meetings;
mod offers;
mod reference;
mod runs;

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};
use rsrt::model::BatchTime;
use serde_json::{Value, json};

use flow::{Flow, Shape, Stream};
use made_up::{flow, restart};
use runs::{Process, Restart, run};

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

/// What each process gave to a sink must be what it should be; and all of it must be given, nothing
/// of it again once it is committed.
fn check(flow: &Flow, fusion: bool, restarts: &[Restart]) -> Result<(), String> {
    let processes = run(flow, fusion, restarts)?;
    let (expected, failed) = match flow.may_fail {
        false => (
            flow.watched().into_iter().cloned().collect(),
            BTreeSet::new(),
        ),
        true => undisturbed(flow, fusion)?,
    };
    let mut committed = BTreeMap::new();
    let mut given = BTreeSet::new();
    for Process { ended, sinks } in &processes {
        for (stream, sink) in expected.iter().zip(sinks) {
            for (time, rows) in sink {
                let name = &stream.name;
                let at = number(*time) - 1;
                same(stream, stream.batches[at].as_deref(), rows)
                    .map_err(|why| format!("batch {time}, {name}: {why}"))?;
                if committed.contains_key(time) {
                    return Err(format!("batch {time}, {name}: it was committed before"));
                }
                given.insert((name, at));
            }
        }
        committed.extend(ended);
    }
    if let Some((time, has)) = committed
        .iter()
        .find(|(time, has)| failed.contains(time) != **has)
    {
        let has = ["succeeds", "fails"][usize::from(*has)];
        return Err(format!("batch {time} {has} here and not in one process"));
    }
    for stream in &expected {
        for (at, batch) in stream.batches.iter().enumerate() {
            if batch.is_some() && !given.contains(&(&stream.name, at)) {
                return Err(format!("batch {}, {}: none came", at + 1, stream.name));
            }
        }
    }
    Ok(())
}

/// The watched streams as one process has them that makes them otherwise, and which of its batches
/// failed.
fn undisturbed(flow: &Flow, fusion: bool) -> Result<(Vec<Stream>, BTreeSet<BatchTime>), String> {
    let other = flow.otherwise();
    let [Process { ended, sinks }] = &run(&other, !fusion, &[])?[..] else {
        panic!("there is one process");
    };
    assert_eq!(ended.len(), BATCHES);
    let streams = flow.watched().into_iter().map(|stream| {
        let at = other.watched().iter().position(|s| s.name == stream.name);
        let got = &sinks[at.unwrap()];
        let batches = ended.keys().map(|time| match stream.shape {
            Shape::Gloms => got.get(time).map(|lists| items(lists)),
            _ => got.get(time).cloned(),
        });
        Stream {
            batches: batches.collect(),
            ..stream.clone()
        }
    });
    let failed = ended.iter().filter(|(_, failed)| **failed);
    Ok((streams.collect(), failed.map(|(time, _)| *time).collect()))
}

/// Of a batch, from 1.
fn number(time: BatchTime) -> usize {
    usize::try_from(time.as_millis()).unwrap() / 1_000
}

fn same(stream: &Stream, expected: Option<&[Value]>, got: &[Value]) -> Result<(), String> {
    let rows = |rows: &[Value]| canonical(stream.shape, rows);
    let Some(expected) = expected.map(rows) else {
        return Err("a batch came where there is none".to_owned());
    };
    let got = match stream.shape {
        Shape::Gloms => rows(&items(got)),
        _ => rows(got),
    };
    match expected == got {
        true => Ok(()),
        false => Err(format!(
            "of {} rows {:?} did not come, of {} that came {:?} are wrong",
            expected.len(),
            some_of(&expected, &got),
            got.len(),
            some_of(&got, &expected)
        )),
    }
}

/// Of a glom, whose lists depend on partitions.
fn items(lists: &[Value]) -> Vec<Value> {
    let lists = lists.iter().map(|list| list.as_array().unwrap());
    lists.flatten().cloned().collect()
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

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_is_what_the_rules_say(flow in flow(false), fusion in any::<bool>()) {
        let checked = check(&flow, fusion, &[]);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }

    #[test]
    fn what_is_remembered_outlives_the_process(
        flow in flow(false),
        fusion in any::<bool>(),
        restarts in vec(restart(), 1..4),
        interval in 1..5_u8,
    ) {
        let flow = flow.checkpointed_every(interval);
        let checked = check(&flow, fusion, &restarts);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }

    #[test]
    fn a_failed_batch_costs_the_same_in_several_processes(
        flow in flow(true),
        fusion in any::<bool>(),
        restarts in vec(restart(), 0..4),
        interval in 1..5_u8,
    ) {
        let flow = flow.checkpointed_every(interval);
        let checked = check(&flow, fusion, &restarts);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
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
