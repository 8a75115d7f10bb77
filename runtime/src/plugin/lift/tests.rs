use super::*;

fn text(offsets: &[u32], data: &[u8]) -> ColumnOut {
    ColumnOut {
        kind: AbiKind::Utf8,
        offsets: offsets.iter().flat_map(|o| o.to_le_bytes()).collect(),
        data: data.to_vec(),
        validity: None,
        lists: None,
    }
}

fn check(rows: u32, column: ColumnOut, declared: &str) -> String {
    let schema = Schema::new(vec![Field::parse("value", declared).unwrap()]).unwrap();
    let columns = vec![column];
    match batch(BatchOut { rows, columns }, &schema) {
        Ok(batch) => format!("{} rows", batch.num_rows()),
        Err(PluginFault::BadOutput(why)) => why,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_broken_buffer_is_named() {
    let int = |data: &[u8]| ColumnOut {
        kind: AbiKind::Int64,
        offsets: Vec::new(),
        data: data.to_vec(),
        validity: None,
        lists: None,
    };
    let cases = [
        (2, text(&[0, 1, 3], b"abc"), "utf8", "2 rows"),
        (0, text(&[0], b""), "utf8", "0 rows"),
        (
            0,
            text(&[], b""),
            "utf8",
            "column `value`: offsets have 0 entries for 0 items",
        ),
        (
            2,
            text(&[0, 3], b"abc"),
            "utf8",
            "column `value`: offsets have 2 entries for 2 items",
        ),
        (
            1,
            text(&[1, 3], b"abc"),
            "utf8",
            "column `value`: offsets start with 1, not 0",
        ),
        (
            2,
            text(&[0, 3, 2], b"ab"),
            "utf8",
            "column `value`: offsets decrease",
        ),
        (
            2,
            text(&[0, u32::MAX, 2], b"ab"),
            "utf8",
            "column `value`: offsets decrease",
        ),
        (
            1,
            text(&[0, 9], b"abc"),
            "utf8",
            "column `value`: offsets end with 9, the data with 3",
        ),
        (
            1,
            text(&[0, 2], b"abc"),
            "utf8",
            "column `value`: offsets end with 2, the data with 3",
        ),
        (
            1,
            text(&[0, 1], b"\xff"),
            "utf8",
            "column `value`: text is not UTF-8",
        ),
        (
            2,
            text(&[0, 1, 2], "é".as_bytes()),
            "utf8",
            "column `value`: text is not UTF-8",
        ),
        (
            1,
            text(&[0, 1], b"a"),
            "int64",
            "column `value`: utf8 came back, int64 was declared",
        ),
        (
            1,
            text(&[0, 1], b"a"),
            "[utf8]",
            "column `value`: plain values came back where a list was declared",
        ),
        (1, int(&[0; 8]), "int64", "1 rows"),
        (
            1,
            int(&[0; 7]),
            "int64",
            "column `value`: data: 7 bytes are no whole numbers",
        ),
        (
            2,
            int(&[0; 8]),
            "int64",
            "column `value`: 1 values for 2 items",
        ),
        (
            u32::MAX,
            int(&[0; 8]),
            "int64",
            "4294967295 rows are more than a batch can hold",
        ),
    ];
    for (rows, column, declared, expected) in cases {
        assert_eq!(check(rows, column, declared), expected);
    }
}

#[test]
fn a_null_comes_back_only_where_it_may() {
    let with = |validity: &[u8]| ColumnOut {
        validity: Some(validity.to_vec()),
        ..text(&[0, 1, 2], b"ab")
    };
    assert_eq!(check(2, with(&[0b01]), "utf8?"), "2 rows");
    assert_eq!(check(2, with(&[0b11]), "utf8"), "2 rows");
    assert_eq!(
        check(2, with(&[0b01]), "utf8"),
        "column `value`: a null came back where none may be"
    );
    assert_eq!(
        check(2, with(&[]), "utf8?"),
        "column `value`: validity has 0 bytes; 2 rows take 1"
    );
}

#[test]
fn lists_of_records_have_one_length() {
    let list = |ends: &[u32]| ColumnOut {
        lists: Some(NestingOut {
            offsets: ends.iter().flat_map(|o| o.to_le_bytes()).collect(),
            validity: None,
        }),
        ..text(&[0, 1, 2], b"ab")
    };
    let schema = Schema::new(vec![
        Field::parse("value.a", "[utf8]").unwrap(),
        Field::parse("value.b", "[utf8]").unwrap(),
    ])
    .unwrap();
    let lift = |a: &[u32], b: &[u32]| {
        let columns = vec![list(a), list(b)];
        batch(BatchOut { rows: 2, columns }, &schema).map(|_| ())
    };
    assert_eq!(lift(&[0, 1, 2], &[0, 1, 2]), Ok(()));
    assert_eq!(
        lift(&[0, 1, 2], &[0, 2, 2]),
        Err(PluginFault::BadOutput(
            "`value.a` and `value.b` are one list of records but differ in length".into()
        ))
    );
}
