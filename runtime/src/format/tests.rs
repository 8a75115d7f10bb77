use serde_json::{Value, json};

use super::*;
use crate::model::{Field, Schema};

fn schema(fields: &[(&str, &str)]) -> Schema {
    let fields = fields
        .iter()
        .map(|(name, kind)| Field::parse(*name, kind).unwrap());
    Schema::new(fields.collect()).unwrap()
}

/// Reads the row from JSON, and gives it as text and as a line of JSON.
fn both(fields: &[(&str, &str)], row: &Value) -> (String, String) {
    let schema = schema(fields);
    let chunk = rows_from_json(&schema, std::slice::from_ref(row)).unwrap();
    assert_eq!(chunk.schema(), schema.to_arrow());
    assert_eq!(rows_to_json(&chunk, &schema).unwrap().len(), 1);
    let (mut text, mut json) = (Vec::new(), Vec::new());
    RowText::new(&schema)
        .write(&chunk, 0..1, &mut text)
        .unwrap();
    RowJson::new(&schema)
        .write(&chunk, 0..1, &mut json)
        .unwrap();
    let line = |bytes| {
        String::from_utf8(bytes)
            .unwrap()
            .strip_suffix('\n')
            .unwrap()
            .to_owned()
    };
    (line(text), line(json))
}

/// Columns, a row, the row as text, and as JSON where that is not the row as given.
type Case<'a> = (&'a [(&'a str, &'a str)], Value, &'a str, Option<&'a str>);

#[test]
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn rows_look_like_the_table_says() {
    let cases: &[Case] = &[
        (&[("value", "boolean")], json!(true), "true", None),
        (
            &[("value", "int64")],
            json!(i64::MIN),
            "-9223372036854775808",
            None,
        ),
        (&[("value", "float64")], json!(1.0), "1.0", None),
        (&[("value", "float64")], json!(1), "1.0", Some("1.0")),
        (
            &[("value", "float64")],
            json!(1e10),
            "1.0E10",
            Some("10000000000.0"),
        ),
        (&[("value", "float64")], json!("NaN"), "NaN", None),
        (
            &[("value", "float64")],
            json!("-Infinity"),
            "-Infinity",
            None,
        ),
        (&[("value", "utf8")], json!("a\"b"), "a\"b", None),
        (
            &[("value", "binary")],
            json!("00fF"),
            "00ff",
            Some("\"00ff\""),
        ),
        (
            &[("value", "timestamp")],
            json!(1_767_225_600_000_i64),
            "2026-01-01T00:00:00.000Z",
            Some("\"2026-01-01T00:00:00.000Z\""),
        ),
        (&[("value", "int64?")], json!(null), "null", None),
        (
            &[("key", "utf8"), ("value", "int64")],
            json!(["hello", 1]),
            "(hello,1)",
            None,
        ),
        (
            &[("key.0", "utf8"), ("key.1", "utf8"), ("value", "int64")],
            json!([["a", "b"], 1]),
            "((a,b),1)",
            None,
        ),
        (
            &[("user", "utf8"), ("amount", "float64?")],
            json!({"user": "ann", "amount": 1.5}),
            "{user: ann, amount: 1.5}",
            None,
        ),
        (
            &[
                ("user.name", "utf8"),
                ("user.age", "int64"),
                ("ok", "boolean"),
            ],
            json!({"user": {"name": "ann", "age": 7}, "ok": false}),
            "{user: {name: ann, age: 7}, ok: false}",
            None,
        ),
        (
            &[("value", "[utf8?]")],
            json!(["a", null]),
            "[a, null]",
            None,
        ),
        (&[("value", "[int64]")], json!([]), "[]", None),
        (
            &[
                ("key", "utf8"),
                ("value.user", "[utf8]"),
                ("value.amount", "[int64]"),
            ],
            json!(["k", [{"user": "ann", "amount": 1}, {"user": "bob", "amount": 2}]]),
            "(k,[{user: ann, amount: 1}, {user: bob, amount: 2}])",
            None,
        ),
        (
            &[("key", "utf8"), ("left", "[int64]"), ("right", "[int64]")],
            json!(["k", [[1, 2], []]]),
            "(k,([1, 2],[]))",
            None,
        ),
        (
            &[("key", "utf8"), ("left", "int64"), ("right", "int64")],
            json!(["k", [1, 2]]),
            "(k,(1,2))",
            None,
        ),
        (
            &[("value.0", "[utf8]"), ("value.1", "[int64]")],
            json!([["a", 1], ["b", 2]]),
            "[(a,1), (b,2)]",
            None,
        ),
        (
            &[
                ("value.0.0", "[utf8]"),
                ("value.0.1", "[utf8]"),
                ("value.1.user", "[utf8]"),
                ("value.1.amount", "[int64?]"),
            ],
            json!([[["a", "b"], {"user": "ann", "amount": null}]]),
            "[((a,b),{user: ann, amount: null})]",
            None,
        ),
        (
            &[
                ("key", "utf8"),
                ("left.0", "[utf8]"),
                ("left.1", "[int64]"),
                ("right", "[int64]"),
            ],
            json!(["k", [[["a", 1]], [2, 3]]]),
            "(k,([(a,1)],[2, 3]))",
            None,
        ),
    ];
    for (fields, row, text, json) in cases {
        let expected = json.map_or_else(|| row.to_string(), str::to_owned);
        assert_eq!(
            both(fields, row),
            ((*text).to_owned(), expected),
            "{fields:?}"
        );
    }
}

