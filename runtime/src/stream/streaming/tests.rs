use std::{collections::BTreeMap, num::NonZeroUsize};

use super::*;
use crate::{
    clock::SystemClock,
    scheduler::{Mode, Pool},
    sink::{NullSink, Sink},
    source::{GeneratorSource, QueueSource, Source},
    stream::Plugins,
    topology::{Builder, Defaults, GeneratorSpec, QueueOrder, SourceId, operator, sink, source},
};

/// Sums of these batches, every two seconds; none is an overflow.
fn sums(batches: &[Option<i64>]) -> Streaming {
    let one = NonZeroUsize::MIN;
    let defaults = Defaults {
        parallelism: one,
        base_dir: "".into(),
        needs_checkpoint: true,
    };
    let topology = Builder::new("sums", Duration::from_secs(2))
        .source("numbers", source("queue").set("schema", "int64"))
        .operator("sum", operator("reduce", "std:sum").input("numbers"))
        .sink("out", sink("null").input("sum"))
        .compile(&Plugins::default(), &defaults)
        .unwrap();
    let numbers = &topology.sources[0];
    let batches = batches.iter().map(|number| match number {
        Some(number) => Some(vec![(*number).into()]),
        None => Some(vec![i64::MAX.into(), 1.into()]),
    });
    let order = QueueOrder::OneAtATime;
    let (name, schema) = (&numbers.name, &numbers.schema);
    let queue = QueueSource::new(name, schema, order, one, batches.collect());
    let sources = BTreeMap::from([(SourceId(0), Box::new(queue) as Box<dyn Source>)]);
    streaming(topology, sources)
}

/// A stream that never ends by itself.
fn endless() -> Streaming {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: true,
    };
    let topology = Builder::new("endless", Duration::from_millis(1))
        .source("numbers", source("generator").set("rate", 1))
        .sink("out", sink("null").input("numbers"))
        .compile(&Plugins::default(), &defaults)
        .unwrap();
    let spec = GeneratorSpec {
        rate: NonZeroUsize::MIN,
        count: None,
        partitions: None,
        words: None,
    };
    let numbers = &topology.sources[0];
    let (name, schema, interval) = (&numbers.name, &numbers.schema, topology.batch_interval);
    let generator = GeneratorSource::new(name, schema, &spec, NonZeroUsize::MIN, interval);
    let sources = BTreeMap::from([(SourceId(0), Box::new(generator) as Box<dyn Source>)]);
    streaming(topology, sources)
}

fn streaming(
    topology: crate::topology::Topology,
    sources: BTreeMap<SourceId, Box<dyn Source>>,
) -> Streaming {
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(NullSink)];
    let pool = Pool::new(NonZeroUsize::MIN).unwrap();
    Streaming::new(Stream::new(
        Arc::new(topology),
        Vec::new(),
        sources,
        sinks,
        &pool,
    ))
}

fn run(mode: Mode, batches: Option<u64>) -> Run {
    Run {
        mode,
        start: Some(0),
        batches,
        clock: Arc::new(SystemClock::new()),
        stop: Stop::new(),
    }
}

fn at(millis: i64) -> BatchTime {
    BatchTime::from_millis(millis)
}

#[tokio::test]
async fn nothing_can_be_asked_of_a_stream_that_is_not_started() {
    let mut streaming = sums(&[]);
    assert_eq!(streaming.state(), StreamingState::Initialized);
    let error = streaming.slice("out", at(0), at(9)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot slice: the stream is not started; it has not been initialized by `start`"
    );
    let error = streaming.await_termination().await.unwrap_err().to_string();
    assert!(error.starts_with("cannot wait for the end: "), "{error}");
}

