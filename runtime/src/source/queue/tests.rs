use serde_json::json;

use super::*;
use crate::{
    format::rows_to_json,
    model::{CHUNK_ROWS, Kind},
};

fn source(order: QueueOrder, partitions: usize, batches: &Value) -> QueueSource {
    QueueSource::new(
        &"numbers".parse().unwrap(),
        &Schema::plain(Kind::Int64),
        order,
        NonZeroUsize::new(partitions).unwrap(),
        serde_json::from_value(batches.clone()).unwrap(),
    )
}

/// Rows by partition, or null where there is no batch.
fn claim(source: &mut QueueSource) -> Value {
    match source.claim(BatchTime::from_millis(0)).unwrap() {
        Claim::NoBatch => Value::Null,
        Claim::Batch(readers) => {
            let partitions = readers.into_iter().map(|mut reader| {
                let mut rows = Vec::new();
                while let Some(chunk) = reader.next_chunk().unwrap() {
                    assert!(chunk.rows.num_rows() <= CHUNK_ROWS);
                    rows.extend(rows_to_json(&chunk.rows, &source.schema).unwrap());
                }
                Value::Array(rows)
            });
            Value::Array(partitions.collect())
        }
    }
}

#[test]
fn one_batch_a_time_then_empty_ones() {
    let mut source = source(QueueOrder::OneAtATime, 1, &json!([[1, 2], null, []]));
    let claims: Vec<_> = (0..4).map(|_| claim(&mut source)).collect();
    assert_eq!(json!(claims), json!([[[1, 2]], null, [[]], [[]]]));
    assert!(source.is_exhausted());
}

#[test]
fn all_that_wait_are_joined_in_order() {
    let mut all = source(QueueOrder::All, 1, &json!([null, [1], null, [2, 3]]));
    assert_eq!(claim(&mut all), json!([[1, 2, 3]]));
    assert!(all.is_exhausted());
    assert_eq!(
        claim(&mut source(QueueOrder::All, 1, &json!([null]))),
        json!(null)
    );
}

#[test]
fn partition_i_of_p_gets_rows_from_i_n_over_p() {
    let cases = [
        (1, json!([[0, 1, 2, 3, 4]])),
        (2, json!([[0, 1], [2, 3, 4]])),
        (3, json!([[0], [1, 2], [3, 4]])),
        // floor(i * 5 / 7): 0 0 1 2 2 3 4 5
        (7, json!([[], [0], [1], [], [2], [3], [4]])),
    ];
    for (partitions, expected) in cases {
        let mut source = source(
            QueueOrder::OneAtATime,
            partitions,
            &json!([[0, 1, 2, 3, 4]]),
        );
        assert_eq!(claim(&mut source), expected, "{partitions}");
    }
}

#[test]
fn many_rows_come_in_chunks() {
    let rows: Vec<_> = (0..=CHUNK_ROWS).collect();
    let mut source = source(QueueOrder::OneAtATime, 1, &json!([rows]));
    assert_eq!(claim(&mut source), json!([rows]));
}

#[test]
fn a_file_that_holds_no_batches_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.json");
    let open = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let name = "numbers".parse().unwrap();
        let schema = Schema::plain(Kind::Int64);
        QueueSource::open(
            &name,
            &schema,
            QueueOrder::All,
            NonZeroUsize::MIN,
            &(&path).into(),
        )
        .map(|_| ())
        .map_err(|error| {
            error
                .to_string()
                .replace(&path.display().to_string(), "q.json")
        })
    };
    assert_eq!(open("[[1],null]"), Ok(()));
    insta::assert_snapshot!(
        [open("[[1], 2]"), open("[[1"), open("[[1],[2,\"x\"]]")]
            .map(Result::unwrap_err).join("\n"),
        @r#"
    source numbers: q.json is no list of batches: invalid type: integer `2`, expected a sequence at line 1 column 7; write one list of rows per batch, or null for no batch: [[1, 2], [], null]
    source numbers: q.json is no list of batches: EOF while parsing a list at line 1 column 3; write one list of rows per batch, or null for no batch: [[1, 2], [], null]
    source numbers: batch 2: row 2: expected int64, got "x"
    "#
    );
}

#[test]
fn the_default_batch_comes_when_nothing_waits() {
    let name = "in".parse().unwrap();
    let schema = Schema::plain(Kind::Int64);
    let batches = vec![Some(vec![1.into()])];
    let one = NonZeroUsize::MIN;
    let queue = QueueSource::new(&name, &schema, QueueOrder::OneAtATime, one, batches);
    let mut queue = queue.with_default(vec![7.into(), 8.into()]);
    let mut rows = || {
        let Claim::Batch(readers) = queue.claim(BatchTime::from_millis(0)).unwrap() else {
            panic!("there is always a batch");
        };
        let chunks = readers
            .into_iter()
            .filter_map(|mut reader| reader.next_chunk().unwrap());
        chunks.map(|chunk| chunk.rows.num_rows()).sum::<usize>()
    };
    assert_eq!([rows(), rows(), rows()], [1, 2, 2]);
}
