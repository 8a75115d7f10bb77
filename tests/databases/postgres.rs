//! What comes out of what goes in.

use rsrt::{model::BatchTime, sink::Sink};
use serde_json::{Value, json};

use super::{AT, batch, counts, refused, server::Database, sink, spec};
use crate::cli::Folder;

const ALL: [(&str, &str); 6] = [
    ("b", "boolean?"),
    ("i", "int64?"),
    ("f", "float64?"),
    ("t", "utf8?"),
    ("y", "binary?"),
    ("at", "timestamp?"),
];

fn row(cells: [Value; 6]) -> Value {
    let names = ALL.iter().map(|(name, _)| (*name).to_owned());
    Value::Object(names.zip(cells).collect())
}

#[test]
fn every_type_and_null_comes_out_as_it_went_in() {
    let Some(database) = Database::new() else {
        return;
    };
    let rows = json!([
        row([
            json!(true),
            json!(i64::MIN),
            json!(0.1),
            json!("ä\t\n\r\\N\\."),
            json!("00ff"),
            json!(1_767_225_600_123_i64),
        ]),
        row([
            json!(false),
            json!(i64::MAX),
            json!("-Infinity"),
            json!(""),
            json!(""),
            json!(-1),
        ]),
        row([(); 6].map(|()| Value::Null)),
        row([
            Value::Null,
            Value::Null,
            json!("NaN"),
            json!("\\"),
            Value::Null,
            json!(253_402_300_800_000_i64),
        ]),
        row([
            Value::Null,
            Value::Null,
            json!(-1e300),
            json!("NULL"),
            Value::Null,
            json!(-62_135_596_800_001_i64),
        ]),
    ]);
    let batch = batch(&ALL, &[rows]);
    sink(&database.url(), spec(&batch, "all"))
        .write(AT, &batch)
        .unwrap();
    let read = database.query("SET timezone = 'UTC'; SELECT * FROM \"all\"");
    let none = "NULL";
    let expected = [
        [
            "t",
            "-9223372036854775808",
            "0.1",
            "ä\t\n\r\\N\\.",
            "\\x00ff",
            "2026-01-01 00:00:00.123+00",
        ],
        [
            "f",
            "9223372036854775807",
            "-Infinity",
            "",
            "\\x",
            "1969-12-31 23:59:59.999+00",
        ],
        [none; 6],
        [none, none, "NaN", "\\", none, "10000-01-01 00:00:00+00"],
        [
            none,
            none,
            "-1e+300",
            "NULL",
            none,
            "0001-12-31 23:59:59.999+00 BC",
        ],
    ];
    assert_eq!(read, expected);
    let types = database.query(
        "SELECT data_type FROM information_schema.columns WHERE table_name = 'all' \
         ORDER BY ordinal_position",
    );
    let expected = [
        "boolean",
        "bigint",
        "double precision",
        "text",
        "bytea",
        "timestamp with time zone",
    ];
    assert_eq!(types.concat(), expected);
}

#[test]
fn a_repeated_batch_counts_once_with_a_uid_and_twice_without() {
    let Some(database) = Database::new() else {
        return;
    };
    let batch = counts(&[json!([["a", 1]]), json!([["b", 2], ["c", 3]])]);
    for _ in 0..3 {
        let mut sink = sink(&database.url(), spec(&batch, "words")).with_uid(Some("u-1"));
        sink.write(AT, &batch).unwrap();
        sink.write(AT, &batch).unwrap();
    }
    assert_eq!(database.count("words"), 3);
    assert_eq!(
        database.query("SELECT uid, sink, batch_ms, partitions, rows FROM rsrt_batches"),
        [["u-1", "out", "2000", "2", "3"]]
    );
    let mut again = sink(&database.url(), spec(&batch, "others"));
    again.write(AT, &batch).unwrap();
    again.write(AT, &batch).unwrap();
    assert_eq!(database.count("others"), 6);
    assert_eq!(database.count("rsrt_batches"), 1);
}

