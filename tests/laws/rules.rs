//! Rules that a table of rows cannot show: who is called, when, and in which order.

use std::{
    collections::BTreeMap,
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use rsrt::{
    cases::{Case, CaseFile, CaseRunner, Got},
    clock::ManualClock,
    model::{Batch, BatchTime, NodeName},
    scheduler::{Mode, Plan},
    sink::{Sink, SinkError, SinkProblem},
    source::{QueueSource, Source},
    stream::{BatchReport, Listener, Run, Stop, Stream},
    topology::{Defaults, QueueOrder, SourceId, Topology, compile},
};
use serde_json::{Value, json};

use super::SHARED;

const HEAD: &str = r#"
name = "rules"
batch-interval = "1s"
parallelism = 2
[plugin.text]
path = "text.wasm"
[source.lines]
type = "queue"
schema = "utf8"
partitions = 2
"#;

const SINK: &str = "\n[sink.out]\ninput = \"it\"\ntype = \"null\"\n";

fn topology(rest: &str) -> Arc<Topology> {
    topology_of(&format!("{HEAD}{rest}"))
}

fn topology_of(text: &str) -> Arc<Topology> {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: false,
    };
    let topology = compile("rules.toml", text, SHARED.plugins, &defaults);
    Arc::new(topology.unwrap_or_else(|e| panic!("{:?}\n{text}", e.problems())))
}

/// Runs these batches of `lines`.
fn run(rest: &str, lines: &Value) -> Got {
    run_case(&topology(rest), lines)
}

fn run_case(topology: &Arc<Topology>, lines: &Value) -> Got {
    let text = json!({"cases": [{"name": "rule", "sources": {"lines": lines}}]});
    let file = CaseFile::parse(text.to_string().as_bytes()).unwrap();
    let case = Case::new(file.cases.into_iter().next().unwrap(), topology).unwrap();
    let plugins = SHARED.plugins.of(topology).unwrap();
    let plan = Plan::new(topology);
    let runner = CaseRunner::new(topology.clone(), plan, plugins, SHARED.pool.clone());
    SHARED.runtime.block_on(runner.run(&case))
}

/// When the first sink got a batch, and what.
fn captured(got: &Got) -> Value {
    let batches = got.sinks[0].iter();
    batches
        .map(|(time, rows)| json!([time.as_millis(), rows]))
        .collect()
}

fn times(got: &Got) -> Vec<i64> {
    got.sinks[0].keys().map(|time| time.as_millis()).collect()
}

fn errors(got: &Got) -> Vec<&str> {
    let errors = got.batches.iter().flat_map(|(_, errors)| errors);
    errors.map(String::as_str).collect()
}

#[test]
fn union_count_and_repartition_fail_a_batch_that_is_not_there() {
    for (verb, keys) in [
        ("union", "input = [\"lines\", \"lines\"]\nunion = true"),
        ("count", "input = \"lines\"\ncount = true"),
        ("repartition", "input = \"lines\"\nrepartition = 3"),
    ] {
        let demanding = format!("[operator.demanding]\n{keys}\n");
        let error = format!(
            "batch 2000 ms: operator `demanding` ({verb}) needs a batch of `lines`, \
             which has none at this time"
        );
        // Whoever reads it: an operator of the same stage, one behind a shuffle, another of them.
        for next in [
            "limit = 9",
            "sort = [\"value\"]",
            "distinct = true",
            "union = true",
        ] {
            let next = format!("[operator.it]\ninput = \"demanding\"\n{next}\n{SINK}");
            let got = run(&format!("{demanding}{next}"), &json!([["a"], null, ["b"]]));
            assert_eq!(errors(&got), [&error], "{next}");
            assert_eq!(times(&got), [1_000, 3_000], "{next}");
        }
        let sink = SINK.replace("\"it\"", "\"lines\"");
        let got = run(&format!("{demanding}{sink}"), &json!([["a"], null]));
        assert_eq!(errors(&got), [""; 0], "no sink depends on {verb}");
        assert_eq!(times(&got), [1_000]);
    }
}

