//! Against real files of SQLite; the other database has its tests in `tests/databases`.

use std::fs;

use rusqlite::{Connection, types::Value};
use serde_json::json;

use super::*;
use crate::{crash_points::record, format::rows_from_json, model::Kind};

mod replaced;

const AT: BatchTime = BatchTime::from_millis(2_000);

/// A batch of these columns, as `name: type`; a partition for each list of rows.
fn batch(columns: &[(&str, &str)], partitions: &[serde_json::Value]) -> Batch {
    let fields = columns
        .iter()
        .map(|(name, kind)| crate::model::Field::parse(*name, kind).unwrap());
    let schema = Schema::new(fields.collect()).unwrap();
    let chunk =
        |rows: &serde_json::Value| rows_from_json(&schema, rows.as_array().unwrap()).unwrap();
    let partitions = partitions.iter().map(|rows| vec![chunk(rows)]).collect();
    Batch { schema, partitions }
}

/// Words and how many.
fn counts(partitions: &[serde_json::Value]) -> Batch {
    batch(&[("key", "utf8?"), ("value", "int64?")], partitions)
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("out.db")
    }

    fn sink(&self, batch: &Batch, table: &str) -> TableSink {
        let spec = TableSpec::new(&batch.schema, &TableName::parse(table).unwrap());
        TableSink::sqlite(&"out".parse().unwrap(), self.path(), spec)
    }

    fn open(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// All rows that a query gives.
    fn rows(&self, query: &str) -> Vec<Vec<Value>> {
        let connection = self.open();
        let mut statement = connection.prepare(query).unwrap();
        let width = statement.column_count();
        let rows = statement
            .query_map([], |row| (0..width).map(|at| row.get(at)).collect())
            .unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn count(&self, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        self.open().query_row(&count, [], |row| row.get(0)).unwrap()
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn message(result: Result<(), SinkError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn every_type_and_null_comes_out_as_it_went_in() {
    let place = Place::new();
    let columns = [
        ("b", "boolean?"),
        ("i", "int64?"),
        ("f", "float64?"),
        ("t", "utf8?"),
        ("y", "binary?"),
        ("at", "timestamp?"),
    ];
    let rows = json!([
        [
            true,
            i64::MIN,
            1.5,
            "ä\u{0}'\"",
            "00ff",
            1_767_225_600_123_i64
        ],
        [false, i64::MAX, "-Infinity", "", "", -1],
        [null, null, null, null, null, null],
        [null, null, "NaN", null, null, null]
    ]);
    // Six columns make a record; a row is an object.
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let rows: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let cells = names.iter().zip(row.as_array().unwrap());
            json!(cells.collect::<std::collections::BTreeMap<_, _>>())
        })
        .collect();
    let batch = batch(&columns, &[json!(rows)]);
    place.sink(&batch, "all").write(AT, &batch).unwrap();
    let nothing = vec![Value::Null; 6];
    let expected = [
        vec![
            Value::Integer(1),
            Value::Integer(i64::MIN),
            Value::Real(1.5),
            text("ä\u{0}'\""),
            Value::Blob(vec![0, 255]),
            Value::Integer(1_767_225_600_123),
        ],
        vec![
            Value::Integer(0),
            Value::Integer(i64::MAX),
            Value::Real(f64::NEG_INFINITY),
            text(""),
            Value::Blob(Vec::new()),
            Value::Integer(-1),
        ],
        nothing.clone(),
        // SQLite has no NaN.
        nothing,
    ];
    assert_eq!(place.rows("SELECT * FROM \"all\""), expected);
    let types = place.rows("SELECT type FROM pragma_table_info('all')");
    let types: Vec<_> = types.into_iter().flatten().collect();
    let expected = ["boolean", "INTEGER", "REAL", "TEXT", "BLOB", "INTEGER"];
    assert_eq!(types, expected.map(text));
}

#[test]
fn rows_keep_the_order_of_partitions_and_chunks() {
    let place = Place::new();
    let mut batch = counts(&[json!([["a", 1], ["b", 2]]), json!([]), json!([["c", 3]])]);
    let last = batch.partitions[2][0].clone();
    batch.partitions[0].push(last);
    place.sink(&batch, "words").write(AT, &batch).unwrap();
    let keys = place.rows("SELECT key FROM words ORDER BY rowid");
    assert_eq!(keys.concat(), ["a", "b", "c", "c"].map(text));
}

#[test]
fn a_repeated_batch_counts_once_with_a_uid_and_twice_without() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]]), json!([["b", 2], ["c", 3]])]);
    for _ in 0..3 {
        // As a process that is started again does, and one that goes on.
        let mut sink = place.sink(&batch, "words").with_uid(Some("u-1"));
        sink.write(AT, &batch).unwrap();
        sink.write(AT, &batch).unwrap();
    }
    assert_eq!(place.count("words"), 3);
    let identity = vec![
        text("u-1"),
        text("out"),
        Value::Integer(2_000),
        Value::Integer(2),
        Value::Integer(3),
    ];
    assert_eq!(place.rows("SELECT * FROM rsrt_batches"), [identity]);

    let mut sink = place.sink(&batch, "others");
    sink.write(AT, &batch).unwrap();
    sink.write(AT, &batch).unwrap();
    assert_eq!(place.count("others"), 6);
    assert_eq!(place.count("rsrt_batches"), 1);
}