#[test]
fn identities_before_a_time_go_with_the_next_batch() {
    let Some(database) = Database::new() else {
        return;
    };
    let batch = counts(&[]);
    let mut other = sink(&database.url(), spec(&batch, "words")).with_uid(Some("other"));
    other.write(BatchTime::from_millis(1), &batch).unwrap();
    let mut sink = sink(&database.url(), spec(&batch, "words")).with_uid(Some("u"));
    for time in 1..=4 {
        sink.write(BatchTime::from_millis(time), &batch).unwrap();
    }
    sink.forget_before(BatchTime::from_millis(3));
    sink.write(BatchTime::from_millis(5), &batch).unwrap();
    assert_eq!(
        database.query("SELECT uid, batch_ms FROM rsrt_batches ORDER BY uid, batch_ms"),
        [["other", "1"], ["u", "3"], ["u", "4"], ["u", "5"]]
    );
}

#[test]
fn evil_names_are_names() {
    let Some(database) = Database::new() else {
        return;
    };
    database.query("CREATE TABLE victim (a int); CREATE SCHEMA \"a\"\"b;\"");
    let evil = "x\"); DROP TABLE victim; --";
    let columns = [
        (evil, "int64"),
        ("select", "int64"),
        ("key.0", "int64"),
        ("a'$1", "int64"),
        ("Ö b", "int64"),
    ];
    let row = json!({ evil: 1, "select": 2, "key": [3], "a'$1": 4, "Ö b": 5 });
    let batch = batch(&columns, &[json!([row])]);
    let tables = [
        (
            "t\"; DROP TABLE victim; --",
            "\"t\"\"; DROP TABLE victim; --\"",
        ),
        ("order", "\"order\""),
        ("a\"b;.Order", "\"a\"\"b;\".\"Order\""),
        ("o'k $1", "\"o'k $1\""),
    ];
    for (time, (table, quoted)) in (0..).zip(tables) {
        let mut sink = sink(&database.url(), spec(&batch, table)).with_uid(Some("u'\";"));
        for _ in 0..2 {
            sink.write(BatchTime::from_millis(time), &batch).unwrap();
        }
        let rows = database.query(&format!("SELECT * FROM {quoted}"));
        assert_eq!(rows, [["1", "2", "3", "4", "5"]]);
    }
    assert_eq!(database.count("victim"), 0);
    assert_eq!(database.count("\"a\"\"b;\".rsrt_batches"), 1);
}

#[test]
fn a_batch_that_fails_leaves_nothing_and_can_be_written_later() {
    let Some(database) = Database::new() else {
        return;
    };
    database.query("CREATE TABLE words (key text, value bigint CHECK (value < 100000))");
    // More than the server has read when it meets the row.
    let rows: Vec<_> = (0..100_000)
        .map(|n| json!(["a word of some length", n]))
        .collect();
    let batch = counts(&[json!([["a", 100_000]]), json!(rows)]);
    let mut sink = sink(&database.url(), spec(&batch, "words")).with_uid(Some("u"));
    for _ in 0..2 {
        let error = refused(&mut sink, &batch);
        let (head, tail) = error.split_once(": new row ").unwrap();
        assert!(
            head.starts_with(
                "sink out, batch 2000 ms: cannot insert into table words of postgres://postgres@/"
            ),
            "{error}"
        );
        assert_eq!(
            tail,
            "for relation \"words\" violates check constraint \"words_value_check\": Failing row \
             contains (a, 100000).: COPY words, line 1: \"a 100000\"; a row breaks a type or rule \
             of the table: change the table, or keep such rows out with a `filter`"
        );
        assert_eq!(database.count("words"), 0);
        assert_eq!(database.count("rsrt_batches"), 0);
    }
    database.query("ALTER TABLE words DROP CONSTRAINT words_value_check");
    sink.write(AT, &batch).unwrap();
    sink.write(AT, &batch).unwrap();
    assert_eq!(database.count("words"), 100_001);
}

