//! The way back from a version, where a receiver takes rows in all the while: what it took in during
//! the trial is read from the log, and what it takes in meanwhile is in the batches that follow.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use rsrt::{
    checkpoint::{Checkpoint, Program, ProgramFiles},
    clock::ManualClock,
    format::{rows_from_json, rows_to_json},
    journal::MemoryDisk,
    model::{Kind, Position, Schema},
    receiver::{Receiver, Receiving, Store},
    scheduler::{Mode, Plan, Pool},
    sink::{FunctionSink, Sink},
    source::{SourceSetup, open_receiver},
    stream::{BatchReport, Listener, Next, Run, Stop, Stream, Swapper, VersionEvent},
    topology::{Defaults, SourceId, Topology, compile},
};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::guests;

const TOPOLOGY: &str = r#"
name = "numbers"
batch-interval = "1s"
checkpoint = "x"
checkpoint-interval = "3s"
retain-batches = 100000
[plugin.faulty]
path = "faulty.wasm"
[source.numbers]
type = "receiver"
format = "json"
persist = "PERSIST"
schema = { value = "int64" }
[operator.total]
input = "numbers"
reduce-by-window = "std:sum"
length = "60s"
[sink.all]
input = "numbers"
type = "null"
[sink.totals]
input = "total"
type = "null"
"#;

const TASTED: &str = r#"
[operator.tasted]
input = "numbers"
map = "faulty:poison-map"
[sink.tastes]
input = "tasted"
type = "null"
"#;

/// The version that took over fails on the last but four.
const NUMBERS: [i64; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -1, 12, 13, 14, 15];

/// Sends one number for each batch that has ended.
struct Paced(Arc<Semaphore>);

impl Receiver for Paced {
    fn run(&mut self, store: Store, stop: CancellationToken, _: Option<Position>) -> Receiving<'_> {
        let schema = Schema::plain(Kind::Int64);
        Box::pin(async move {
            for (at, number) in NUMBERS.into_iter().enumerate() {
                if let Ok(permit) = self.0.acquire().await {
                    permit.forget();
                }
                let rows = rows_from_json(&schema, &[json!(number)]).unwrap();
                let position = Position(vec![u8::try_from(at).unwrap()]);
                store.store_many(rows, position).await?;
            }
            stop.cancelled().await;
            Ok(())
        })
    }
}

struct Watching {
    records: u64,
    stop: Stop,
    paces: Arc<Semaphore>,
    swapper: Swapper,
    next: Option<Next>,
    told: Vec<VersionEvent>,
    errors: Vec<String>,
}

impl Listener for Watching {
    fn batch_ended(&mut self, batch: &BatchReport) {
        self.paces.add_permits(1);
        self.records += batch.records;
        if self.records >= NUMBERS.len() as u64 {
            self.stop.graceful();
        }
        self.errors
            .extend(batch.errors.iter().map(ToString::to_string));
        if batch.time.as_millis() >= 4_000
            && let Some(next) = self.next.take()
        {
            self.swapper.swap(next).unwrap();
        }
    }

    fn version(&mut self, event: &VersionEvent) {
        self.told.push(event.clone());
    }
}

/// What sinks have of each batch.
type Given = Arc<Mutex<BTreeMap<(String, i64), Vec<i64>>>>;

fn sinks(topology: &Topology, given: &Given) -> Vec<Box<dyn Sink>> {
    let sinks = topology.sinks.iter().map(|sink| -> Box<dyn Sink> {
        let (to, given) = (sink.name.to_string(), given.clone());
        Box::new(FunctionSink::new(&sink.name, move |time, batch| {
            let chunks = batch.chunks();
            let rows = chunks.flat_map(|chunk| rows_to_json(chunk, &batch.schema).unwrap());
            let rows = rows.map(|row| row.as_i64().unwrap()).collect();
            let before = given
                .lock()
                .unwrap()
                .insert((to.clone(), time.as_millis()), rows);
            match before {
                Some(_) => Err("it was given twice".into()),
                None => Ok(()),
            }
        }))
    });
    sinks.collect()
}