#[test]
fn an_identity_is_of_one_stream_one_sink_and_one_time() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]])]);
    let spec = || TableSpec::new(&batch.schema, &TableName::parse("words").unwrap());
    for (written, (uid, name, time)) in [
        ("u", "out", 1),
        ("v", "out", 1),
        ("u", "two", 1),
        ("u", "out", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let name = name.parse().unwrap();
        let mut sink = TableSink::sqlite(&name, place.path(), spec()).with_uid(Some(uid));
        for _ in 0..2 {
            sink.write(BatchTime::from_millis(time), &batch).unwrap();
        }
        assert_eq!(place.count("words"), i64::try_from(written).unwrap() + 1);
    }
}

#[test]
fn an_empty_batch_makes_the_table_and_is_noted() {
    let place = Place::new();
    let batch = counts(&[]);
    let mut sink = place.sink(&batch, "words").with_uid(Some("u"));
    sink.write(AT, &batch).unwrap();
    assert_eq!((place.count("words"), place.count("rsrt_batches")), (0, 1));
}

#[test]
fn evil_names_are_names() {
    let place = Place::new();
    place
        .open()
        .execute_batch("CREATE TABLE victim (a)")
        .unwrap();
    let evil = "x\"); DROP TABLE victim; --";
    let columns = [
        (evil, "int64"),
        ("select", "int64"),
        ("key.0", "int64"),
        ("a'?1", "int64"),
        ("ö b", "int64"),
    ];
    let row = json!({ evil: 1, "select": 2, "key": [3], "a'?1": 4, "ö b": 5 });
    let fields = columns.map(|(name, kind)| crate::model::Field::parse(name, kind).unwrap());
    let schema = Schema::new(fields.to_vec()).unwrap();
    let chunk = rows_from_json(&schema, &[row]).unwrap();
    let batch = Batch {
        schema,
        partitions: vec![vec![chunk]],
    };
    for (time, table) in ["t\"; DROP TABLE victim; --", "order", "main.o'k?", "ü $1"]
        .into_iter()
        .enumerate()
    {
        let mut sink = place.sink(&batch, table).with_uid(Some("u'\";"));
        let time = i64::try_from(time).unwrap();
        sink.write(BatchTime::from_millis(time), &batch).unwrap();
        let name = TableName::parse(table).unwrap();
        let query = format!("SELECT * FROM {}", sql::table(&name));
        assert_eq!(place.rows(&query), [[1, 2, 3, 4, 5].map(Value::Integer)]);
    }
    assert_eq!(place.count("victim"), 0);
}

#[test]
fn a_batch_that_fails_leaves_nothing_and_can_be_written_later() {
    let place = Place::new();
    let connection = place.open();
    connection
        .execute_batch("CREATE TABLE words (key, value CHECK (value < 9))")
        .unwrap();
    let batch = counts(&[json!([["a", 1]]), json!([["b", 10]])]);
    let mut sink = place.sink(&batch, "words").with_uid(Some("u"));
    for _ in 0..2 {
        assert_eq!(
            message(sink.write(AT, &batch)).replace(&place.path().display().to_string(), "FILE"),
            "sink out, batch 2000 ms: cannot insert into table words of FILE: CHECK constraint \
             failed: value < 9; a row breaks a rule of the table: change the rule, or keep such \
             rows out with a `filter`"
        );
        assert_eq!((place.count("words"), place.count("rsrt_batches")), (0, 0));
    }
    connection
        .execute_batch("DROP TABLE words; CREATE TABLE words (key, value)")
        .unwrap();
    sink.write(AT, &batch).unwrap();
    sink.write(AT, &batch).unwrap();
    assert_eq!((place.count("words"), place.count("rsrt_batches")), (2, 1));
}

#[test]
fn a_chunk_of_another_schema_leaves_nothing() {
    let place = Place::new();
    let mut batch = counts(&[json!([["a", 1]])]);
    let other = Schema::plain(Kind::Int64);
    let chunk = rows_from_json(&other, &[json!(1)]).unwrap();
    batch.partitions.push(vec![chunk]);
    let mut sink = place.sink(&batch, "words").with_uid(Some("u"));
    let error = message(sink.write(AT, &batch));
    assert!(error.contains("internal error: "), "{error}");
    assert_eq!((place.count("words"), place.count("rsrt_batches")), (0, 0));
}

