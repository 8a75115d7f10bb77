//! Whoever looks at a stream sees what a sink would get of it, and changes nothing.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    num::NonZeroUsize,
    sync::{Arc, LazyLock},
};

use rsrt::{
    cases::CaptureSink,
    clock::ManualClock,
    format::rows_to_json,
    scheduler::{Mode, Passed, Tap, Taps},
    sink::Sink,
    source::{QueueSource, Source},
    stream::{Run, Stop, Stream},
    topology::{Defaults, QueueOrder, SourceId, Topology, compile},
};
use serde_json::{Value, json};

use super::SHARED;

/// Every way in which chains begin, end and are joined.
const OPERATORS: &str = r#"
name = "tapped"
batch-interval = "1s"
[plugin.text]
path = "text.wasm"
[plugin.faulty]
path = "faulty.wasm"
[source.lines]
type = "queue"
schema = "utf8"
partitions = PARTITIONS
[operator.trimmed]
input = "lines"
map = "text:trim"
[operator.words]
input = "trimmed"
flat-map = "split"
[operator.counts]
input = "words"
reduce-by-key = "std:sum"
[operator.all]
input = ["trimmed", "lines"]
union = true
[operator.spread]
input = "all"
repartition = 3
[operator.sorted]
input = "spread"
sort = ["value"]
[operator.recent]
input = "trimmed"
window = true
length = "2s"
slide = "2s"
[operator.many]
input = "recent"
count-by-value = true
[operator.totals]
input = "counts"
update-state-by-key = "running"
[operator.busy]
input = "counts"
reduce-by-key-and-window = "std:sum"
length = "2s"
slide = "2s"
[operator.both]
input = ["counts", "totals"]
join = true
[operator.wrong]
input = "lines"
map = "faulty:rejects-all"
[operator.unread]
input = "lines"
count = true
"#;

const SINKS: [&str; 6] = ["sorted", "many", "both", "busy", "counts", "wrong"];

/// Rows by stream and batch; those of several partitions come in any order.
type Seen = BTreeMap<(String, i64), Vec<String>>;

fn topology(partitions: usize, sinks: &[&str]) -> Arc<Topology> {
    let mut text = OPERATORS.replace("PARTITIONS", &partitions.to_string());
    for (at, input) in sinks.iter().enumerate() {
        write!(text, "[sink.s{at}]\ninput = \"{input}\"\ntype = \"null\"\n").unwrap();
    }
    let defaults = Defaults {
        parallelism: NonZeroUsize::new(partitions).unwrap(),
        base_dir: "".into(),
        needs_checkpoint: false,
    };
    let topology = compile("tapped.toml", &text, SHARED.plugins, &defaults);
    Arc::new(topology.unwrap_or_else(|e| panic!("{:?}\n{text}", e.problems())))
}

/// Runs it with these batches; `look` is shown its taps before.
fn run<T>(topology: &Arc<Topology>, rows: usize, look: impl FnOnce(Taps) -> T) -> (Seen, T) {
    let lines = |batch: usize| {
        let lines = (0..rows).map(move |row| json!(format!(" b{batch} r{} x", row % 7)));
        Some(lines.collect())
    };
    let source = &topology.sources[0];
    let batches = (0..4).map(lines).collect();
    let partitions = NonZeroUsize::new(topology.parallelism.get()).unwrap();
    let order = QueueOrder::OneAtATime;
    let source = QueueSource::new(&source.name, &source.schema, order, partitions, batches);
    let source: Box<dyn Source> = Box::new(source);
    let names = topology.sinks.iter().map(|sink| &sink.name);
    let sinks: Vec<CaptureSink> = names.map(CaptureSink::new).collect();
    let boxed = sinks.iter().cloned();
    let boxed = boxed.map(|sink| Box::new(sink) as Box<dyn Sink>).collect();
    let plugins = SHARED.plugins.of(topology).unwrap();
    let sources = BTreeMap::from([(SourceId(0), source)]);
    let stream = Stream::new(topology.clone(), plugins, sources, boxed, &SHARED.pool);
    let looked = look(stream.taps());
    let run = Run {
        mode: Mode::Virtual,
        start: Some(0),
        batches: None,
        clock: Arc::new(ManualClock::at(0)),
        stop: Stop::new(),
    };
    let summary = SHARED.runtime.block_on(stream.run(run, &mut ()));
    assert_eq!(summary.failed, 0, "{:?}", summary.last_error);
    let mut seen = Seen::new();
    for (sink, captured) in topology.sinks.iter().zip(&sinks) {
        let stream = topology.node_name(sink.input.node).to_string();
        for (time, rows) in captured.captured() {
            add(&mut seen, (stream.clone(), time.as_millis()), &rows);
        }
    }
    for rows in seen.values_mut() {
        rows.sort();
    }
    (seen, looked)
}

