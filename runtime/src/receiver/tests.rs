use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arrow_array::{RecordBatch, cast::AsArray};
use serde_json::json;
use tokio::{runtime::Handle, sync::mpsc};

use super::*;
use crate::{
    format::rows_from_json,
    model::{Kind, PersistLevel, Schema},
    topology::BlockStorage,
};

/// Does what each of its runs is told.
struct Scripted<F>(F);

impl<F> Receiver for Scripted<F>
where
    F: FnMut(Store, CancellationToken, Option<Position>) -> Receiving<'static> + Send + 'static,
{
    fn run(
        &mut self,
        store: Store,
        stop: CancellationToken,
        from: Option<Position>,
    ) -> Receiving<'_> {
        (self.0)(store, stop, from)
    }
}

fn start<F>(room: usize, run: F) -> RunningReceiver
where
    F: FnMut(Store, CancellationToken, Option<Position>) -> Receiving<'static> + Send + 'static,
{
    let spec = ReceiverSpec {
        name: "lines".parse().unwrap(),
        schema: Schema::plain(Kind::Int64),
        block_interval: Duration::from_millis(200),
        connect_attempts: NonZeroUsize::new(2),
        storage: in_memory(room),
        limit: None,
        log: None,
        account: std::sync::Arc::default(),
    };
    RunningReceiver::start(&Handle::current(), spec, Box::new(Scripted(run))).unwrap()
}

pub(super) fn in_memory(bytes: usize) -> BlockStorage {
    BlockStorage {
        persist: PersistLevel::Memory,
        memory: NonZeroUsize::new(bytes).unwrap(),
        ..BlockStorage::default()
    }
}

pub(super) fn numbers(numbers: &[i64]) -> RecordBatch {
    let rows: Vec<_> = numbers.iter().map(|n| json!(n)).collect();
    rows_from_json(&Schema::plain(Kind::Int64), &rows).unwrap()
}

fn position(at: u8) -> Position {
    Position(vec![at])
}

/// The records of each block.
fn records(blocks: &[Arc<Block>]) -> Vec<Vec<String>> {
    let records = |block: &Arc<Block>| {
        let rows = block.read().unwrap();
        let records = rows.chunk().column(0).as_binary::<i32>().iter();
        records
            .map(|r| String::from_utf8(r.unwrap().to_vec()).unwrap())
            .collect()
    };
    blocks.iter().map(records).collect()
}