#[test]
fn a_table_of_other_columns_is_named_with_what_it_needs() {
    let place = Place::new();
    let connection = place.open();
    connection
        .execute_batch("CREATE TABLE words (word text)")
        .unwrap();
    let batch = counts(&[json!([["a", 1]])]);
    let error = message(place.sink(&batch, "words").write(AT, &batch));
    assert!(
        error.ends_with(
            "table words has no column named key; the table must have the columns key, value: \
             correct `table`, or alter the table"
        ),
        "{error}"
    );
}

#[test]
fn a_missing_table_is_not_made_if_that_is_not_wanted() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]])]);
    let spec = TableSpec::new(&batch.schema, &TableName::parse("words").unwrap());
    let mut sink = TableSink::sqlite(
        &"out".parse().unwrap(),
        place.path(),
        spec.with_create(false),
    )
    .with_uid(Some("u"));
    let error = message(sink.write(AT, &batch));
    assert!(error.contains("no such table: words"), "{error}");
    // Other columns of the table are its own business.
    place
        .open()
        .execute_batch("CREATE TABLE words (id integer primary key, value, key, n default 7)")
        .unwrap();
    sink.write(AT, &batch).unwrap();
    let row = vec![
        Value::Integer(1),
        Value::Integer(1),
        text("a"),
        Value::Integer(7),
    ];
    assert_eq!(place.rows("SELECT * FROM words"), [row]);
}

#[test]
fn identities_before_a_time_go_with_the_next_batch() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]])]);
    let mut other = place.sink(&batch, "words").with_uid(Some("other"));
    other.write(BatchTime::from_millis(1), &batch).unwrap();
    let mut sink = place.sink(&batch, "words").with_uid(Some("u"));
    for time in 1..=4 {
        sink.write(BatchTime::from_millis(time), &batch).unwrap();
    }
    sink.forget_before(BatchTime::from_millis(3));
    sink.forget_before(BatchTime::from_millis(2));
    assert_eq!(place.count("rsrt_batches"), 5);
    sink.write(BatchTime::from_millis(5), &batch).unwrap();
    let left = place.rows("SELECT uid, batch_ms FROM rsrt_batches ORDER BY uid, batch_ms");
    let expected = [("other", 1), ("u", 3), ("u", 4), ("u", 5)];
    let expected = expected.map(|(uid, time)| vec![text(uid), Value::Integer(time)]);
    assert_eq!(left, expected);
}

#[test]
fn the_folder_is_made_and_what_is_no_database_is_named() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]])]);
    let spec = || TableSpec::new(&batch.schema, &TableName::parse("words").unwrap());
    let deep = place.0.path().join("deep/er/file:x?mode=memory");
    let mut sink = TableSink::sqlite(&"out".parse().unwrap(), &deep, spec());
    sink.write(AT, &batch).unwrap();
    assert!(deep.exists());

    fs::write(place.path(), "this is a text, and a long one at that").unwrap();
    let error = message(place.sink(&batch, "words").write(AT, &batch));
    assert!(
        error.ends_with("file is not a database; correct `path`, or restore the file"),
        "{error}"
    );
    let below = place.path().join("out.db");
    let mut sink = TableSink::sqlite(&"out".parse().unwrap(), &below, spec());
    let error = message(sink.write(AT, &batch));
    assert!(error.contains("cannot reach table words of "), "{error}");
    assert!(error.contains("(tried 3 times); correct `path`"), "{error}");
}

#[test]
fn a_list_is_refused() {
    let place = Place::new();
    let batch = batch(&[("value", "[int64]")], &[json!([[1, 2]])]);
    let error = message(place.sink(&batch, "words").write(AT, &batch));
    assert!(
        error.ends_with("the column value is a list ([int64]); make text or rows of it"),
        "{error}"
    );
}

#[test]
fn a_commit_is_on_the_disk_when_it_returns() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]])]);
    let mut database = Sqlite::new(
        place.path().into(),
        TableSpec::new(&batch.schema, &TableName::parse("words").unwrap()),
    );
    let put = database.put(&Transaction {
        batch: &batch,
        identity: None,
    });
    assert!(put.is_ok());
    assert_eq!(database.pragma("journal_mode"), text("wal"));
    assert_eq!(database.pragma("synchronous"), Value::Integer(2));
}

#[test]
fn what_another_process_wrote_is_on_the_disk_before_it_counts() {
    let (place, batch) = (Place::new(), counts(&[json!([["a", 1]])]));
    let check = |last: &[&str]| {
        let mut sink = place.sink(&batch, "counts").with_uid(Some("u"));
        let done = record::of(|| sink.write(AT, &batch).unwrap());
        let opened = ["directories", "file-names"];
        assert_eq!(done, [&opened[..], last].concat());
    };
    check(&["sqlite-begin", "sqlite-commit"]);
    // Who wrote it may have been killed before its sync.
    check(&["sqlite-begin", "sqlite-keep", "file-names"]);
}