#[test]
fn other_verbs_have_no_batch_where_their_input_has_none() {
    for verb in [
        "filter = \"text:matching\"\nsettings = { pattern = \"a\" }",
        "flat-map = \"split\"",
        "map = \"text:trim\"",
        "map-partitions = \"text:runs\"",
        "reduce = \"std:count\"",
        "reduce = \"text:longest\"",
        "count-by-value = true",
        "distinct = true",
        "sort = [\"value\"]",
        "top = 1\nby = [\"value\"]",
        "limit = 1",
    ] {
        let operators = format!("[operator.it]\ninput = \"lines\"\n{verb}\n{SINK}");
        let got = run(&operators, &json!([["a"], null, []]));
        assert_eq!(errors(&got), [""; 0], "{verb}");
        assert_eq!(times(&got), [1_000, 3_000], "{verb}");
    }
}

#[test]
fn a_reduction_of_an_empty_batch_is_an_empty_batch() {
    for function in ["std:count", "std:min", "std:first", "text:longest"] {
        let operators =
            format!("[operator.it]\ninput = \"lines\"\nreduce = \"{function}\"\n{SINK}");
        let got = run(&operators, &json!([[], ["a"], []]));
        assert_eq!(errors(&got), [""; 0], "{function}");
        let one = if function == "std:count" {
            json!(1)
        } else {
            json!("a")
        };
        let expected = json!([[1_000, []], [2_000, [one]], [3_000, []]]);
        assert_eq!(captured(&got), expected, "{function}");
    }
}

#[test]
fn a_stream_has_a_batch_at_every_tick_at_which_its_sources_have() {
    let operators = format!("[operator.it]\ninput = \"lines\"\nlimit = 1\n{SINK}");
    let got = run(&operators, &json!([[], ["a"], null, ["b"], []]));
    let expected = json!([[1_000, []], [2_000, ["a"]], [4_000, ["b"]], [5_000, []]]);
    assert_eq!(captured(&got), expected);
}

