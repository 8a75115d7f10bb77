//! Batches that were missed while nobody ran the topology.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use rsrt::{
    checkpoint::{Checkpoint, Program},
    clock::ManualClock,
    format::rows_to_json,
    journal::MemoryDisk,
    scheduler::{Mode, Pool},
    sink::FunctionSink,
    source::{QueueSource, Source},
    stream::{BatchReport, Listener, Plugins, Run, Stop, Stream},
    topology::{Defaults, QueueOrder, SourceId, compile},
};
use serde_json::{Value, json};

const TOPOLOGY: &str = r#"
name = "sums"
batch-interval = "100ms"
checkpoint = "x"
[source.numbers]
type = "queue"
schema = { key = "utf8", value = "int64" }
[operator.sums]
input = "numbers"
reduce-by-key-and-window = "std:sum"
length = "400ms"
slide = "200ms"
inverse = true
checkpoint-interval = "200ms"
[sink.out]
input = "sums"
type = "null"
"#;

/// Time goes on with each of some batches; when none is due any more the process dies.
struct Ticking {
    clock: Arc<ManualClock>,
    stop: Stop,
    ticks: u32,
    left: u32,
}

impl Listener for Ticking {
    fn batch_ended(&mut self, _: &BatchReport) {
        if self.ticks > 0 {
            self.clock.advance(Duration::from_millis(100));
            self.ticks -= 1;
        }
        self.left -= 1;
        if self.left == 0 {
            self.stop.abort();
        }
    }
}

/// Runs from 100 ms after a time on, for so many ticks more and until so many batches are over, which
/// are all that are due then; answers with what the sink was given.
fn run(
    toml: &str,
    disk: &MemoryDisk,
    at: i64,
    (ticks, batches): (u32, u32),
) -> Vec<(i64, Vec<Value>)> {
    let one = NonZeroUsize::MIN;
    let defaults = Defaults {
        parallelism: one,
        base_dir: "".into(),
        needs_checkpoint: true,
    };
    let topology = Arc::new(compile("sums.toml", toml, &Plugins::default(), &defaults).unwrap());
    let program = Program::new(toml, Vec::new());
    let opened = Checkpoint::open(Arc::new(disk.clone()), &topology, program, "test").unwrap();
    let numbers = &topology.sources[0];
    let rows = vec![Some(vec![json!(["a", 1])]); 100];
    let order = QueueOrder::OneAtATime;
    let queue = QueueSource::new(&numbers.name, &numbers.schema, order, one, rows);
    let given = Arc::new(Mutex::new(Vec::new()));
    let seen = given.clone();
    let out = FunctionSink::new(&topology.sinks[0].name, move |time, batch| {
        let chunks = batch.chunks();
        let rows = chunks.flat_map(|chunk| rows_to_json(chunk, &batch.schema).unwrap());
        seen.lock()
            .unwrap()
            .push((time.as_millis(), rows.collect()));
        Ok(())
    });
    let sources = BTreeMap::from([(SourceId(0), Box::new(queue) as Box<dyn Source>)]);
    let pool = Pool::new(one).unwrap();
    let stream = Stream::new(topology, Vec::new(), sources, vec![Box::new(out)], &pool);
    let clock = Arc::new(ManualClock::at(at));
    let stop = Stop::new();
    let mut ticking = Ticking {
        clock: clock.clone(),
        stop: stop.clone(),
        ticks,
        left: batches,
    };
    let run = Run {
        mode: Mode::Live,
        start: None,
        batches: None,
        clock: clock.clone(),
        stop,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.spawn(async move { clock.advance(Duration::from_millis(100)) });
    runtime.block_on(stream.with_checkpoint(opened).run(run, &mut ticking));
    std::mem::take(&mut *given.lock().unwrap())
}

fn times(given: &[(i64, Vec<Value>)]) -> Vec<i64> {
    given.iter().map(|(time, _)| *time).collect()
}

#[test]
fn every_missed_batch_is_made_or_one_for_all_of_them() {
    let disk = MemoryDisk::new();
    assert_eq!(times(&run(TOPOLOGY, &disk, 0, (5, 6))), [200, 400, 600]);
    // Batches 700 to 2,100 were missed.
    let every = run(TOPOLOGY, &disk, 2_050, (0, 15));
    assert_eq!(times(&every), (4..=10).map(|t| t * 200).collect::<Vec<_>>());

    let one = TOPOLOGY.replace(
        "checkpoint = \"x\"",
        "checkpoint = \"x\"\ncatch-up = \"one\"",
    );
    let disk = MemoryDisk::new();
    let before = run(&one, &disk, 0, (6, 7));
    assert_eq!(times(&before), [200, 400, 600]);
    let after = run(&one, &disk, 2_050, (3, 5));
    // The last in the rhythm of the slide; then the grid goes on.
    assert_eq!(times(&after), [2_000, 2_200, 2_400]);
    let sums: Vec<_> = after.into_iter().map(|(_, rows)| rows).collect();
    // What left the window while nobody looked, has left it.
    assert_eq!(
        sums,
        [[json!(["a", 1])], [json!(["a", 3])], [json!(["a", 4])]]
    );
}