#[test]
fn a_side_that_may_be_absent_is_some_or_none() {
    let fields = &[
        ("key", "utf8"),
        ("left", "int64"),
        ("right.value", "int64?"),
        ("right.present", "boolean"),
    ];
    assert_eq!(
        both(fields, &json!(["k", [1, 2]])),
        ("(k,(1,Some(2)))".to_owned(), r#"["k",[1,2]]"#.to_owned())
    );
    assert_eq!(
        both(fields, &json!(["k", [1, null]])),
        ("(k,(1,None))".to_owned(), r#"["k",[1,null]]"#.to_owned())
    );
    let tuple = &[
        ("key", "utf8"),
        ("left.present", "boolean"),
        ("left.0", "utf8?"),
        ("left.1", "int64?"),
        ("right", "int64"),
    ];
    assert_eq!(
        both(tuple, &json!(["k", [["a", 1], 2]])),
        (
            "(k,(Some((a,1)),2))".to_owned(),
            r#"["k",[["a",1],2]]"#.to_owned()
        )
    );
    assert_eq!(
        both(tuple, &json!(["k", [null, 2]])),
        ("(k,(None,2))".to_owned(), r#"["k",[null,2]]"#.to_owned())
    );
}

#[test]
fn a_join_of_a_join_keeps_the_side_that_may_be_absent() {
    let joined = &[
        ("key", "utf8"),
        ("left.0", "int64"),
        ("left.1.present", "boolean"),
        ("left.1.value", "utf8?"),
        ("right", "int64"),
    ];
    assert_eq!(
        both(joined, &json!(["k", [[1, "a"], 2]])),
        (
            "(k,((1,Some(a)),2))".to_owned(),
            r#"["k",[[1,"a"],2]]"#.to_owned()
        )
    );
    assert_eq!(
        both(joined, &json!(["k", [[1, null], 2]])),
        (
            "(k,((1,None),2))".to_owned(),
            r#"["k",[[1,null],2]]"#.to_owned()
        )
    );
    let listed = &[
        ("key", "utf8"),
        ("value.0", "[int64]"),
        ("value.1.present", "[boolean]"),
        ("value.1.value", "[utf8?]"),
    ];
    assert_eq!(
        both(listed, &json!(["k", [[1, "a"], [2, null]]])),
        (
            "(k,[(1,Some(a)), (2,None)])".to_owned(),
            r#"["k",[[1,"a"],[2,null]]]"#.to_owned()
        )
    );
}

#[test]
fn a_chunk_of_another_schema_is_refused() {
    let chunk = rows_from_json(&schema(&[("value", "int64")]), &[json!(1)]).unwrap();
    let error = RowText::new(&schema(&[("value", "utf8")])).write(&chunk, 0..1, &mut Vec::new());
    assert_eq!(
        error.unwrap_err().to_string(),
        "a chunk has columns (value: Int64) where its stream has (value: utf8)"
    );
}
