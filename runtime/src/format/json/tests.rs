use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Field, Kind, Schema};

fn schema(fields: &[(&str, &str)]) -> Schema {
    let fields = fields
        .iter()
        .map(|(name, kind)| Field::parse(*name, kind).unwrap());
    Schema::new(fields.collect()).unwrap()
}

#[test]
fn errors_name_the_row_and_the_place() {
    let pair = &[("key", "utf8"), ("value", "int64")][..];
    let record = &[("user.name", "utf8"), ("tags", "[utf8]")][..];
    let long = "x".repeat(100);
    let cases = [
        (
            pair,
            json!(["a", "x"]),
            r#"row 2: [1]: expected int64, got "x""#,
        ),
        (
            pair,
            json!(["a", 1.5]),
            "row 2: [1]: expected int64, got 1.5",
        ),
        (
            pair,
            json!(["a", null]),
            "row 2: [1]: expected int64, got null",
        ),
        (
            pair,
            json!(["a"]),
            "row 2: expected a list of 2, got a list of 1",
        ),
        (pair, json!("a"), r#"row 2: expected a list of 2, got "a""#),
        (
            pair,
            serde_json::from_str(r#"["a", 9223372036854775808]"#).unwrap(),
            "row 2: [1]: expected int64, got 9223372036854775808",
        ),
        (
            record,
            json!({"user": {}, "tags": []}),
            "row 2: .user.name: missing",
        ),
        (
            record,
            json!({"user": {"name": "a"}, "tags": ["b", 1]}),
            "row 2: .tags[1]: expected utf8, got 1",
        ),
        (
            record,
            json!({"user": {"name": "a", "nme": 1}, "tags": []}),
            r#"row 2: .user: no column "nme""#,
        ),
    ];
    for (fields, row, expected) in cases {
        let good = if fields == pair {
            json!(["a", 1])
        } else {
            json!({"user": {"name": "a"}, "tags": []})
        };
        let error = rows_from_json(&schema(fields), &[good, row]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = rows_from_json(&Schema::plain(Kind::Int64), &[json!(long)]).unwrap_err();
    assert!(error.to_string().len() < 120, "{error}");
}

#[test]
fn binary_that_is_not_hexadecimal_of_whole_bytes_is_an_error() {
    for bad in ["0", "0g", "00ä", "000"] {
        let error = rows_from_json(&Schema::plain(Kind::Binary), &[json!(bad)]).unwrap_err();
        let expected = format!("row 1: expected binary (hexadecimal text), got {bad:?}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_deep_value_is_an_error_and_no_overflow() {
    let mut deep = json!([]);
    for _ in 0..10_000 {
        deep = Value::Array(vec![deep]);
    }
    let rows = vec![deep];
    assert!(rows_from_json(&Schema::plain(Kind::Int64), &rows).is_err());
    // Dropping a value is recursive in serde_json; ten thousand levels are within a test's stack.
}

#[test]
fn a_line_reads_alike_on_the_fast_and_on_the_slow_path() {
    let fields = &[
        ("user", "utf8"),
        ("amount", "float64?"),
        ("at", "timestamp"),
    ];
    // line, row, or why not
    let cases = [
        (
            r#"{"user":"ann","amount":1.5,"at":5}"#,
            Ok(r#"{"user":"ann","amount":1.5,"at":5}"#),
        ),
        (
            r#" {"at":5,"user":"\u00e4","more":[{}]} "#,
            Ok(r#"{"user":"ä","amount":null,"at":5}"#),
        ),
        (
            r#"{"user":"a","user":"b","amount":"NaN","at":"1970-01-01T00:00:01Z"}"#,
            Ok(r#"{"user":"b","amount":"NaN","at":1000}"#),
        ),
        (
            r#"{"user":"a","amount":0.1,"at":-9223372036854775808}"#,
            Ok(r#"{"user":"a","amount":0.1,"at":-9223372036854775808}"#),
        ),
        (
            r#"{"user":"a","amount":"x","at":5}"#,
            Err(r#".amount: expected float64, got "x""#),
        ),
        (
            r#"{"user":"a","amount":1e999,"at":5}"#,
            Err(".amount: expected float64, got 1e+999"),
        ),
        (r#"{"user":"a"}"#, Err(".at: missing")),
        (
            r#"{"user":"a","at":5"#,
            Err("not JSON: EOF while parsing an object at column 18"),
        ),
        (
            r#"{"user":"a","at":5} {}"#,
            Err("not JSON: trailing characters at column 21"),
        ),
        ("[1]", Err("expected an object, got a list of 1")),
    ];
    let schema = schema(fields);
    let fast = LineParser::new(&schema);
    let mut slow = LineParser::new(&schema);
    slow.flat = None;
    assert!(fast.flat.is_some());
    for (line, expected) in cases {
        for parser in [&fast, &slow] {
            let mut columns = crate::format::columns::Columns::new(&schema, 1);
            let read = parser.read(line.as_bytes(), &mut columns);
            let chunk = columns.finish().unwrap();
            let rows = rows_to_json(&chunk, &schema).unwrap();
            let got = read.map(|()| rows[0].to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), expected, "{line}");
            assert_eq!(rows.len(), usize::from(expected.is_ok()), "{line}");
        }
    }
}

fn any_row() -> impl Strategy<Value = Value> {
    let float = prop_oneof![
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(|f| json!(f)),
        Just(json!("NaN")),
        Just(json!("Infinity")),
    ];
    let items = prop::collection::vec((any::<String>(), any::<i64>()), 0..4);
    (
        any::<Option<i64>>(),
        float,
        items,
        any::<bool>(),
        any::<i64>(),
    )
        .prop_map(|(int, float, items, present, time)| {
            let items: Vec<_> = items.iter().map(|(s, i)| json!({"s": s, "i": i})).collect();
            let right = if present {
                json!([time, int])
            } else {
                Value::Null
            };
            json!([[int, float], [items, right]])
        })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_it_was(rows in prop::collection::vec(any_row(), 0..8)) {
        let schema = schema(&[
            ("key.0", "int64?"),
            ("key.1", "float64"),
            ("left.s", "[utf8]"),
            ("left.i", "[int64]"),
            ("right.value.0", "timestamp?"),
            ("right.value.1", "int64?"),
            ("right.present", "boolean"),
        ]);
        let chunk = rows_from_json(&schema, &rows).unwrap();
        prop_assert_eq!(&rows_to_json(&chunk, &schema).unwrap(), &rows);

        let mut text = Vec::new();
        RowJson::new(&schema).write(&chunk, 0..rows.len(), &mut text).unwrap();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let read: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        prop_assert_eq!(rows_from_json(&schema, &read).unwrap(), chunk);
    }
}

#[test]
fn a_line_may_hold_a_row_as_it_is_written() {
    let read = |fields: &[(&str, &str)], line: &str| {
        let schema = schema(fields);
        let mut columns = crate::format::columns::Columns::new(&schema, 1);
        LineParser::new(&schema).read(line.as_bytes(), &mut columns)?;
        let chunk = columns.finish().map_err(|error| error.to_string())?;
        rows_to_json(&chunk, &schema)
            .map(|rows| json!(rows).to_string())
            .map_err(|error| error.to_string())
    };
    let pair = &[("key", "utf8"), ("value", "int64")][..];
    assert_eq!(read(pair, r#"["a", 1]"#), Ok(r#"[["a",1]]"#.to_owned()));
    assert_eq!(
        read(pair, r#"{"value": 1, "key": "a"}"#),
        Ok(r#"[["a",1]]"#.to_owned())
    );
    assert_eq!(read(&[("value", "int64")], "7"), Ok("[7]".to_owned()));
    assert_eq!(
        read(pair, "[1]"),
        Err("expected a list of 2, got a list of 1".to_owned())
    );
    let record = &[("user", "utf8"), ("n", "int64")][..];
    assert_eq!(
        read(record, r#"["ann", 1]"#),
        Err("expected an object, got a list of 2".to_owned())
    );
}
