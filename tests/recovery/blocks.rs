//! Receivers: what was acknowledged is in a batch once, whenever the process dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rsrt::{
    checkpoint::{Checkpoint, Opened, Program, Retained},
    clock::ManualClock,
    format::{rows_from_json, rows_to_json},
    journal::{Disk, MemoryDisk},
    model::{BatchTime, Kind, Position, Schema},
    receiver::{BlockLogs as _, BlockRows, Receiver, Receiving, Store},
    replay::{Replay, ReplayAnswer, Runnable},
    scheduler::{Mode, Pool},
    sink::FunctionSink,
    source::{SourceSetup, open_receiver},
    stream::{Plugins, Run, Stop, Stream},
    topology::{Builder, Defaults, SourceId, Topology, sink, source},
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

/// The topology, whose blocks wait at this level.
fn topology(persist: &str) -> Arc<Topology> {
    let mut numbers = source("receiver")
        .set("format", "json")
        .set("persist", persist)
        .columns("schema", &[("value", "int64")]);
    if persist == "memory-and-disk" {
        // Room for one block: where a block lies changes from one to the next.
        numbers = numbers.set("block-store-memory", "1KiB");
    }
    let topology = Builder::new("numbers", std::time::Duration::from_secs(1))
        .set("checkpoint", "x")
        .set("checkpoint-interval", "7s")
        .source("numbers", numbers)
        .sink("out", sink("null").input("numbers"))
        .compile(
            &Plugins::default(),
            &Defaults {
                parallelism: NonZeroUsize::MIN,
                base_dir: "".into(),
                needs_checkpoint: true,
            },
        );
    Arc::new(topology.unwrap())
}

fn open(disk: &MemoryDisk, topology: &Topology) -> Result<Opened, String> {
    let program = Program::new("numbers", Vec::new());
    let opened = Checkpoint::open(Arc::new(disk.clone()), topology, program, "test");
    opened.map_err(|error| error.to_string())
}

/// One run of some batches; adds what its sink was given, by batch time.
fn run(
    disk: &MemoryDisk,
    receiver: Box<dyn Receiver>,
    given: &Given,
    persist: &str,
) -> Result<(), String> {
    let one = NonZeroUsize::MIN;
    let topology = topology(persist);
    let opened = open(disk, &topology)?;
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
        account: None,
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
    let levels = ["memory", "disk", "memory-and-disk"];
    for (seed, persist) in (0..60_u64).zip(levels.into_iter().cycle()) {
        let disk = MemoryDisk::new();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let counting = || {
            let acknowledged = acknowledged.clone();
            Box::new(Counting { acknowledged })
        };
        let given = Given::default();
        for death in 0..4 {
            disk.fail_at(Some(disk.steps() + 3 + (seed * 7 + death * 13) % 60));
            if let Err(error) = run(&disk, counting(), &given, persist) {
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
            run(&disk, counting(), &given, persist).unwrap();
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
            run(&disk, Box::new(Sending(numbers)), &given, "memory").unwrap();
            if given.lock().unwrap().values().flatten().any(|n| *n == last) {
                return;
            }
        }
        panic!("{last} does not come");
    };
    until(7, &[7]);
    // Its acknowledgement got lost. Nobody sends anything, and state covers the block's batch, twice.
    run(&disk, Box::new(Sending(&[])), &given, "memory").unwrap();
    run(&disk, Box::new(Sending(&[])), &given, "memory").unwrap();
    until(8, &[7, 8]);
    let given = given.lock().unwrap();
    let all: Vec<u64> = given.values().flatten().copied().collect();
    assert_eq!(all, [7, 8]);
}

#[test]
fn a_logged_block_is_read_from_the_journal_and_only_as_it_was_written() {
    let disk = MemoryDisk::new();
    let topology = topology("disk");
    let name = &topology.sources[0].name;
    let block = |number: u64| {
        BlockRows::Rows(rows_from_json(&Schema::plain(Kind::Int64), &[json!(number)]).unwrap())
    };
    let opened = open(&disk, &topology).unwrap();
    let log = opened.checkpoint.of(name).unwrap();
    let append = |id| log.log.append(id, &block(id), None).unwrap();
    let stored = [append(0), append(1), append(2)];
    for (id, stored) in (0..).zip(&stored) {
        assert_eq!(stored.read().unwrap(), block(id));
    }
    log.log.sync().unwrap();

    let again = open(&disk, &topology).unwrap();
    let logged = again.checkpoint.of(name).unwrap();
    assert_eq!(logged.next_id, 3);
    for (id, logged) in (0..).zip(&logged.blocks) {
        assert_eq!((logged.id, logged.records), (id, 1));
        assert_eq!(logged.rows.read().unwrap(), block(id));
    }
    disk.damage("journal-000000000001", |bytes| bytes[60] ^= 1);
    let error = logged.blocks[0].rows.read().unwrap_err();
    let expected = "journal-000000000001 in memory is damaged at byte 8: record 1 ";
    assert!(error.starts_with(expected), "{error}");
    assert_eq!(logged.blocks[1].rows.read().unwrap(), block(1));
}

#[test]
fn a_batch_of_blocks_is_made_once_more_from_the_journal_alone() {
    for persist in ["memory", "disk"] {
        let disk = MemoryDisk::new();
        let given = Given::default();
        let acknowledged = Arc::new(AtomicU64::new(0));
        for _ in 0..100 {
            let acknowledged = acknowledged.clone();
            run(&disk, Box::new(Counting { acknowledged }), &given, persist).unwrap();
            if given.lock().unwrap().values().flatten().max() == Some(&(NUMBERS - 1)) {
                break;
            }
        }
        let topology = topology(persist);
        let there: Arc<dyn Disk> = Arc::new(disk.clone());
        let retained = Retained::on(&there).unwrap().unwrap();
        let batches: Vec<BatchTime> = retained.batches().map(|claim| claim.time).collect();
        assert!(batches.len() >= 10, "{batches:?}");
        let program = Runnable {
            topology,
            plugins: Vec::new(),
        };
        let pool = Pool::new(NonZeroUsize::MIN).unwrap();
        for batch in batches {
            let (retained, before) = Retained::on_disk(&there, batch).unwrap().unwrap();
            let replay = Replay {
                retained: &retained,
                before: &before,
                programs: &BTreeMap::from([(1, program.clone())]),
                tenant: &pool.tenant(NonZeroU32::MIN),
                clock: &ManualClock::at(0),
                stream: None,
            };
            let made = replay.make(batch, None).unwrap();
            let answer = ReplayAnswer::new(&made, (&before, 0), usize::MAX).unwrap();
            let rows = answer.made.streams[0].rows.iter();
            let rows: Vec<u64> = rows.map(|row| row.as_u64().unwrap()).collect();
            assert_eq!(Some(&rows), given.lock().unwrap().get(&batch.as_millis()));
        }
    }
}
