//! Every type goes into columns and comes back.

use std::fmt::Debug;

use super::*;
use crate::{
    Record,
    abi::columns::Batch,
    emitter::{Collect, Sink as _},
};

fn batch<'a, T: Row>(rows: impl IntoIterator<Item = T::Ref<'a>>) -> Batch {
    let mut out = Collect::<T>::whole(Room::default());
    rows.into_iter().for_each(|row| out.put(row));
    out.close()
}

fn check<T>(rows: &[T])
where
    T: for<'a> Row<Ref<'a> = T> + Clone + Debug + PartialEq,
{
    let batch = batch::<T>(rows.iter().cloned());
    let reader = T::read(&mut Columns::of(&batch)).unwrap();
    let back: Vec<T> = (0..rows.len()).map(|at| T::get(&reader, at)).collect();
    assert_eq!(back, rows);
    assert_eq!(batch.columns.len(), T::schema().len());
    taken_back::<T>(rows);
}

/// Rows put out after a mark and taken back leave no trace.
fn taken_back<T>(rows: &[T])
where
    T: for<'a> Row<Ref<'a> = T> + Clone + Debug + PartialEq,
{
    for mark in 0..=rows.len() {
        let mut out = Collect::<T>::whole(Room::default());
        rows.iter().cloned().for_each(|row| out.put(row));
        out.truncate(u32::try_from(mark).unwrap());
        rows.iter().cloned().for_each(|row| out.put(row));
        let expected = batch::<T>(rows[..mark].iter().chain(rows).cloned());
        assert_eq!(format!("{:?}", out.close()), format!("{expected:?}"));
    }
}

fn names<T: Row>() -> Vec<String> {
    let describe = |field: Field| {
        let (nullable, listed) = (field.nullable, field.listed);
        let kind = format!("{:?}", field.kind).replace("Kind::", "");
        let kind = if nullable { format!("{kind}?") } else { kind };
        let kind = if listed { format!("[{kind}]") } else { kind };
        format!("{}: {kind}", field.name)
    };
    T::schema().into_iter().map(describe).collect()
}

#[test]
fn scalars_come_back() {
    check(&[1, -1, i64::MAX, i64::MIN]);
    check(&[0.5, -0.0, f64::INFINITY]);
    check(&[true, false, true, true, false, false, true, false, true]);
    check(&[Timestamp(0), Timestamp(-1)]);
    check(&[String::new(), "ä".into(), "abc".into()]);
    check(&[vec![], vec![0_u8, 255], vec![7]]);
}

#[test]
fn no_rows_are_rows_too() {
    check::<String>(&[]);
    check::<Vec<i64>>(&[]);
    let empty = batch::<&str>([]);
    assert_eq!(empty.columns[0].offsets, [0; 4]);
}

#[test]
fn text_is_read_where_it_lies() {
    let batch = batch::<&str>(["a", "bc"]);
    let reader = <&str>::read(&mut Columns::of(&batch)).unwrap();
    let text = <&str>::get(&reader, 1);
    assert_eq!(text, "bc");
    assert!(
        batch.columns[0]
            .data
            .as_ptr_range()
            .contains(&text.as_ptr())
    );
}

#[test]
fn nulls_come_back() {
    check(&[Some(1), None, Some(3)]);
    check(&[None::<String>, Some("a".into())]);
    check(&[Some(true), None, None, Some(false)]);
    assert!(
        batch::<Option<i64>>([Some(1)]).columns[0]
            .validity
            .is_none()
    );
    assert_eq!(
        batch::<Option<i64>>([Some(1), None]).columns[0].validity,
        Some(vec![0b01])
    );
}

#[test]
fn lists_come_back() {
    check(&[vec![1_i64, 2], vec![], vec![3]]);
    check(&[vec![Some("a".to_owned()), None], vec![]]);
    check(&[
        vec![("a".to_owned(), 1)],
        vec![],
        vec![("b".into(), 2), ("c".into(), 3)],
    ]);
    check(&[("k".to_owned(), vec![1_i64]), ("l".into(), vec![])]);
}

#[test]
fn tuples_come_back() {
    check(&[("a".to_owned(), 1_i64)]);
    check(&[(1, 2.0, true), (3, 4.0, false)]);
    check(&[((1, "a".to_owned()), Some(2.0)), ((2, String::new()), None)]);
    check(&[(1, 2, 3, 4, 5, 6)]);
}

#[derive(Record, Debug, Clone, PartialEq)]
struct Click<'a> {
    user: &'a str,
    amount: Option<f64>,
    r#type: i64,
}

#[derive(Record, Debug, Clone, PartialEq)]
struct Visit {
    page: String,
    place: (i64, i64),
    clicks: Vec<i64>,
}

#[test]
fn records_come_back() {
    let visit = |page: &str| Visit {
        page: page.into(),
        place: (1, 2),
        clicks: vec![3, 4],
    };
    check(&[visit("a"), visit("")]);
    let clicks = ["ann", "bob"].map(|user| Click {
        user,
        amount: None,
        r#type: 1,
    });
    let batch = batch::<Click>(clicks.clone());
    let reader = Click::read(&mut Columns::of(&batch)).unwrap();
    assert_eq!([0, 1].map(|at| Click::get(&reader, at)), clicks);
}

#[test]
fn names_spell_what_rows_look_like() {
    assert_eq!(names::<&str>(), ["value: Utf8"]);
    assert_eq!(names::<(&str, i64)>(), ["key: Utf8", "value: Int64"]);
    assert_eq!(
        names::<(i64, f64, bool)>(),
        ["value.0: Int64", "value.1: Float64", "value.2: Boolean"]
    );
    assert_eq!(
        names::<((&str, i64), Option<&[u8]>)>(),
        ["key.0: Utf8", "key.1: Int64", "value: Binary?"]
    );
    assert_eq!(
        names::<Click>(),
        ["user: Utf8", "amount: Float64?", "type: Int64"]
    );
    assert_eq!(
        names::<(&str, Click)>(),
        [
            "key: Utf8",
            "value.user: Utf8",
            "value.amount: Float64?",
            "value.type: Int64"
        ]
    );
    assert_eq!(
        names::<(&str, Vec<Click>)>(),
        [
            "key: Utf8",
            "value.user: [Utf8]",
            "value.amount: [Float64?]",
            "value.type: [Int64]"
        ]
    );
    assert_eq!(
        names::<Visit>(),
        [
            "page: Utf8",
            "place.0: Int64",
            "place.1: Int64",
            "clicks: [Int64]"
        ]
    );
    assert_eq!(names::<Vec<Timestamp>>(), ["value: [Timestamp]"]);
}

fn refusal<T: Row>(batch: &Batch) -> String {
    T::read(&mut Columns::of(batch)).err().unwrap().message
}

#[test]
fn columns_of_another_type_are_refused() {
    let numbers = batch::<i64>([1]);
    assert_eq!(
        refusal::<&str>(&numbers),
        "a column is int64, the function takes utf8"
    );
    assert_eq!(refusal::<(i64, i64)>(&numbers), "a int64 column is missing");
    assert_eq!(
        refusal::<Vec<i64>>(&numbers),
        "a int64 column is not a list in the stream, but is one in the function"
    );
    assert_eq!(
        refusal::<i64>(&batch::<Option<i64>>([None])),
        "a int64 column holds nulls: the function must take an Option"
    );
}
