//! The wall clock is set while a stream runs, and between two runs: batch times only ever go on.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rsrt::{
    checkpoint::{Checkpoint, Program},
    clock::Clock,
    format::rows_to_json,
    journal::MemoryDisk,
    scheduler::{Mode, Pool},
    sink::{FunctionSink, Sink},
    source::{QueueSource, Source},
    stream::{Plugins, Run, Stop, Stream},
    topology::{Builder, Defaults, QueueOrder, SourceId, operator, sink, source},
};
use serde_json::{Value, json};
use tokio::time::Instant;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// When the first run starts.
const START: i64 = 400 * DAY + 300;

/// Time that passes when all wait, and a wall clock that can be set.
#[derive(Debug)]
struct Wall {
    began: Instant,
    /// What the wall shows less what has passed.
    ahead: AtomicI64,
}

impl Wall {
    fn set_by(&self, millis: i64) {
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn wall_millis(&self) -> i64 {
        let passed = i64::try_from(self.monotonic().as_millis()).unwrap();
        self.ahead.load(Ordering::SeqCst) + passed
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }
}

/// What happens when a sink has been given a batch.
#[derive(Debug, Clone, Copy)]
enum Then {
    Set(i64),
    /// The run ends as somebody wants it to.
    Stop,
    /// The batch is committed, and then the run is given up.
    Abort,
    /// The batch is not committed: nothing can be written any more.
    Die,
    /// The sink says no, which ends the run.
    Fail,
}

/// A batch's time, when its sink got it (since the run began), and its rows.
type Given = (i64, Duration, Vec<Value>);

/// A topology with numbers from a queue, and windows over them.
struct Numbers {
    interval: i64,
    disk: MemoryDisk,
}

impl Numbers {
    fn every(interval: i64) -> Self {
        Self {
            interval,
            disk: MemoryDisk::new(),
        }
    }

    /// Runs by the wall clock; `plan` says what happens after which batch of this run, counted from
    /// 1 (those of earlier runs that are given again included).
    fn run(&self, wall: i64, plan: &[(usize, Then)]) -> Vec<Given> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(self.run_now(wall, plan.to_vec()))
    }

    async fn run_now(&self, wall: i64, plan: Vec<(usize, Then)>) -> Vec<Given> {
        let one = NonZeroUsize::MIN;
        let interval = Duration::from_millis(self.interval.unsigned_abs());
        let text = |times: u32| format!("{}ms", (interval * times).as_millis());
        let topology = Builder::new("numbers", interval)
            .set("checkpoint", "x")
            .set("checkpoint-interval", text(4).as_str())
            .source("numbers", source("queue").set("schema", "int64"))
            .operator(
                "sums",
                operator("reduce-by-window", "std:sum")
                    .input("numbers")
                    .set("length", text(3).as_str())
                    .set("inverse", true),
            )
            .sink("out", sink("null").input("sums"))
            .compile(
                &Plugins::default(),
                &Defaults {
                    parallelism: one,
                    base_dir: "".into(),
                    needs_checkpoint: true,
                },
            )
            .unwrap();
        let topology = Arc::new(topology);
        let program = Program::new("numbers", Vec::new());
        let disk = self.disk.clone();
        let opened = Checkpoint::open(Arc::new(disk.clone()), &topology, program, "test").unwrap();
        let numbers = &topology.sources[0];
        let batches = (0..400).map(|number| Some(vec![json!(number)])).collect();
        let order = QueueOrder::OneAtATime;
        let queue = QueueSource::new(&numbers.name, &numbers.schema, order, one, batches);
        let clock = Arc::new(Wall {
            began: Instant::now(),
            ahead: AtomicI64::new(wall),
        });
        let stop = Stop::new();
        let given = Arc::new(Mutex::new(Vec::new()));
        let out = {
            let (given, clock, stop) = (given.clone(), clock.clone(), stop.clone());
            FunctionSink::new(&topology.sinks[0].name, move |time, batch| {
                let chunks = batch.chunks();
                let rows = chunks.flat_map(|chunk| rows_to_json(chunk, &batch.schema).unwrap());
                let mut given = given.lock().unwrap();
                given.push((time.as_millis(), clock.monotonic(), rows.collect()));
                for (_, then) in plan.iter().filter(|(at, _)| *at == given.len()) {
                    match then {
                        Then::Set(by) => clock.set_by(*by),
                        Then::Stop => stop.graceful(),
                        Then::Abort => stop.abort(),
                        Then::Die => disk.fail_at(Some(0)),
                        Then::Fail => return Err("the sink is full".to_owned()),
                    }
                }
                Ok(())
            })
        };
        let sources = BTreeMap::from([(SourceId(0), Box::new(queue) as Box<dyn Source>)]);
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(out)];
        let pool = Pool::new(one).unwrap();
        let stream = Stream::new(topology, Vec::new(), sources, sinks, &pool);
        let run = Run {
            mode: Mode::Live,
            start: None,
            batches: None,
            clock,
            stop,
        };
        stream.with_checkpoint(opened).run(run, &mut ()).await;
        self.disk.kill();
        let mut given = given.lock().unwrap();
        std::mem::take(&mut *given)
    }

    /// The batches are at each tick from the first on, and have the rows that belong there.
    #[track_caller]
    fn are_all_there(&self, given: &[Given], what: &str) {
        let first = (START / self.interval + 1) * self.interval;
        for (at, (time, _, rows)) in (0_i64..).zip(given) {
            assert_eq!(*time, first + at * self.interval, "{what}: batch {at}");
            let sum: i64 = (at - 2..=at).filter(|number| *number >= 0).sum();
            assert_eq!(*rows, [json!(sum)], "{what}: batch {at}");
        }
    }
}

