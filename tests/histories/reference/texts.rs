//! What the functions of `plugins/text-tools` and `plugins/word-count` make of texts.

use serde_json::{Value, json};

use super::{Batches, both, each, key};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The same for each value, the key stays.
pub(in crate::histories) fn map_values(input: &Batches, of: fn(&str) -> String) -> Batches {
    each(input, |rows| {
        let rows = rows.iter();
        rows.map(|row| json!([row[0], of(text(&row[1]))])).collect()
    })
}

/// The same for each plain text.
pub(in crate::histories) fn map(input: &Batches, of: fn(&str) -> String) -> Batches {
    each(input, |rows| {
        rows.iter().map(|row| json!(of(text(row)))).collect()
    })
}

/// The values of pairs.
pub(in crate::histories) fn values(input: &Batches) -> Batches {
    each(input, |rows| {
        rows.iter().map(|row| row[1].clone()).collect()
    })
}

/// `split` of plain texts: each word with a 1.
pub(in crate::histories) fn split(input: &Batches) -> Batches {
    each(input, |rows| {
        let words = rows.iter().flat_map(|row| text(row).split_whitespace());
        words.map(|word| json!([word, 1])).collect()
    })
}

/// `split` of values.
pub(in crate::histories) fn split_values(input: &Batches) -> Batches {
    each(input, |rows| {
        let words = rows.iter().flat_map(|row| {
            let words = text(&row[1]).split_whitespace();
            words.map(|word| json!([row[0], [word, 1]]))
        });
        words.collect()
    })
}

/// `cut` of values, the second of the fields between spaces; and the rows that have none.
pub(in crate::histories) fn cut_values(input: &Batches) -> (Batches, Batches) {
    let second = |row: &Value| text(&row[1]).split(' ').nth(1).map(str::to_owned);
    let cut = each(input, |rows| {
        let rows = rows.iter();
        rows.filter_map(|row| Some(json!([row[0], second(row)?])))
            .collect()
    });
    let rejected = each(input, |rows| {
        let short = rows.iter().filter(|row| second(row).is_none());
        short
            .map(|row| json!({"key": row[0], "value": row[1], "reason": "there is no field 2"}))
            .collect()
    });
    (cut, rejected)
}

/// `without`: plain texts that are not among the others.
pub(in crate::histories) fn without(input: &Batches, unwanted: &Batches) -> Batches {
    both(input, unwanted, |rows, unwanted| {
        let rows = rows.iter().filter(|row| !unwanted.contains(row));
        rows.cloned().collect()
    })
}

/// `not-from`: pairs whose key is not among the others.
pub(in crate::histories) fn not_from(input: &Batches, senders: &Batches) -> Batches {
    both(input, senders, |rows, senders| {
        let rows = rows
            .iter()
            .filter(|row| !senders.contains(&json!(key(row))));
        rows.cloned().collect()
    })
}