#[tokio::test]
async fn there_is_no_way_back_from_stopped() {
    let mut streaming = sums(&[]);
    streaming.stop(StopMode::Graceful).await;
    assert_eq!(streaming.state(), StreamingState::Stopped);
    streaming.stop(StopMode::Immediate).await; // a warning and nothing else
    let error = streaming
        .start(run(Mode::Virtual, Some(1)), Box::new(()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start: the stream is stopped, and a stopped stream does not start again; make a new one"
    );
    assert!(streaming.remember(Duration::ZERO).is_err());
}

#[tokio::test]
async fn starting_twice_is_a_warning_and_how_long_to_remember_is_said_once() {
    let mut streaming = sums(&[Some(1)]);
    streaming.remember(Duration::from_secs(9)).unwrap();
    let error = streaming.remember(Duration::from_secs(5)).unwrap_err();
    assert!(
        matches!(error, LifeError::RememberedTwice { .. }),
        "{error}"
    );
    streaming
        .start(run(Mode::Virtual, Some(1)), Box::new(()))
        .unwrap();
    streaming
        .start(run(Mode::Virtual, Some(1)), Box::new(()))
        .unwrap();
    assert_eq!(
        streaming.remember(Duration::ZERO).unwrap_err().to_string(),
        "cannot remember batches: the stream is running"
    );
    let summary = streaming.await_termination().await.unwrap().unwrap();
    assert_eq!(summary.batches, 1);
    assert_eq!(streaming.state(), StreamingState::Stopped);
}

#[tokio::test]
async fn a_slice_has_the_batches_that_are_remembered() {
    let mut streaming = sums(&[Some(1), Some(2), Some(3), Some(4)]);
    streaming.remember(Duration::from_secs(6)).unwrap();
    streaming
        .start(run(Mode::Virtual, Some(4)), Box::new(()))
        .unwrap();
    streaming.await_termination().await.unwrap();
    let times = |from, to| -> Vec<i64> {
        let slice = streaming.slice("out", at(from), at(to)).unwrap();
        slice
            .into_iter()
            .map(|(time, _)| time.as_millis())
            .collect()
    };
    assert_eq!(
        times(0, 99_000),
        [4_000, 6_000, 8_000],
        "the first is forgotten"
    );
    assert_eq!(
        times(4_001, 7_999),
        [4_000, 6_000],
        "both ends are brought to the grid"
    );
    assert_eq!(times(8_000, 4_000), [0_i64; 0]);
    let error = streaming.slice("in", at(0), at(0)).unwrap_err().to_string();
    assert!(error.starts_with("no sink is called `in`"), "{error}");
}

#[tokio::test]
async fn the_end_tells_the_latest_error_and_later_batches_have_run() {
    let mut streaming = sums(&[Some(1), None, Some(3), Some(4)]);
    streaming.remember(Duration::from_mins(1)).unwrap();
    streaming
        .start(run(Mode::Virtual, Some(4)), Box::new(()))
        .unwrap();
    let error = streaming.await_termination().await.unwrap_err().to_string();
    assert!(
        error.starts_with("batch 4000 ms: operator `sum`"),
        "{error}"
    );
    let slice = streaming.slice("out", at(0), at(99_000)).unwrap();
    let times: Vec<_> = slice.iter().map(|(time, _)| time.as_millis()).collect();
    assert_eq!(times, [2_000, 6_000, 8_000]);
}

#[tokio::test]
async fn what_runs_on_is_waited_for_in_vain_and_can_be_stopped() {
    for mode in [StopMode::Graceful, StopMode::Immediate] {
        let mut streaming = endless();
        streaming
            .start(run(Mode::Live, None), Box::new(()))
            .unwrap();
        let ended = streaming.await_termination_or_timeout(Duration::ZERO).await;
        assert!(!ended.unwrap());
        assert_eq!(streaming.state(), StreamingState::Active);
        streaming.stop(mode).await;
        assert_eq!(streaming.state(), StreamingState::Stopped);
        let ended = streaming.await_termination_or_timeout(Duration::ZERO).await;
        assert!(ended.unwrap());
    }
}
