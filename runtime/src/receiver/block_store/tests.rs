use std::{num::NonZeroUsize, time::Duration};

use super::*;
use crate::{
    model::Kind,
    receiver::{LoggedBlock, tests::numbers},
};

const LEVELS: [PersistLevel; 3] = [
    PersistLevel::Memory,
    PersistLevel::MemoryAndDisk,
    PersistLevel::Disk,
];
const KIB: usize = 1 << 10;

fn storage(persist: PersistLevel, memory: usize, disk: usize) -> BlockStorage {
    BlockStorage {
        persist,
        memory: NonZeroUsize::new(memory).unwrap(),
        disk: NonZeroUsize::new(disk).unwrap(),
        ..BlockStorage::default()
    }
}

fn store(storage: &BlockStorage, log: Option<ReceiverLog>) -> BlockStore {
    let stop = CancellationToken::new();
    BlockStore::new(
        &Schema::plain(Kind::Int64),
        storage,
        log,
        (Arc::default(), stop),
    )
    .unwrap()
}

/// A block of a bit less than a KiB.
fn rows(number: i64) -> BlockRows {
    BlockRows::Rows(numbers(&[number; 90]))
}

/// Keeps it if that needs no waiting.
async fn keep_at_once(store: &BlockStore, number: i64) -> bool {
    let kept = store.keep(rows(number), None);
    let kept = tokio::time::timeout(Duration::from_secs(1), kept).await;
    kept.is_ok_and(|kept| kept.is_ok())
}

/// Keeps blocks of these numbers on, until one would have to wait; answers how many there are then.
async fn fill(store: &BlockStore) -> i64 {
    let mut number = 0;
    while number < 100 && keep_at_once(store, number).await {
        number += 1;
    }
    number
}

fn check(blocks: &[Arc<Block>], expected: std::ops::Range<i64>) {
    let found: Vec<_> = blocks.iter().map(|block| block.read().unwrap()).collect();
    let expected: Vec<_> = expected.map(rows).collect();
    assert_eq!(found, expected);
    assert!(blocks.iter().all(|block| block.records == 90));
}

/// Keeps what is appended, in memory; the test's journal.
#[derive(Debug, Default)]
struct MemoryLog(Mutex<Vec<u64>>);

#[derive(Debug)]
struct LoggedRows(BlockRows);

impl StoredRows for LoggedRows {
    fn read(&self) -> Result<BlockRows, String> {
        Ok(self.0.clone())
    }
}

impl BlockLog for MemoryLog {
    fn append(
        &self,
        id: u64,
        rows: &BlockRows,
        _: Option<&Position>,
    ) -> Result<Box<dyn StoredRows>, String> {
        self.0.lock().unwrap().push(id);
        Ok(Box::new(LoggedRows(rows.clone())))
    }

