//! Dead letters that are tried again: each in one batch, once, whenever the process dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, LazyLock, Mutex},
};

use rsrt::{
    checkpoint::{BatchLetters, Checkpoint, Program, Retained},
    clock::ManualClock,
    format::rows_to_json,
    journal::{Disk, MemoryDisk},
    model::BatchTime,
    replay::{Replay, ReplayAnswer, Runnable},
    scheduler::{Mode, Pool},
    sink::{FunctionSink, Sink},
    source::{QueueSource, Source},
    stream::{Run, Stop, Stream},
    topology::{Defaults, QueueOrder, SourceId, Topology, compile},
};
use serde_json::{Value, json};

use crate::guests;

static POOL: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Pool::new(NonZeroUsize::new(2).unwrap()).unwrap());

/// The second function takes what the first fails on.
const FAILS: &str = "map = \"faulty:panics-at-bang\"";
const MENDED: &str = "map = \"faulty:echo\"";

/// A disk, a file with what the source has, and what sinks have of each batch.
struct World {
    disk: MemoryDisk,
    lines: tempfile::NamedTempFile,
    had: Arc<Mutex<BTreeMap<i64, Vec<Value>>>>,
}

/// What is asked of a run before it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Nothing,
    Retry { expected: Option<u64> },
}

impl Default for World {
    fn default() -> Self {
        let lines = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(lines.path(), serde_json::to_vec(&given()).unwrap()).unwrap();
        Self {
            disk: MemoryDisk::new(),
            lines,
            had: Arc::default(),
        }
    }
}

/// What the source has.
fn given() -> [Option<Vec<Value>>; 5] {
    [
        Some(vec![json!("good"), json!("bad!"), json!("worse!")]),
        Some(vec![json!("fine")]),
        None,
        Some(Vec::new()),
        Some(vec![json!("more")]),
    ]
}

impl World {
    fn text(&self, verb: &str) -> String {
        format!(
            "name = \"retried\"\nbatch-interval = \"1s\"\ncheckpoint = \"x\"\n\
             [plugin.faulty]\npath = \"faulty.wasm\"\n[limits]\nfaults = 2\n\
             [source.lines]\ntype = \"queue\"\nschema = \"utf8\"\npath = \"{}\"\n\
             [operator.it]\ninput = \"lines\"\n{verb}\non-error = \"dead-letter\"\n\
             [operator.after]\ninput = \"it\"\nlimit = 100\n\
             [sink.out]\ninput = \"after\"\ntype = \"null\"\n",
            self.lines.path().display()
        )
    }

    /// Runs so many batches, or all; answers with why it ended early.
    fn run(&self, verb: &str, ask: Ask, batches: Option<u64>) -> Result<(), String> {
        let text = self.text(verb);
        let topology = topology(&text);
        let program = Program::new(&text, Vec::new());
        let disk = Arc::new(self.disk.clone());
        let opened = Checkpoint::open(disk, &topology, program, "u").map_err(|e| e.to_string())?;
        if let Ask::Retry { expected } = ask {
            let asked = opened.checkpoint.ask_to_retry(Some("it"));
            let asked = asked.map_err(|error| error.to_string())?;
            assert_eq!(opened.checkpoint.ask_to_retry(Some("other")).ok(), Some(0));
            if let Some(expected) = expected {
                assert_eq!(asked, expected);
            }
        }
        let lines = &topology.sources[0];
        let order = QueueOrder::OneAtATime;
        let queue = QueueSource::new(
            &lines.name,
            &lines.schema,
            order,
            NonZeroUsize::MIN,
            given().to_vec(),
        );
        let had = self.had.clone();
        let sink = FunctionSink::new(&topology.sinks[0].name, move |time, batch| {
            let chunks = batch.chunks();
            let chunks = chunks.map(|chunk| rows_to_json(chunk, &batch.schema).unwrap());
            let rows = chunks.collect::<Vec<_>>().concat();
            let before = had.lock().unwrap().insert(time.as_millis(), rows.clone());
            assert!(before.is_none_or(|before| before == rows));
            Ok(())
        });
        let plugins = guests::catalog().of(&topology).unwrap();
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink)];
        let source: Box<dyn Source> = Box::new(queue);
        let sources = BTreeMap::from([(SourceId(0), source)]);
        let stream = Stream::new(topology, plugins, sources, sinks, &POOL).with_checkpoint(opened);
        let run = Run {
            mode: Mode::Virtual,
            start: Some(0),
            batches,
            clock: Arc::new(ManualClock::at(0)),
            stop: Stop::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let summary = runtime.block_on(stream.run(run, &mut ()));
        match summary.last_error {
            Some(error) => Err(error.to_string()),
            None => Ok(()),
        }
    }

    fn letters(&self) -> Vec<(i64, usize)> {
        let letters = BatchLetters::on(&self.disk).unwrap();
        let letters = letters.iter();
        letters.map(|of| (of.time, of.letters.len())).collect()
    }

    fn had(&self) -> Vec<(i64, Vec<Value>)> {
        let had = self.had.lock().unwrap();
        had.iter().map(|(at, rows)| (*at, rows.clone())).collect()
    }
}