fn add(seen: &mut Seen, of: (String, i64), rows: &[Value]) {
    if !rows.is_empty() {
        let seen = seen.entry(of).or_default();
        seen.extend(rows.iter().map(ToString::to_string));
    }
}

/// What has passed, and how many rows were lost.
fn passed(stream: &str, tap: &Tap) -> (Seen, u64) {
    let (mut seen, mut all_lost) = (Seen::new(), 0);
    while let Some(passed) = tap.take() {
        match passed {
            Passed::Rows { time, rows, .. } => {
                let rows = rows_to_json(&rows, tap.schema()).unwrap();
                add(&mut seen, (stream.to_owned(), time.as_millis()), &rows);
            }
            Passed::Lost(lost) => all_lost += lost,
        }
    }
    for rows in seen.values_mut() {
        rows.sort();
    }
    (seen, all_lost)
}

fn there(taps: &Taps) -> Vec<String> {
    let error = taps.tap("nothing").err().unwrap().to_string();
    let error = error.strip_prefix("there is no stream `nothing`; there are ");
    error.unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn a_tap_sees_what_a_sink_gets() {
    // With a sink on every stream each is stored; with few, chains are long.
    static STREAMS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let names = OPERATORS.lines().filter_map(|line| {
            let name = line.strip_prefix("[operator.")?;
            name.strip_suffix(']')
        });
        names.chain(["lines"]).collect()
    });
    for partitions in [1, 2] {
        let (expected, all) = run(&topology(partitions, &STREAMS), 10, |taps| there(&taps));
        for name in &*STREAMS {
            assert!(all.contains(&(*name).to_owned()), "{name} in {all:?}");
        }
        let (without, ()) = run(&topology(partitions, &SINKS), 10, |_| ());
        let (sinks, taps) = run(&topology(partitions, &SINKS), 10, |taps| {
            let streams = there(&taps).into_iter();
            let taps = streams.map(|name| (name.clone(), taps.tap(&name).unwrap()));
            taps.collect::<Vec<_>>()
        });
        assert_eq!(sinks, without);
        let mut seen = Seen::new();
        for (name, tap) in &taps {
            assert_eq!(*tap.news().borrow(), u64::MAX, "{name} goes on");
            let (rows, lost) = passed(name, tap);
            assert_eq!(lost, 0);
            seen.extend(rows);
        }
        let rejected: Vec<_> = seen
            .iter()
            .filter(|((name, _), _)| name.ends_with(".rejected"))
            .map(|((name, time), rows)| (name.as_str(), *time, rows.len()))
            .collect();
        let wrong = "wrong.rejected";
        let of_all = [1_000, 2_000, 3_000, 4_000].map(|time| (wrong, time, 10));
        assert_eq!(rejected, of_all);
        seen.retain(|(name, _), _| !name.ends_with(".rejected"));
        let mut expected = expected;
        // One function makes the words and adds them up, and nobody needs what is unread.
        expected.retain(|(name, _), _| !["words", "unread"].contains(&name.as_str()));
        assert_eq!(seen, expected, "{partitions} partitions");
    }
}

#[test]
fn what_cannot_be_seen_is_explained() {
    let (_, errors) = run(&topology(1, &SINKS), 1, |taps| {
        ["words", "unread", "totals.snapshots", "lines.main"]
            .map(|name| taps.tap(name).err().unwrap().to_string())
    });
    for (error, why) in errors.iter().zip([
        "one function of the plugin makes it",
        "no sink depends on it",
        "there is no stream `totals.snapshots`",
        "there is no stream `lines.main`",
    ]) {
        assert!(error.contains(why) && error.contains("sorted, "), "{error}");
    }
}

#[test]
fn who_is_slow_loses_rows_and_is_told_how_many() {
    let rows = 9_000;
    let (_, (slow, gone)) = run(&topology(2, &SINKS), rows, |taps| {
        (taps.tap("lines").unwrap(), drop(taps.tap("lines").unwrap()))
    });
    let () = gone;
    let mut all = 0;
    let mut order = Vec::new();
    while let Some(passed) = slow.take() {
        order.push(match passed {
            Passed::Rows { rows, .. } => {
                all += rows.num_rows();
                true
            }
            Passed::Lost(lost) => {
                all += usize::try_from(lost).unwrap();
                false
            }
        });
    }
    assert_eq!(all, rows * 4);
    // What came after the tap was full is lost, and said once.
    assert_eq!(order.iter().filter(|kept| !**kept).count(), 1);
    assert_eq!(order.last(), Some(&false));
}