#[test]
fn a_clock_that_is_set_while_a_stream_runs_moves_no_batch() {
    let steps = [-3 * DAY, -5 * MINUTE, -SECOND, SECOND, 5 * MINUTE, 3 * DAY];
    for first in steps {
        for second in [-first, first, 7 * MINUTE] {
            let numbers = Numbers::every(SECOND);
            let plan = [
                (3, Then::Set(first)),
                (6, Then::Set(second)),
                (10, Then::Stop),
            ];
            let given = numbers.run(START, &plan);
            // A graceful stop lets the pending tick and one more fire.
            assert!((11..=12).contains(&given.len()), "{}", given.len());
            numbers.are_all_there(&given, &format!("{first} {second}"));
            for (at, (_, when, _)) in (1..).zip(&given) {
                let due = Duration::from_millis(700) + Duration::from_secs(at - 1);
                assert!(when.abs_diff(due) < Duration::from_millis(100), "{when:?}");
            }
        }
    }
}

#[test]
fn a_clock_that_is_set_between_runs_makes_no_batch_twice_and_leaves_none_out() {
    let near = [
        -MINUTE,
        -5 * MINUTE,
        -300,
        0,
        2 * SECOND,
        MINUTE,
        4 * MINUTE,
    ];
    let near = near.map(|step| (SECOND, step));
    let far = [-DAY, -30 * DAY, -400 * DAY, DAY, 5 * DAY];
    let far = far.map(|step| (HOUR, step));
    for (interval, step) in near.into_iter().chain(far) {
        for death in [Then::Abort, Then::Die, Then::Stop] {
            let what = format!("{step} {death:?}");
            let numbers = Numbers::every(interval);
            let mut given = numbers.run(START, &[(5, death)]);
            let last = given.last().unwrap().0;
            let is_again = matches!(death, Then::Die);
            // The wall shows the last batch's time, but that somebody set it.
            let wall = last + step;
            let missed = usize::try_from((wall - last).max(0) / interval).unwrap();
            let ends = usize::from(is_again) + missed + 3;
            let mut more = numbers.run(wall, &[(ends, Then::Stop)]);
            if is_again {
                // It was not committed, and is given again as it was.
                let (before, again) = (given.pop().unwrap(), more.remove(0));
                assert_eq!((before.0, &before.2), (again.0, &again.2), "{what}");
                given.push(again);
            }
            assert_eq!(more[0].0, last + interval, "{what}");
            let every = Duration::from_millis(interval.unsigned_abs());
            for (at, (_, when, _)) in more.iter().enumerate() {
                let due = match u32::try_from(at - missed.min(at)).unwrap() {
                    // It was missed, and comes at once.
                    0 if at < missed => Duration::ZERO,
                    // From the last one on there is one each interval, however wrong the clock is.
                    later => every * (later + 1),
                };
                let slack = Duration::from_millis(100);
                assert!(*when <= due + slack, "{what}: {at} at {when:?}");
            }
            given.append(&mut more);
            numbers.are_all_there(&given, &what);
            // And on, with the clock put right.
            let last = given.last().unwrap().0;
            let mut more = numbers.run(last + 100, &[(2, Then::Stop)]);
            given.append(&mut more);
            numbers.are_all_there(&given, &what);
        }
    }
}

#[test]
fn a_batch_that_failed_is_made_again_also_when_state_was_due() {
    // State is due after every fourth one.
    for at in 1..10 {
        let numbers = Numbers::every(SECOND);
        let mut given = numbers.run(START, &[(at, Then::Fail)]);
        let failed = given.pop().unwrap();
        assert_eq!(given.len() + 1, at, "the run ends with it");
        let mut more = numbers.run(failed.0, &[(3, Then::Stop)]);
        assert_eq!((more[0].0, &more[0].2), (failed.0, &failed.2), "batch {at}");
        given.append(&mut more);
        numbers.are_all_there(&given, &format!("failed {at}"));
    }
}
