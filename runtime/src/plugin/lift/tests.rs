use arrow_array::Array as _;
use proptest::{collection::vec, prelude::*, sample::select};

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

/// Bytes of numbers that are mostly small and mostly rise.
fn offsets_like() -> impl Strategy<Value = Vec<u8>> {
    let rising = vec(0_u32..3, 0..6).prop_map(|steps| {
        let mut end = 0;
        let ends = steps.into_iter().map(|step| {
            end += step;
            end
        });
        let ends: Vec<u32> = ends.collect();
        std::iter::once(0).chain(ends).collect::<Vec<_>>()
    });
    let wild = vec(prop_oneof![0_u32..6, any::<u32>()], 0..6);
    let numbers = prop_oneof![6 => rising, 1 => wild];
    let bytes = numbers.prop_map(|n| n.into_iter().flat_map(u32::to_le_bytes).collect());
    prop_oneof![9 => bytes, 1 => vec(any::<u8>(), 0..20)]
}

fn data_like() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        "[aé日]{0,4}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..10),
        (0_usize..6).prop_map(|n| vec![7; n * 8]),
    ]
}

fn column_like() -> impl Strategy<Value = ColumnOut> {
    use AbiKind::{Binary, Boolean, Float64, Int64, Timestamp, Utf8};
    let kinds = vec![Boolean, Int64, Float64, Utf8, Utf8, Utf8, Binary, Timestamp];
    let validity = || prop::option::weighted(0.3, vec(any::<u8>(), 0..3));
    let lists = (offsets_like(), validity());
    let lists = lists.prop_map(|(offsets, validity)| NestingOut { offsets, validity });
    let offsets = prop_oneof![1 => Just(Vec::new()), 2 => offsets_like()];
    let lists = prop::option::weighted(0.3, lists);
    (select(kinds), offsets, data_like(), validity(), lists).prop_map(
        |(kind, offsets, data, validity, lists)| ColumnOut {
            kind,
            offsets,
            data,
            validity,
            lists,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_is_valid_in_every_respect(
        rows in 0_u32..6,
        column in column_like(),
        nullable: bool,
    ) {
        let field = Field {
            name: "value".into(),
            kind: kind(column.kind),
            nullable,
            listed: column.lists.is_some(),
        };
        let schema = Schema::new(vec![field]).unwrap();
        if let Ok(batch) = batch(BatchOut { rows, columns: vec![column] }, &schema) {
            prop_assert_eq!(batch.num_rows(), rows as usize);
            let data = batch.column(0).to_data();
            prop_assert!(data.validate_full().is_ok(), "{:?}", data.validate_full());
            prop_assert!(nullable || data.null_count() == 0);
        }
    }

    #[test]
    fn accepted_row_numbers_are_those_of_rows(bytes in offsets_like(), rows in 0_usize..6, below in 0_usize..6) {
        if let Ok(origins) = origins(bytes, rows, below) {
            prop_assert_eq!(origins.len(), rows);
            prop_assert!(origins.iter().all(|origin| (*origin as usize) < below));
        }
    }
}

#[test]
fn the_columns_made_up_are_often_accepted() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let strategy = (0_u32..6, column_like());
    let accepted = (0..4_000).filter(|_| {
        let (rows, column) = strategy.new_tree(&mut runner).unwrap().current();
        let field = Field {
            name: "value".into(),
            kind: kind(column.kind),
            nullable: true,
            listed: column.lists.is_some(),
        };
        let schema = Schema::new(vec![field]).unwrap();
        let columns = vec![column];
        batch(BatchOut { rows, columns }, &schema).is_ok_and(|batch| batch.num_rows() > 0)
    });
    assert!(accepted.count() > 20);
}