    fn sync(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A log that has blocks 0 to 9, each with its number.
fn log() -> (Arc<MemoryLog>, ReceiverLog) {
    let log = Arc::new(MemoryLog::default());
    let blocks = (0..10_u8).map(|id| LoggedBlock {
        id: id.into(),
        records: 90,
        bytes: KIB,
        rows: Box::new(LoggedRows(rows(id.into()))),
    });
    let logged = ReceiverLog {
        log: log.clone(),
        blocks: blocks.collect(),
        next_id: 10,
        position: None,
    };
    (log, logged)
}

#[tokio::test(start_paused = true)]
async fn blocks_are_claimed_once_and_in_order_wherever_they_lie() {
    for logged in [false, true] {
        for persist in LEVELS {
            let (log, mut before) = log();
            before.blocks.clear();
            before.next_id = 0;
            let store = store(
                &storage(persist, 3 * KIB, 100 * KIB),
                logged.then_some(before),
            );
            let most = if persist == PersistLevel::Memory {
                3
            } else {
                9
            };
            for number in 0..most {
                assert!(keep_at_once(&store, number).await, "{persist:?} {number}");
            }
            let blocks = store.claim();
            assert!(store.claim().is_empty() && store.is_empty());
            let in_memory = blocks.iter().filter(|block| block.is_in_memory()).count();
            let expected = if persist == PersistLevel::Disk { 0 } else { 3 };
            assert_eq!(in_memory, expected, "{persist:?}");
            check(&blocks, 0..most);
            // What is logged lies there and nowhere else.
            let written = log.0.lock().unwrap().len();
            assert_eq!(written, if logged { blocks.len() } else { 0 });
            assert_eq!(store.spill.has_written(), !logged && most == 9);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_brings_more_than_there_is_room_for_waits_until_a_batch_has_read() {
    for (persist, expected) in LEVELS.into_iter().zip([4, 10, 6]) {
        let store = store(&storage(persist, 4 * KIB, 6 * KIB), None);
        assert_eq!(fill(&store).await, expected, "{persist:?}");
        let full = (4 * KIB, 6 * KIB);
        let taken = match persist {
            PersistLevel::Memory => (full.0, 0),
            PersistLevel::MemoryAndDisk => full,
            PersistLevel::Disk => (0, full.1),
        };
        assert_eq!(store.taken(), taken);

        let mut blocks = store.claim();
        check(&blocks, 0..expected);
        assert!(!keep_at_once(&store, expected).await, "they are being read");
        // Whoever waits goes on with the room of the first that was read.
        let waiting = store.keep(rows(expected), None);
        let reading = async { drop(blocks.pop()) };
        let (kept, ()) = tokio::join!(waiting, reading);
        kept.unwrap();
        drop(blocks);
        check(&store.claim(), expected..expected + 1);
        assert_eq!(store.taken(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_end_everything_is_kept_and_memory_does_not_grow_if_there_is_a_disk() {
    for persist in LEVELS {
        let store = store(&storage(persist, 2 * KIB, 2 * KIB), None);
        store.lift_limit();
        assert_eq!(fill(&store).await, 100);
        let blocks = store.claim();
        check(&blocks, 0..100);
        let in_memory = blocks.iter().filter(|block| block.is_in_memory()).count();
        let expected = if persist == PersistLevel::Memory {
            100
        } else {
            0
        };
        assert_eq!(in_memory, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_spilled_block_that_is_damaged_is_told_and_the_others_are_read() {
    let store = store(&storage(PersistLevel::Disk, KIB, 9 * KIB), None);
    for number in 0..3 {
        assert!(keep_at_once(&store, number).await);
    }
    store.spill.damage(0);
    let blocks = store.claim();
    check(&blocks[1..], 1..3);
    let error = blocks[0].read().unwrap_err().to_string();
    let begin = "block 0 cannot be read back: cannot read spill file 1 in ";
    assert!(error.starts_with(begin), "{error}");
    assert!(error.contains(", bytes 0 to "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_earlier_runs_logged_stays_there_and_takes_up_room_on_disk() {
    for persist in LEVELS {
        let (_, logged) = log();
        let store = store(&storage(persist, 4 * KIB, 12 * KIB), Some(logged));
        assert_eq!(store.taken(), (0, 10 * KIB));
        let expected = match persist {
            PersistLevel::Memory => 4,
            PersistLevel::MemoryAndDisk => 6,
            PersistLevel::Disk => 2,
        };
        assert_eq!(fill(&store).await, expected, "{persist:?}");
        let again = store.claim_again(&[2, 3]).unwrap();
        check(&again, 2..4);
        assert_eq!(store.claim_again(&[4, 2]).unwrap_err(), 2);
        // Number 10 is of this run: no earlier one can have claimed it.
        assert_eq!(store.claim_again(&[10]).unwrap_err(), 10);
        let rest = store.claim();
        let ids: Vec<_> = rest.iter().map(|block| block.id).collect();
        let new = 10..10 + u64::try_from(expected).unwrap();
        assert_eq!(
            ids,
            [0, 1]
                .into_iter()
                .chain(4..10)
                .chain(new)
                .collect::<Vec<_>>()
        );
        assert!(!rest[0].is_in_memory());
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_not_logged_any_more_still_has_what_was() {
    let (log, logged) = log();
    let storage = BlockStorage {
        log: false,
        ..storage(PersistLevel::MemoryAndDisk, 4 * KIB, 20 * KIB)
    };
    let store = store(&storage, Some(logged));
    assert!(keep_at_once(&store, 10).await);
    assert!(log.0.lock().unwrap().is_empty());
    // An earlier run had claimed blocks 10 and 11, which nobody logged.
    let again = store.claim_again(&[9, 10, 11]).unwrap();
    check(&again, 9..10);
    let ids: Vec<_> = store.claim().iter().map(|block| block.id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]);
}