#[tokio::test(start_paused = true)]
async fn records_of_one_block_interval_are_one_block() {
    let (send, mut done) = mpsc::channel(1);
    let running = start(256 << 20, move |store, stop, _| {
        let send = send.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            store.store(b"a").await?;
            store.store(b"b").await?;
            tokio::time::sleep(Duration::from_millis(400)).await;
            store.store(b"c").await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
            send.send(()).await.unwrap();
            stop.cancelled().await;
            Ok(())
        })
    });
    done.recv().await.unwrap();
    let blocks = running.claim();
    assert_eq!(records(&blocks), [vec!["a", "b"], vec!["c"]]);
    assert_eq!(
        blocks.iter().map(|block| block.id).collect::<Vec<_>>(),
        [0, 1]
    );
    assert!(running.claim().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_leaves_everything_in_blocks() {
    let (send, mut stored) = mpsc::channel(1);
    let mut running = start(256 << 20, move |store, stop, _| {
        let send = send.clone();
        Box::pin(async move {
            store.store(b"before").await?;
            send.send(()).await.unwrap();
            stop.cancelled().await;
            store.store(b"last words").await?;
            Ok(())
        })
    });
    stored.recv().await.unwrap();
    running.stop().await;
    assert!(!running.is_drained());
    let blocks = running.claim();
    assert_eq!(records(&blocks).concat(), ["before", "last words"]);
    assert!(running.is_drained());
    assert_eq!(running.gave_up(), None);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_store_makes_the_receiver_wait_until_blocks_are_dropped_or_it_is_stopped() {
    let stored = Arc::new(AtomicUsize::new(0));
    let counter = stored.clone();
    let mut running = start(16 << 20, move |store, _, _| {
        let counter = counter.clone();
        Box::pin(async move {
            let record = vec![0; 4 << 20];
            for _ in 0..100 {
                store.store(&record).await?;
                counter.fetch_add(1, Ordering::SeqCst);
            }
            std::future::pending().await
        })
    });
    let settle = || tokio::time::sleep(Duration::from_secs(5));
    settle().await;
    let first = stored.load(Ordering::SeqCst);
    assert!(first < 50, "{first} records of 4 MiB");
    drop(running.claim());
    settle().await;
    let second = stored.load(Ordering::SeqCst);
    assert!(first < second && second < 50, "{first}, then {second}");
    // The receiver does not look at its stop token: the wait for it has to be cut off.
    let stopped = tokio::time::timeout(Duration::from_mins(1), running.stop()).await;
    assert!(stopped.is_err());
    assert_eq!(stored.load(Ordering::SeqCst), 100);
}

#[tokio::test(start_paused = true)]
async fn a_block_that_is_sent_again_is_acknowledged_and_dropped() {
    let (send, mut seen) = mpsc::channel(9);
    let mut runs = 0;
    let mut running = start(256 << 20, move |store, stop, from| {
        runs += 1;
        let (send, run) = (send.clone(), runs);
        Box::pin(async move {
            send.send(from).await.unwrap();
            if run == 1 {
                store.store_many(numbers(&[1, 2]), position(1)).await?;
                store.store_many(numbers(&[3]), position(2)).await?;
                return Err(ReceiverError::Lost {
                    source_name: "queue".to_owned(),
                    error: "before the acknowledgement came".into(),
                });
            }
            store.store_many(numbers(&[3]), position(2)).await?;
            store.store_many(numbers(&[4]), position(3)).await?;
            send.send(None).await.unwrap();
            stop.cancelled().await;
            Ok(())
        })
    });
    assert_eq!(seen.recv().await.unwrap(), None);
    assert_eq!(seen.recv().await.unwrap(), Some(position(2)));
    seen.recv().await.unwrap();
    running.stop().await;
    let blocks = running.claim();
    let rows: Vec<_> = blocks.iter().map(|block| block.read().unwrap()).collect();
    let expected = [&[1, 2][..], &[3], &[4]].map(|rows| BlockRows::Rows(numbers(rows)));
    assert_eq!(rows, expected);
}

#[tokio::test(start_paused = true)]
async fn columns_of_another_source_are_refused() {
    let (send, mut refused) = mpsc::channel(1);
    let _running = start(256 << 20, move |store, stop, _| {
        let send = send.clone();
        Box::pin(async move {
            let text = rows_from_json(&Schema::plain(Kind::Utf8), &[json!("a")]).unwrap();
            let error = store.store_many(text, position(1)).await.unwrap_err();
            send.send(error.to_string()).await.unwrap();
            stop.cancelled().await;
            Ok(())
        })
    });
    assert_eq!(
        refused.recv().await.unwrap(),
        "a block has columns (value: Utf8) where the source takes (value: int64)"
    );
}

#[tokio::test(start_paused = true)]
async fn it_starts_again_after_two_seconds_and_gives_up_after_its_attempts() {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let log = starts.clone();
    let begin = tokio::time::Instant::now();
    let mut running = start(256 << 20, move |_, _, _| {
        let mut log = log.lock().unwrap();
        log.push(begin.elapsed().as_secs());
        let run = log.len();
        Box::pin(async move {
            // Ends well once, then cannot be reached.
            if run == 1 {
                return Ok(());
            }
            Err(ReceiverError::Unreachable {
                source_name: "host:1".to_owned(),
                error: "refused".into(),
            })
        })
    });
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(*starts.lock().unwrap(), [0, 2, 4]);
    let gave_up = GaveUp {
        attempts: 2,
        last: "cannot reach host:1: refused".to_owned(),
    };
    assert_eq!(running.gave_up(), Some(gave_up));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_panics_is_noticed() {
    let mut running = start(256 << 20, |_, _, _| {
        Box::pin(async { panic!("a bug in a receiver") })
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(running.gave_up().unwrap().last, "the receiver panicked");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_into_a_channel_is_kept_also_at_a_graceful_stop() {
    let one = NonZeroUsize::MIN;
    let (sender, receiver) = channel(one);
    let spec = ReceiverSpec {
        name: "numbers".parse().unwrap(),
        schema: Schema::plain(Kind::Int64),
        block_interval: Duration::from_millis(200),
        connect_attempts: None,
        // Room for one block: the second waits in the channel, the third with its sender.
        storage: in_memory(1),
        limit: None,
        log: None,
        account: std::sync::Arc::default(),
    };
    let mut running = RunningReceiver::start(&Handle::current(), spec, Box::new(receiver)).unwrap();
    sender.send(numbers(&[1, 2])).await.unwrap();
    sender.send(numbers(&[3])).await.unwrap();
    let third = sender.send(numbers(&[4]));
    assert!(
        tokio::time::timeout(Duration::from_secs(9), third)
            .await
            .is_ok()
    );
    let fourth = tokio::time::timeout(Duration::from_secs(9), sender.send(numbers(&[5])));
    assert!(fourth.await.is_err());
    running.stop().await;
    let rows = running.claim();
    let rows: u64 = rows.iter().map(|block| block.records).sum();
    assert_eq!(rows, 4);
    assert_eq!(sender.send(numbers(&[6])).await, Err(StoreError::Stopped));
    assert!(running.is_drained());
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_senders_is_quiet() {
    let (sender, receiver) = channel(NonZeroUsize::MIN);
    let spec = ReceiverSpec {
        name: "numbers".parse().unwrap(),
        schema: Schema::plain(Kind::Int64),
        block_interval: Duration::from_millis(200),
        connect_attempts: NonZeroUsize::new(1),
        storage: BlockStorage::default(),
        limit: None,
        log: None,
        account: std::sync::Arc::default(),
    };
    let mut running = RunningReceiver::start(&Handle::current(), spec, Box::new(receiver)).unwrap();
    sender.send(numbers(&[1])).await.unwrap();
    drop(sender);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(running.gave_up(), None);
    assert_eq!(running.claim().len(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_limit() {
    let receiver = Scripted(|store: Store, _: CancellationToken, _| {
        let receiving: Receiving<'static> = Box::pin(async move {
            for number in 0..1_000_i64 {
                store.store(number.to_string().as_bytes()).await?;
            }
            Ok(())
        });
        receiving
    });
    let spec = ReceiverSpec {
        name: "numbers".parse().unwrap(),
        schema: Schema::plain(Kind::Int64),
        block_interval: Duration::from_millis(200),
        connect_attempts: None,
        storage: BlockStorage::default(),
        limit: Some(RateLimit::new(Some(1), None)),
        log: None,
        account: std::sync::Arc::default(),
    };
    let mut running = RunningReceiver::start(&Handle::current(), spec, Box::new(receiver)).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = tokio::time::Instant::now();
    running.stop().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    let blocks = running.claim();
    let records: u64 = blocks.iter().map(|block| block.records).sum();
    assert_eq!(records, 1_000);
}

#[tokio::test(start_paused = true)]
async fn when_the_disk_takes_nothing_what_was_received_is_claimed_and_then_it_is_told() {
    let root = tempfile::tempdir().unwrap();
    let spill = root.path().join("spill");
    let storage = BlockStorage {
        persist: PersistLevel::Disk,
        spill_directory: Some((&spill).into()),
        ..BlockStorage::default()
    };
    let spec = ReceiverSpec {
        name: "lines".parse().unwrap(),
        schema: Schema::plain(Kind::Int64),
        block_interval: Duration::from_millis(200),
        connect_attempts: None,
        storage,
        limit: None,
        log: None,
        account: std::sync::Arc::default(),
    };
    let receiver = Scripted(move |store: Store, stop: CancellationToken, _| {
        let spill = spill.clone();
        let receiving: Receiving<'static> = Box::pin(async move {
            std::fs::remove_dir_all(&spill).unwrap();
            for number in 0..100_i64 {
                store.store(number.to_string().as_bytes()).await?;
            }
            stop.cancelled().await;
            store.store(b"last words").await?;
            Ok(())
        });
        receiving
    });
    let running = RunningReceiver::start(&Handle::current(), spec, Box::new(receiver)).unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(running.failed(), None, "there is something to claim");
    let received = records(&running.claim()).concat();
    assert_eq!(received.len(), 101);
    assert_eq!(received[100], "last words");
    let error = running.failed().unwrap().to_string();
    assert!(error.contains("cannot write a spill file in"), "{error}");
    assert!(error.contains("`spill-directory`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_limited_receiver_loses_nothing_and_takes_its_time() {
    let (done, mut is_done) = mpsc::channel(1);
    let done = Arc::new(done);
    let receiver = Scripted(move |store: Store, stop: CancellationToken, _| {
        let done = done.clone();
        let receiving: Receiving<'static> = Box::pin(async move {
            for number in 0..50_i64 {
                store.store(number.to_string().as_bytes()).await?;
            }
            done.send(()).await.unwrap();
            stop.cancelled().await;
            Ok(())
        });
        receiving
    });
    let spec = ReceiverSpec {
        name: "numbers".parse().unwrap(),
        schema: Schema::plain(Kind::Int64),
        block_interval: Duration::from_millis(200),
        connect_attempts: None,
        storage: BlockStorage::default(),
        limit: Some(RateLimit::new(Some(10), None)),
        log: None,
        account: std::sync::Arc::default(),
    };
    let began = tokio::time::Instant::now();
    let mut running = RunningReceiver::start(&Handle::current(), spec, Box::new(receiver)).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    running.set_rate(100.0);
    is_done.recv().await.unwrap();
    let took = began.elapsed();
    // Two seconds with ten records each, and the rest ten times as fast.
    let expected = Duration::from_millis(2_200)..Duration::from_millis(2_500);
    assert!(expected.contains(&took), "{took:?}");
    running.stop().await;
    let blocks = running.claim();
    let records: u64 = blocks.iter().map(|block| block.records).sum();
    assert_eq!(records, 50);
}
