//! Receivers: what was acknowledged is in a batch once, whenever the process dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rsrt::{
    checkpoint::{Checkpoint, Program},
    clock::ManualClock,
    format::{rows_from_json, rows_to_json},
    journal::MemoryDisk,
    model::{Kind, Position, Schema},
    receiver::{Receiver, Receiving, Store},
    scheduler::{Mode, Pool},
    sink::FunctionSink,
    source::{SourceSetup, open_receiver},
    stream::{Plugins, Run, Stop, Stream},
    topology::{Builder, Defaults, SourceId, sink, source},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Rows by batch time.
type Given = Arc<Mutex<BTreeMap<i64, Vec<u64>>>>;

/// Sends the numbers from 0, two a block. What was acknowledged the source has forgotten, and cannot
/// send again; a block whose acknowledgement it did not see it sends again.
struct Counting {
    acknowledged: Arc<AtomicU64>,
}

const NUMBERS: u64 = 40;

impl Receiver for Counting {
    fn run(&mut self, store: Store, stop: CancellationToken, _: Option<Position>) -> Receiving<'_> {
        let schema = Schema::plain(Kind::Int64);
        Box::pin(async move {
            let mut next = self.acknowledged.load(Ordering::SeqCst);
            while next < NUMBERS {
                let rows = rows_from_json(&schema, &[json!(next), json!(next + 1)]).unwrap();
                let position = Position(vec![u8::try_from(next).unwrap()]);
                store.store_many(rows, position).await?;
                self.acknowledged.fetch_max(next + 2, Ordering::SeqCst);
                next += 2;
            }
            stop.cancelled().await;
            Ok(())
        })
    }
}

/// Sends these numbers, one a block, and waits for nothing.
struct Sending(&'static [u64]);

impl Receiver for Sending {
    fn run(&mut self, store: Store, stop: CancellationToken, _: Option<Position>) -> Receiving<'_> {
        let schema = Schema::plain(Kind::Int64);
        Box::pin(async move {
            for number in self.0 {
                let rows = rows_from_json(&schema, &[json!(number)]).unwrap();
                let position = Position(number.to_le_bytes().to_vec());
                store.store_many(rows, position).await?;
            }
            stop.cancelled().await;
            Ok(())
        })
    }
}

/// One run of some batches; adds what its sink was given, by batch time.
fn run(disk: &MemoryDisk, receiver: Box<dyn Receiver>, given: &Given) -> Result<(), String> {
    let one = NonZeroUsize::MIN;
    let topology = Builder::new("numbers", std::time::Duration::from_secs(1))
        .set("checkpoint", "x")
        .set("checkpoint-interval", "7s")
        .source(
            "numbers",
            source("receiver")
                .set("format", "json")
                .columns("schema", &[("value", "int64")]),
        )
        .sink("out", sink("null").input("numbers"))
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
    let opened = Checkpoint::open(Arc::new(disk.clone()), &topology, program, "test");
    let opened = opened.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let clock = Arc::new(ManualClock::at(0));
    let setup = SourceSetup {
        clock: &*clock,
        runtime: runtime.handle(),
        interval: topology.batch_interval,
        parallelism: one,
        logs: Some(&*opened.checkpoint),
    };
    let numbers = open_receiver(&topology.sources[0], receiver, setup).unwrap();
    let seen = given.clone();
    let out = FunctionSink::new(&topology.sinks[0].name, move |time, batch| {
        let chunks = batch
            .chunks()
            .flat_map(|chunk| rows_to_json(chunk, &batch.schema).unwrap());
        let rows: Vec<u64> = chunks.map(|row| row.as_u64().unwrap()).collect();
        let before = seen.lock().unwrap().insert(time.as_millis(), rows.clone());
        match before {
            Some(before) if before != rows => Err(format!("{before:?} is {rows:?} now")),
            _ => Ok(()),
        }
    });
    let pool = Pool::new(one).unwrap();
    let sources = BTreeMap::from([(SourceId(0), numbers)]);
    let stream = Stream::new(topology, Vec::new(), sources, vec![Box::new(out)], &pool);
    let run = Run {
        mode: Mode::Virtual,
        start: Some(0),
        batches: Some(30),
        clock,
        stop: Stop::new(),
    };
    let summary = runtime.block_on(stream.with_checkpoint(opened).run(run, &mut ()));
    runtime.shutdown_background();
    match summary.last_error {
        None => Ok(()),
        Some(error) => Err(error.to_string()),
    }
}

#[test]
fn what_was_acknowledged_is_in_a_batch_once() {
    for seed in 0..40_u64 {
        let disk = MemoryDisk::new();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let counting = || {
            let acknowledged = acknowledged.clone();
            Box::new(Counting { acknowledged })
        };
        let given = Given::default();
        for death in 0..4 {
            disk.fail_at(Some(disk.steps() + 3 + (seed * 7 + death * 13) % 60));
            if let Err(error) = run(&disk, counting(), &given) {
                let expected = ["the disk is gone", "takes nothing more"];
                assert!(expected.iter().any(|e| error.contains(e)), "{error}");
            }
            // First only the process dies, then the machine too, and so on.
            match (seed + death) % 2 {
                0 => disk.kill(),
                _ => disk.crash(usize::try_from(seed % 3).unwrap() * 50),
            }
        }
        disk.fail_at(None);
        for _ in 0..100 {
            run(&disk, counting(), &given).unwrap();
            if given.lock().unwrap().values().flatten().max() == Some(&(NUMBERS - 1)) {
                break;
            }
        }
        let given = given.lock().unwrap();
        let all: Vec<u64> = given.values().flatten().copied().collect();
        let distinct: BTreeSet<u64> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len(), "seed {seed}: {all:?}");
        assert_eq!(distinct, (0..NUMBERS).collect(), "seed {seed}");
        assert!(all.is_sorted(), "seed {seed}: {all:?}");
    }
}

#[test]
fn a_block_that_is_sent_again_much_later_is_not_stored_again() {
    let disk = MemoryDisk::new();
    let given = Given::default();
    let until = |last: u64, numbers: &'static [u64]| {
        for _ in 0..100 {
            run(&disk, Box::new(Sending(numbers)), &given).unwrap();
            if given.lock().unwrap().values().flatten().any(|n| *n == last) {
                return;
            }
        }
        panic!("{last} does not come");
    };
    until(7, &[7]);
    // Its acknowledgement got lost. Nobody sends anything, and state covers the block's batch, twice.
    run(&disk, Box::new(Sending(&[])), &given).unwrap();
    run(&disk, Box::new(Sending(&[])), &given).unwrap();
    until(8, &[7, 8]);
    let given = given.lock().unwrap();
    let all: Vec<u64> = given.values().flatten().copied().collect();
    assert_eq!(all, [7, 8]);
}