fn compiled(text: &str) -> Arc<Topology> {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: true,
    };
    Arc::new(compile("numbers.toml", text, guests::catalog(), &defaults).unwrap())
}

fn files(text: &str) -> ProgramFiles {
    ProgramFiles {
        text: text.to_owned(),
        plugins: Vec::new(),
    }
}

#[test]
fn what_a_receiver_took_in_is_there_once_on_the_way_back() {
    for persist in ["memory", "disk"] {
        let first = TOPOLOGY.replace("PERSIST", persist);
        let topology = compiled(&first);
        let disk = Arc::new(MemoryDisk::new());
        let opened = Checkpoint::open(disk, &topology, Program::of(&files(&first)), "test");
        let opened = opened.unwrap();
        opened.checkpoint.keep_program(&files(&first)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let clock = Arc::new(ManualClock::at(0));
        let paces = Arc::new(Semaphore::new(0));
        let setup = SourceSetup {
            clock: &*clock,
            runtime: runtime.handle(),
            interval: topology.batch_interval,
            parallelism: NonZeroUsize::MIN,
            logs: Some(&*opened.checkpoint),
            account: None,
        };
        let receiver = Box::new(Paced(paces.clone()));
        let numbers = open_receiver(&topology.sources[0], receiver, setup).unwrap();
        let given = Given::default();
        let pool = Pool::new(NonZeroUsize::MIN).unwrap();
        let sources = BTreeMap::from([(SourceId(0), numbers)]);
        let plugins = guests::catalog().of(&topology).unwrap();
        let stream = Stream::new(
            topology.clone(),
            plugins,
            sources,
            sinks(&topology, &given),
            &pool,
        );
        let mut stream = stream.with_checkpoint(opened);
        let fails = format!("{first}{TASTED}");
        let topology = compiled(&fails);
        let next = Next {
            plugins: guests::catalog().of(&topology).unwrap(),
            plan: Plan::new(&topology),
            sinks: sinks(&topology, &given),
            files: files(&fails),
            accepts_loss: false,
            shadow: None,
            topology,
        };
        let stop = Stop::new();
        let mut watching = Watching {
            records: 0,
            stop: stop.clone(),
            paces,
            swapper: stream.swapper(),
            next: Some(next),
            told: Vec::new(),
            errors: Vec::new(),
        };
        let run = Run {
            mode: Mode::Virtual,
            start: Some(0),
            batches: Some(50_000),
            clock,
            stop,
        };
        let summary = runtime.block_on(stream.run(run, &mut watching));
        runtime.shutdown_background();
        assert!(summary.last_error.is_none(), "{:?}", summary.last_error);
        assert_eq!(watching.errors, [""; 0]);
        let given = given.lock().unwrap();
        let of = |name: &str| {
            let own = given.iter().filter(|((sink, _), _)| sink == name);
            own.map(|((_, time), rows)| (*time, rows.clone()))
                .collect::<Vec<_>>()
        };
        let all: Vec<i64> = of("all").into_iter().flat_map(|(_, rows)| rows).collect();
        assert_eq!(all, NUMBERS);
        // The batches that the version which failed has made before.
        let tasted = of("tastes").into_iter().flat_map(|(_, rows)| rows);
        let tasted: i64 = tasted.sum();
        assert!(watching.told.len() >= 2, "{:?}", watching.told);
        let VersionEvent::RolledBack { to_before, at, .. } = &watching.told[1] else {
            panic!("{:?}", watching.told);
        };
        let between: i64 = of("all")
            .into_iter()
            .filter(|(time, _)| (to_before.as_millis()..at.as_millis()).contains(time))
            .flat_map(|(_, rows)| rows)
            .sum();
        assert_eq!(tasted, between * 2);
        // What is remembered is right in each batch.
        let mut sum = 0;
        let mut last_of_window = BTreeMap::new();
        for (time, rows) in of("all") {
            sum += rows.iter().sum::<i64>();
            last_of_window.insert(time, sum);
        }
        for (time, total) in of("totals").into_iter().filter(|(time, _)| *time <= 60_000) {
            let expected = last_of_window[&time];
            assert_eq!(total.first().copied().unwrap_or(0), expected, "{time}");
        }
    }
}
