use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::{Int64Array, RecordBatch, cast::AsArray, types::Int64Type};

use super::*;
use crate::model::{Kind, Schema};

/// Reads 0, 1, 2 and so on, and then ends as it is told to.
struct Counting {
    asked: Arc<AtomicUsize>,
    count: usize,
    end: fn() -> Result<(), SourceError>,
}

fn name() -> NodeName {
    "numbers".parse().unwrap()
}

fn gone() -> Result<(), SourceError> {
    let problem = SourceProblem::NotThere("block 7".to_owned());
    Err(SourceError::new(&name(), problem))
}

impl PartitionReader for Counting {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        let at = self.asked.fetch_add(1, Ordering::Relaxed);
        if at >= self.count {
            return (self.end)().map(|()| None);
        }
        let numbers = Int64Array::from(vec![i64::try_from(at).unwrap()]);
        let schema = Schema::plain(Kind::Int64).to_arrow();
        Ok(Some(SourceChunk {
            rows: RecordBatch::try_new(schema, vec![Arc::new(numbers)]).unwrap(),
            rejected: None,
            replaced: at,
            bytes: 8,
        }))
    }
}

/// And how often it was asked for a chunk.
fn kept(count: usize, end: fn() -> Result<(), SourceError>) -> (Kept, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let reader = Counting {
        asked: asked.clone(),
        count,
        end,
    };
    (Kept::new(&name(), Box::new(reader)), asked)
}

/// The next number; none at the end.
fn next(reader: &mut dyn PartitionReader) -> Result<Option<i64>, String> {
    let chunk = reader.next_chunk().map_err(|error| error.to_string())?;
    Ok(chunk.map(|chunk| {
        let numbers = chunk.rows.column(0).as_primitive::<Int64Type>();
        assert_eq!(usize::try_from(numbers.value(0)).unwrap(), chunk.replaced);
        numbers.value(0)
    }))
}

fn all(reader: &mut dyn PartitionReader) -> (Vec<i64>, Result<(), String>) {
    let mut numbers = Vec::new();
    loop {
        match next(reader) {
            Ok(Some(number)) => numbers.push(number),
            Ok(None) => return (numbers, Ok(())),
            Err(error) => return (numbers, Err(error)),
        }
    }
}

#[test]
fn a_reader_that_is_dropped_halfway_leaves_everything_to_the_next() {
    let (kept, asked) = kept(4, || Ok(()));
    let mut first = kept.reader();
    assert_eq!(next(&mut *first), Ok(Some(0)));
    assert_eq!(next(&mut *first), Ok(Some(1)));
    drop(first);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let expected = (vec![0, 1, 2, 3], Ok(()));
    assert_eq!(all(&mut *kept.reader()), expected);
    // Each chunk, and the end, is read once, however often one asks.
    assert_eq!(all(&mut *kept.reader()), expected);
    let mut reader = kept.reader();
    assert_eq!(all(&mut *reader), expected);
    assert_eq!(next(&mut *reader), Ok(None));
    assert_eq!(asked.load(Ordering::Relaxed), 5);
}

#[test]
fn what_cannot_be_read_fails_at_the_same_place_for_everyone() {
    let (kept, asked) = kept(2, gone);
    let (numbers, failed) = all(&mut *kept.reader());
    assert_eq!(numbers, [0, 1]);
    assert!(failed.clone().unwrap_err().contains("block 7"));
    assert_eq!(all(&mut *kept.reader()), (numbers, failed));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[test]
fn what_a_reader_panicked_at_is_no_whole_partition() {
    let (kept, _) = kept(1, || panic!("a bug"));
    let mut first = kept.reader();
    assert_eq!(next(&mut *first), Ok(Some(0)));
    let asked = std::panic::AssertUnwindSafe(|| next(&mut *first));
    assert!(std::panic::catch_unwind(asked).is_err());
    let (numbers, failed) = all(&mut *kept.reader());
    assert_eq!(numbers, [0]);
    let failed = failed.unwrap_err();
    assert!(
        failed.contains("numbers: internal error: its reader panicked"),
        "{failed}"
    );
}

#[test]
fn readers_at_once_have_the_same_rows() {
    let (kept, asked) = kept(1_000, || Ok(()));
    let read = || all(&mut *kept.reader());
    let (one, two) = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(read), scope.spawn(read));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!(one.0, (0..1_000).collect::<Vec<_>>());
    assert_eq!(one, two);
    assert_eq!(asked.load(Ordering::Relaxed), 1_001);
    // Nobody has to follow the other.
    let (mut slow, mut fast) = (kept.reader(), kept.reader());
    assert_eq!(next(&mut *slow), Ok(Some(0)));
    assert_eq!(all(&mut *fast), one);
    assert_eq!(next(&mut *slow), Ok(Some(1)));
}

#[test]
fn a_claim_is_made_any_number_of_times() {
    let readers = [2, 0, 1].map(|count| {
        let asked = Arc::default();
        let end = || Ok(());
        Box::new(Counting { asked, count, end }) as Box<dyn PartitionReader>
    });
    let claim = KeptClaim::new(&name(), Claim::Batch(readers.into()));
    for claim in [claim.clone(), claim] {
        let Claim::Batch(mut readers) = claim.claim() else {
            panic!("there is no batch");
        };
        let numbers = readers.iter_mut().map(|reader| all(&mut **reader).0);
        assert_eq!(numbers.collect::<Vec<_>>(), [vec![0, 1], vec![], vec![0]]);
    }
    let none = KeptClaim::new(&name(), Claim::NoBatch);
    assert!(matches!(none.claim(), Claim::NoBatch));
}
