use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;
use crate::{format::rows_from_json, model::Kind};

/// Of one column, cut into chunks of so many rows.
fn batch(rows: &[Value], kind: Kind, cut: usize) -> Batch {
    let schema = Schema::plain(kind);
    let chunks = rows.chunks(cut);
    let chunks = chunks.map(|rows| rows_from_json(&schema, rows).unwrap());
    Batch {
        partitions: vec![Vec::new(), chunks.collect()],
        schema,
    }
}

fn texts(rows: &[&str], cut: usize) -> Batch {
    let rows: Vec<_> = rows.iter().map(|row| json!(row)).collect();
    batch(&rows, Kind::Utf8, cut)
}

fn compared(was: Option<&Batch>, is: Option<&Batch>) -> ShadowReport {
    let mut report = ShadowReport::default();
    let (sink, batch) = ("out".parse().unwrap(), BatchTime::from_millis(7));
    Compare::new((&sink, batch), was, is).add_to(&mut report);
    report
}

fn differing(was: &[&str], is: &[&str]) -> (u64, Vec<String>) {
    let report = compared(Some(&texts(was, 2)), Some(&texts(is, 3)));
    assert_eq!(report.rows, was.len() as u64);
    let rows = report.different.iter().map(|row| {
        let sign = match row.only_in {
            OnlyIn::Running => '-',
            OnlyIn::Shadow => '+',
        };
        format!("{sign}{}", row.row)
    });
    (report.differing, rows.collect())
}

#[test]
fn rows_are_the_same_however_they_are_cut() {
    let rows = ["a", "b", "b", "c", "", "d"];
    assert_eq!(differing(&rows, &rows), (0, Vec::new()));
    assert_eq!(differing(&[], &[]), (0, Vec::new()));
}

#[test]
fn what_is_in_one_only_is_told() {
    for (was, is, expected) in [
        (&["a", "b", "c"][..], &["a", "c"][..], &["-\"b\""][..]),
        (&["a", "c"], &["a", "b", "c"], &["+\"b\""]),
        (&["a", "b", "c"], &["a", "x", "c"], &["-\"b\"", "+\"x\""]),
        // The order counts, and as little as can be is told.
        (
            &["a", "b", "c", "d"],
            &["b", "c", "d", "a"],
            &["-\"a\"", "+\"a\""],
        ),
        (&["a", "b", "a"], &["b", "a"], &["-\"a\""]),
        (
            &["a", "b", "a", "b"],
            &["b", "a", "b", "a"],
            &["-\"a\"", "+\"a\""],
        ),
        (&["a"], &[], &["-\"a\""]),
    ] {
        let (count, rows) = differing(was, is);
        assert_eq!(count, expected.len() as u64, "{was:?} {is:?}");
        assert_eq!(rows, expected, "{was:?} {is:?}");
    }
    let batch = texts(&["a", "b"], 5);
    assert_eq!(compared(Some(&batch), None).differing, 2);
    assert_eq!(compared(None, Some(&batch)).differing, 2);
    assert_eq!(compared(None, None).differing, 0);
    assert_eq!(compared(None, Some(&texts(&[], 1))).differing, 0);
}

#[test]
fn few_rows_are_shown_and_little_of_each() {
    let long = "ä".repeat(300);
    let (was, is) = (vec![long.as_str(); 50], vec!["b"; 40]);
    let (count, rows) = differing(&was, &is);
    assert_eq!(count, 90);
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row.len() < 210), "{rows:?}");
    assert!(
        rows[0].starts_with("-\"ää") && rows[0].ends_with("..."),
        "{rows:?}"
    );
    assert_eq!(rows[1], "+\"b\"");
}

#[test]
fn rows_of_other_columns_are_other_rows() {
    let numbers = batch(&[json!(1), json!(2)], Kind::Int64, 9);
    let texts = texts(&["1"], 9);
    let report = compared(Some(&numbers), Some(&texts));
    assert_eq!(report.differing, 3);
    let told = report.different[1].to_string();
    assert_eq!(
        told,
        "batch 7 ms, sink `out`: only the new version has \"1\""
    );
}

/// The longest sequence that both have, by trying all.
fn longest(old: &[usize], new: &[usize]) -> usize {
    let mut table = vec![vec![0; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate() {
        for (j, b) in new.iter().enumerate() {
            table[i + 1][j + 1] = match a == b {
                true => table[i][j] + 1,
                false => table[i][j + 1].max(table[i + 1][j]),
            };
        }
    }
    table[old.len()][new.len()]
}

proptest! {
    #[test]
    fn as_little_as_can_be_differs(old in vec(0..5_usize, 0..20), new in vec(0..5_usize, 0..20)) {
        let (only_old, only_new) = only_in_one(&old, &new);
        let common = longest(&old, &new);
        prop_assert_eq!(only_old.len(), old.len() - common);
        prop_assert_eq!(only_new.len(), new.len() - common);
        let rest = |all: &[usize], only: &[usize]| -> Vec<usize> {
            let rest = all.iter().enumerate().filter(|(at, _)| !only.contains(at));
            rest.map(|(_, kind)| *kind).collect()
        };
        prop_assert_eq!(rest(&old, &only_old), rest(&new, &only_new));
    }
}

#[test]
fn many_equal_rows_take_no_time() {
    let (old, new) = (vec![0; 5_000], vec![0; 4_000]);
    let (only_old, only_new) = only_in_one(&old, &new);
    assert_eq!((only_old.len(), only_new.len()), (1_000, 0));
}