#[test]
fn what_several_read_is_computed_once() {
    // Were it computed again, its source would have nothing left.
    let operators = r#"
[operator.shared]
input = "lines"
map = "text:uppercase"
[operator.both]
input = ["shared", "shared"]
union = true
[operator.first]
input = "shared"
limit = 1
[sink.k-both]
input = "both"
type = "null"
[sink.k-first]
input = "first"
type = "null"
[sink.k-shared]
input = "shared"
type = "null"
"#;
    let got = run(operators, &json!([["a", "b"]]));
    let rows = got.sinks.iter().map(|sink| json!(sink.values().next()));
    let expected = [json!(["A", "B", "A", "B"]), json!(["A"]), json!(["A", "B"])];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

/// Says when it is called, takes some time, and fails at times.
struct Diary {
    name: NodeName,
    fails: bool,
    clock: ManualClock,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Sink for Diary {
    fn write(&mut self, time: BatchTime, _: &Batch) -> Result<(), SinkError> {
        let mut calls = self.calls.lock().unwrap();
        calls.push(format!("{} {time}", self.name));
        self.clock.advance(Duration::from_millis(30));
        match self.fails && time == BatchTime::from_millis(1_000) {
            true => Err(SinkError::new(
                &self.name,
                time,
                SinkProblem::Print(io::Error::other("no more paper")),
            )),
            false => Ok(()),
        }
    }
}

struct Reports(Vec<BatchReport>);

impl Listener for Reports {
    fn batch_ended(&mut self, batch: &BatchReport) {
        self.0.push(batch.clone());
    }
}

/// Runs two batches to three sinks, of which the second fails at the first.
fn diary() -> (Vec<String>, Vec<BatchReport>) {
    let names = ["zebra", "bear", "ant"];
    let sinks = names.map(|n| format!("[sink.{n}]\ninput = \"lines\"\ntype = \"null\"\n"));
    let topology = topology(&sinks.concat());
    let source = &topology.sources[0];
    let batches = vec![Some(vec![json!("a")]), Some(Vec::new())];
    let source = QueueSource::new(
        &source.name,
        &source.schema,
        QueueOrder::OneAtATime,
        NonZeroUsize::MIN,
        batches,
    );
    let (calls, clock) = (Arc::<Mutex<_>>::default(), ManualClock::at(0));
    let diaries = topology.sinks.iter().map(|sink| Diary {
        name: sink.name.clone(),
        fails: sink.name.as_str() == "bear",
        clock: clock.clone(),
        calls: calls.clone(),
    });
    let sinks = diaries
        .map(|diary| Box::new(diary) as Box<dyn Sink>)
        .collect();
    let source: Box<dyn Source> = Box::new(source);
    let sources = BTreeMap::from([(SourceId(0), source)]);
    let stream = Stream::new(topology, Vec::new(), sources, sinks, &SHARED.pool);
    let run = Run {
        mode: Mode::Virtual,
        start: Some(0),
        batches: None,
        clock: Arc::new(clock),
        stop: Stop::new(),
    };
    let mut reports = Reports(Vec::new());
    SHARED.runtime.block_on(stream.run(run, &mut reports));
    let calls = calls.lock().unwrap().clone();
    (calls, reports.0)
}

#[test]
fn a_sink_that_fails_keeps_no_other_from_its_batch() {
    let (calls, reports) = diary();
    let expected = ["zebra 1000 ms", "bear 1000 ms", "ant 1000 ms"];
    assert_eq!(calls[..3], expected);
    let errors: Vec<_> = reports[0].errors.iter().map(ToString::to_string).collect();
    let error = "batch 1000 ms: sink bear: cannot print: no more paper";
    assert_eq!(errors, [error]);
    let took: Vec<_> = reports[0].sinks.iter().map(|s| s.sink.as_str()).collect();
    assert_eq!(took, ["zebra", "ant"]);
    assert!(reports[1].errors.is_empty());
    assert_eq!(reports[1].sinks.len(), 3);
}

#[test]
fn sinks_are_called_in_the_order_of_definition() {
    let (calls, _) = diary();
    let order: Vec<_> = calls
        .iter()
        .filter_map(|call| call.split(' ').next())
        .collect();
    assert_eq!(order, ["zebra", "bear", "ant", "zebra", "bear", "ant"]);
}

#[test]
fn processing_lasts_to_the_end_of_the_last_sink() {
    let (_, reports) = diary();
    for report in reports {
        assert_eq!(report.processing, Duration::from_millis(90));
        assert_eq!(report.scheduling_delay, Duration::ZERO);
    }
}

#[test]
fn what_is_remembered_outlasts_a_failure_before_or_behind_it() {
    let window = "reduce-by-window = \"std:max\"\nlength = \"2s\"";
    let function = "map = \"faulty:panics-at-bang\"";
    let lines = json!([["a"], ["no!"], ["b"], ["c"], ["c"]]);
    // The window has the row for two batches; or it lacks its batch for as long.
    for (first, second) in [(window, function), (function, window)] {
        for partitions in [1, 2] {
            let rest = format!(
                "partitions = {partitions}\n[plugin.faulty]\npath = \"faulty.wasm\"\n\
                 [operator.first]\ninput = \"lines\"\n{first}\n\
                 [operator.it]\ninput = \"first\"\n{second}\n{SINK}"
            );
            let head = HEAD.replace("partitions = 2\n", "");
            let got = run_case(&topology_of(&format!("{head}{rest}")), &lines);
            let expected = [(1, "a"), (4, "c"), (5, "c")];
            let expected = expected.map(|(at, line)| json!([at * 1_000, [line]]));
            assert_eq!(captured(&got), json!(expected), "{first} {partitions}");
        }
    }
}