#[test]
fn what_only_a_commit_finds_out_leaves_nothing_either() {
    let Some(database) = Database::new() else {
        return;
    };
    database
        .query("CREATE TABLE words (key text UNIQUE DEFERRABLE INITIALLY DEFERRED, value bigint)");
    let batch = counts(&[json!([["a", 1], ["a", 2]])]);
    let mut sink = sink(&database.url(), spec(&batch, "words")).with_uid(Some("u"));
    let error = refused(&mut sink, &batch);
    assert!(
        error.contains("cannot commit to table words of "),
        "{error}"
    );
    assert_eq!(database.count("rsrt_batches"), 0);
}

#[test]
fn values_that_no_column_can_hold_are_named() {
    let Some(database) = Database::new() else {
        return;
    };
    let zero = counts(&[json!([["a\u{0}b", 1]])]);
    let error = refused(&mut sink(&database.url(), spec(&zero, "words")), &zero);
    assert!(
        error.ends_with("a text of PostgreSQL has no zero bytes: take them out with a `map`"),
        "{error}"
    );
    let late = batch(&[("value", "timestamp")], &[json!([i64::MAX])]);
    let error = refused(&mut sink(&database.url(), spec(&late, "times")), &late);
    assert!(error.contains("column value: "), "{error}");
    assert!(
        error.contains("a row breaks a type or rule of the table"),
        "{error}"
    );
    let list = batch(&[("value", "[int64]")], &[json!([[1, 2]])]);
    let error = refused(&mut sink(&database.url(), spec(&list, "lists")), &list);
    assert!(
        error.ends_with("is a list ([int64]); make text or rows of it"),
        "{error}"
    );
}

#[test]
fn a_table_of_ones_own_may_have_other_types_and_more_columns() {
    let Some(database) = Database::new() else {
        return;
    };
    let batch = batch(
        &ALL,
        &[json!([row([
            json!(true),
            json!(7),
            json!(1.5),
            json!("{\"a\": [1]}"),
            json!("ff"),
            json!(0),
        ])])],
    );
    let not_made = spec(&batch, "mine").with_create(false);
    let mut sink = sink(&database.url(), not_made);
    let error = refused(&mut sink, &batch);
    assert!(
        error.contains("relation \"mine\" does not exist"),
        "{error}"
    );
    database.query(
        "CREATE TABLE mine (id serial, at timestamptz, t jsonb, f numeric, i smallint, b boolean, \
         y bytea, note text DEFAULT 'x')",
    );
    sink.write(AT, &batch).unwrap();
    assert_eq!(
        database.query(
            "SELECT id, extract(epoch FROM at)::int, t -> 'a' -> 0, f, i, b, y, note FROM mine"
        ),
        [["1", "0", "1", "1.5", "7", "t", "\\xff", "x"]]
    );
}

#[test]
fn a_topology_writes_its_batches() {
    let Some(database) = Database::new() else {
        return;
    };
    let topology = format!(
        r#"
name = "clicks"
batch-interval = "1s"
[source.clicks]
type = "queue"
schema = {{ user = "utf8", "spent.cents" = "int64?" }}
path = "clicks.json"
[sink.out]
input = "clicks"
type = "postgres"
url = "{}"
table = "click log"
"#,
        database.url()
    );
    let clicks = r#"[
        [{"user": "ann", "spent": {"cents": 5}}, {"user": "bob", "spent": {"cents": null}}],
        [],
        [{"user": "ann", "spent": {"cents": 7}}]
    ]"#;
    let folder = Folder::new(&[("topo.toml", &topology), ("clicks.json", clicks)]);
    folder.rsrt(&["run", "-t", "topo.toml"]).says(0, &[]);
    assert_eq!(
        database.query("SELECT \"user\", \"spent.cents\" FROM \"click log\""),
        [["ann", "5"], ["bob", "NULL"], ["ann", "7"]]
    );
    let ended = folder.rsrt(&["check", "topo.toml"]);
    let words = "table click log of postgres://postgres@/";
    assert!(ended.stdout.contains(words), "{}", ended.stdout);
}
