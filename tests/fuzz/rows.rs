//! Rows as bytes and as text.

use std::num::NonZeroUsize;

use arrow_array::RecordBatch;
use proptest::{prelude::*, sample::select};
use rsrt::{
    format::{
        LineDecoder, read_rows, rows_as_text, rows_from_bytes, rows_from_json, rows_to_bytes,
    },
    model::{Field, Schema},
    topology::{Decoder, Format, OnInvalid},
};
use serde_json::json;

use super::{cases, changed, changes};

fn schema(columns: &[(&str, &str)]) -> Schema {
    let fields = columns
        .iter()
        .map(|(name, kind)| Field::parse(*name, kind).unwrap());
    Schema::new(fields.collect()).unwrap()
}

/// Columns of every kind.
fn every_kind() -> Schema {
    schema(&[
        ("flag", "boolean?"),
        ("n", "int64"),
        ("x", "float64?"),
        ("text", "utf8?"),
        ("at", "timestamp"),
        ("words", "[utf8]"),
    ])
}

fn written() -> Vec<u8> {
    let row = |n: i64| json!({"flag": n % 2 == 0, "n": n, "x": null, "text": "ä text", "at": n, "words": ["a", "bc"]});
    let chunk = |from| rows_from_json(&every_kind(), &[row(from), row(from + 1)]).unwrap();
    rows_to_bytes(&every_kind(), &[chunk(1), chunk(3)]).unwrap()
}

/// What is read is whole: each value can be looked at.
fn is_sound(chunks: &[RecordBatch]) {
    for chunk in chunks {
        for column in chunk.columns() {
            column.to_data().validate_full().unwrap();
        }
    }
}

fn csv(header: bool) -> Format {
    let separator = b',';
    Format::Csv { separator, header }
}

/// Lines that are nearly rows.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let word = select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        "\r\n",
        "\"",
        "\\",
        "\\u12",
        "\\ud800",
        "null",
        "true",
        "\"n\"",
        "\"words\"",
        "\"x\"",
        "\"at\"",
        "1",
        "-0",
        "1e999",
        "9223372036854775808",
        "0.1",
        "[[[[[[[[",
        "{\"n\":1}",
        "{\"n\":1,\"at\":2,\"words\":[]}",
        "\"a\"\"b\"",
        " ",
        "\u{feff}",
        "2024-01-01T00:00:00Z",
        "NaN",
        "1,2,3,4,5,6",
        "\u{0}",
    ]);
    (
        prop::collection::vec(word, 0..24),
        prop::option::of(changes(2)),
    )
        .prop_map(|(words, changes)| {
            changed(words.concat().into_bytes(), &changes.unwrap_or_default())
        })
}

/// The reader of Arrow takes for granted that offsets are whole, and much else.
#[test]
fn no_byte_that_is_changed_makes_it_panic() {
    let written = written();
    for at in 0..written.len() {
        for byte in [0, 1, 13, 0xff, written[at] ^ 1, written[at] ^ 0x80] {
            let mut bytes = written.clone();
            bytes[at] = byte;
            if let Ok((_, chunks)) = read_rows(&bytes) {
                is_sound(&chunks);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn changed_bytes_of_rows_are_rows_or_an_error(changes in changes(4)) {
        let bytes = changed(written(), &changes);
        if let Ok(chunks) = rows_from_bytes(&every_kind(), &bytes) {
            is_sound(&chunks);
        }
        if let Ok((schema, chunks)) = read_rows(&bytes) {
            is_sound(&chunks);
            let _ = rows_as_text(&schema, &chunks);
        }
    }

    #[test]
    fn any_line_is_a_row_or_rejected(
        bytes in lines(),
        format in select(vec![Format::Json, csv(false), csv(true)]),
        max_line in select(vec![1_usize, 16, 1 << 20]),
    ) {
        // Lines of CSV have no lists.
        let schema = match format {
            Format::Json => every_kind(),
            _ => schema(&[("n", "int64"), ("x", "float64?"), ("text", "utf8?"), ("at", "timestamp")]),
        };
        let decoder = Decoder {
            format,
            on_invalid: OnInvalid::Reject,
            max_line: NonZeroUsize::new(max_line).unwrap(),
        };
        let rejected = self::schema(&[("value", "utf8"), ("reason", "utf8")]);
        let decoder = LineDecoder::new(&schema, &rejected, &decoder);
        let mut splitter = decoder.splitter();
        let mut rest = &bytes[..];
        let mut decoded = Vec::new();
        while !rest.is_empty() {
            rest = &rest[splitter.push(rest)..];
            decoded.push(decoder.decode(splitter.take()).unwrap());
        }
        splitter.finish();
        decoded.push(decoder.decode(splitter.take()).unwrap());
        for part in decoded {
            is_sound(&[part.rows]);
            is_sound(part.rejected.as_slice());
        }
    }
}