fn topology(text: &str) -> Arc<Topology> {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: true,
    };
    let topology = compile("retried.toml", text, guests::catalog(), &defaults);
    Arc::new(topology.unwrap_or_else(|e| panic!("{:?}", e.problems())))
}

const RETRY: Ask = Ask::Retry { expected: Some(2) };

#[test]
fn the_next_batch_that_can_takes_them_before_its_own_rows() {
    let world = World::default();
    world.run(FAILS, Ask::Nothing, Some(2)).unwrap();
    assert_eq!(world.letters(), [(1_000, 2)]);
    world.run(MENDED, RETRY, None).unwrap();
    assert_eq!(world.letters(), []);
    let expected = [
        (1_000, vec![json!("good")]),
        (2_000, vec![json!("fine")]),
        // There is no batch at 3 s, and nothing else in the one after it.
        (4_000, vec![json!("bad!"), json!("worse!")]),
        (5_000, vec![json!("more")]),
    ];
    assert_eq!(world.had(), expected);
}

#[test]
fn those_that_fail_again_are_dead_letters_of_that_batch_and_are_not_tried_for_ever() {
    let world = World::default();
    world.run(FAILS, Ask::Nothing, Some(2)).unwrap();
    // As many as `faults` allows, and they count for nothing.
    world.run(FAILS, RETRY, None).unwrap();
    assert_eq!(world.letters(), [(4_000, 2)]);
    let rows: Vec<Value> = world.had().into_iter().flat_map(|(_, rows)| rows).collect();
    assert_eq!(rows, [json!("good"), json!("fine"), json!("more")]);
}

#[test]
fn wherever_the_process_dies_each_is_given_once() {
    let all: BTreeSet<&str> = BTreeSet::from(["good", "bad!", "worse!", "fine", "more"]);
    for (dies_after, is_machine) in (0..).flat_map(|step| [(step, false), (step, true)]) {
        let world = World::default();
        world.run(FAILS, Ask::Nothing, Some(2)).unwrap();
        let disk = &world.disk;
        disk.fail_at(Some(disk.steps() + dies_after));
        let ask = Ask::Retry { expected: None };
        let died = world.run(MENDED, ask, None).is_err();
        disk.fail_at(None);
        match is_machine {
            true => disk.crash(0),
            false => disk.kill(),
        }
        world.run(MENDED, ask, None).unwrap();
        let had = world.had();
        let rows = had.iter().flat_map(|(_, rows)| rows);
        let mut rows: Vec<&str> = rows.map(|row| row.as_str().unwrap()).collect();
        rows.sort_unstable();
        let expected: Vec<&str> = all.iter().copied().collect();
        assert_eq!(rows, expected, "died at {dies_after}: {had:?}");
        assert_eq!(world.letters(), [], "died at {dies_after}");
        if !died {
            assert!(dies_after > 10, "it never died: {dies_after}");
            return;
        }
    }
}

#[test]
fn a_batch_that_took_them_takes_them_when_it_is_made_once_more() {
    let world = World::default();
    world.run(FAILS, Ask::Nothing, Some(2)).unwrap();
    world.run(MENDED, RETRY, None).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let program = |verb| {
        let topology = topology(&world.text(verb));
        Runnable {
            plugins: guests::catalog().of(&topology).unwrap(),
            topology,
        }
    };
    let programs = BTreeMap::from([(1, program(FAILS)), (2, program(MENDED))]);
    let make = |batch: i64, other: Option<Runnable>| {
        let batch = BatchTime::from_millis(batch);
        let (retained, before) = Retained::on_disk(&disk, batch).unwrap().unwrap();
        let replay = Replay {
            retained: &retained,
            before: &before,
            programs: &programs,
            tenant: &POOL.tenant(NonZeroU32::MIN),
            clock: &ManualClock::at(0),
            stream: None,
        };
        let made = replay.make(batch, other.as_ref()).unwrap();
        ReplayAnswer::new(&made, (&before, 0), usize::MAX).unwrap()
    };
    for (batch, rows) in world.had() {
        let answer = make(batch, None);
        assert_eq!(answer.made.streams[0].rows, rows, "{batch}");
    }
    // The first batch left them out, also now; the other version would not have.
    assert_eq!(make(1_000, None).made.left_out, 2);
    let other = make(1_000, Some(program(MENDED))).other.unwrap();
    assert_eq!((other.left_out, other.streams[0].all), (0, Some(3)));
    let again = make(4_000, Some(program(FAILS)));
    assert_eq!(again.other.unwrap().left_out, 2);
}
