use std::num::NonZeroUsize;

use arrow_array::{Array, cast::AsArray};
use proptest::prelude::*;

use super::*;
use crate::{
    format::rows_to_json,
    model::{CHUNK_ROWS, Field, Kind},
};

const CSV: Format = Format::Csv {
    separator: b',',
    header: false,
};

fn rejected_schema() -> Schema {
    let fields = ["value", "reason"].map(|name| Field::new(name, Kind::Utf8));
    Schema::new(fields.to_vec()).unwrap()
}

fn decoder(schema: &Schema, format: Format, on_invalid: OnInvalid, max_line: usize) -> LineDecoder {
    let max_line = NonZeroUsize::new(max_line).unwrap();
    let decoder = Decoder {
        format,
        on_invalid,
        max_line,
    };
    LineDecoder::new(schema, &rejected_schema(), &decoder)
}

/// Rows as JSON, what was rejected and why, and how many lines were repaired.
type Outcome = (Vec<String>, Vec<(String, String)>, usize);

/// Decodes `bytes` that come in pieces cut at `cuts`.
fn decode(decoder: &LineDecoder, bytes: &[u8], cuts: &[usize]) -> Result<Outcome, DecodeError> {
    let mut splitter = decoder.splitter();
    let (mut rows, mut rejected, mut replaced) = (Vec::new(), Vec::new(), 0);
    let mut take = |lines: Lines| {
        assert!(lines.len() <= CHUNK_ROWS);
        let got = decoder.decode(lines)?;
        assert_eq!(got.rows.schema(), decoder.schema.to_arrow());
        let values = rows_to_json(&got.rows, &decoder.schema).unwrap();
        rows.extend(values.iter().map(ToString::to_string));
        replaced += got.replaced;
        if let Some(chunk) = got.rejected {
            let text = |column: usize, row| chunk.column(column).as_string::<i32>().value(row);
            for row in 0..chunk.num_rows() {
                rejected.push((text(0, row).to_owned(), text(1, row).to_owned()));
            }
        }
        Ok::<(), DecodeError>(())
    };
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = &bytes[from..cut];
        while !piece.is_empty() {
            piece = &piece[splitter.push(piece)..];
            if splitter.is_full() {
                take(splitter.take())?;
            }
        }
        from = cut;
    }
    splitter.finish();
    take(splitter.take())?;
    Ok((rows, rejected, replaced))
}

fn text(bytes: &[u8], on_invalid: OnInvalid, max_line: usize) -> Outcome {
    let decoder = decoder(
        &Schema::plain(Kind::Utf8),
        Format::Text,
        on_invalid,
        max_line,
    );
    decode(&decoder, bytes, &[]).unwrap()
}

#[test]
fn lines_end_with_or_without_a_return_and_the_last_needs_no_end() {
    let cases: &[(&[u8], &[&str])] = &[
        (b"", &[]),
        (b"\n", &[""]),
        (b"a\nb\n", &["a", "b"]),
        (b"a\r\nb", &["a", "b"]),
        (b"a\r\r\n\rb\r", &["a\\r", "\\rb"]),
        (b"\r\n\n", &["", ""]),
    ];
    for (bytes, expected) in cases {
        let (rows, ..) = text(bytes, OnInvalid::Fail, 9);
        let expected: Vec<_> = expected.iter().map(|line| format!("\"{line}\"")).collect();
        assert_eq!(rows, expected, "{bytes:?}");
    }
}

#[test]
fn a_line_over_the_limit_is_rejected() {
    let long = [
        b"aaaa\nbbbbb\ncccc\r\nddddd\r\n".as_slice(),
        &[b'e'; 3_000],
        b"\nf",
    ]
    .concat();
    let (rows, rejected, _) = text(&long, OnInvalid::Replace, 4);
    assert_eq!(rows, [r#""aaaa""#, r#""cccc""#, r#""f""#]);
    let reason = "the line is longer than 4 bytes; its first 5 are kept";
    let expected = ["bbbbb", "ddddd", "eeeee"].map(|line| (line.to_owned(), reason.to_owned()));
    assert_eq!(rejected, expected);
}

#[test]
fn broken_utf8_goes_where_on_invalid_says() {
    // The second and third line are one character cut in two: valid together, broken apart.
    let bytes = b"a\n\xc3\n\xa4\nb\n";
    let (rows, rejected, replaced) = text(bytes, OnInvalid::Replace, 9);
    assert_eq!(rows, [r#""a""#, "\"\u{fffd}\"", "\"\u{fffd}\"", r#""b""#]);
    assert_eq!((rejected.len(), replaced), (0, 2));

    let (rows, rejected, replaced) = text(bytes, OnInvalid::Reject, 9);
    assert_eq!(rows, [r#""a""#, r#""b""#]);
    let bad = ("\u{fffd}".to_owned(), "not UTF-8 at byte 0".to_owned());
    assert_eq!((rejected, replaced), (vec![bad.clone(), bad], 0));

    let decoder = decoder(&Schema::plain(Kind::Utf8), Format::Text, OnInvalid::Fail, 9);
    let error = decode(&decoder, bytes, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2 is not valid: not UTF-8 at byte 0"
    );
}

#[test]
fn binary_lines_are_kept_byte_by_byte() {
    let decoder = decoder(
        &Schema::plain(Kind::Binary),
        Format::Binary,
        OnInvalid::Reject,
        3,
    );
    let (rows, rejected, _) = decode(&decoder, b"a\r\n\xff\n\nlong", &[]).unwrap();
    assert_eq!(rows, [r#""610d""#, r#""ff""#, r#""""#]);
    assert_eq!(rejected.len(), 1);
}

#[test]
fn a_malformed_line_of_json_is_rejected_and_the_others_stay_in_order() {
    let schema = Schema::new(vec![Field::new("a", Kind::Int64)]).unwrap();
    let decoder = decoder(&schema, Format::Json, OnInvalid::Reject, 100);
    let lines = b"{\"a\":1}\n{\"a\":\n2}\n\n{\"a\":1.5}\n{\"a\":3,\"b\":{}}\r\n\xff\n";
    let (rows, rejected, _) = decode(&decoder, lines, &[]).unwrap();
    assert_eq!(rows, [r#"{"a":1}"#, r#"{"a":3}"#]);
    let reasons: Vec<_> = rejected.iter().map(|(_, reason)| reason.as_str()).collect();
    insta::assert_snapshot!(reasons.join("\n"), @r"
    not JSON: EOF while parsing a value at column 5
    not JSON: trailing characters at column 2
    .a: expected int64, got 1.5
    not JSON: expected value at column 1
    ");
}

#[test]
fn csv_fields_may_be_quoted() {
    let fields = [("s", "utf8"), ("i", "int64?"), ("b", "boolean")];
    let fields = fields.map(|(name, kind)| Field::parse(name, kind).unwrap());
    let schema = Schema::new(fields.to_vec()).unwrap();
    let decoder = decoder(&schema, CSV, OnInvalid::Reject, 100);
    // line, row or why not
    let cases = [
        ("a,1,true", Ok(r#"{"s":"a","i":1,"b":true}"#)),
        (
            r#""a,""b""",,false"#,
            Ok(r#"{"s":"a,\"b\"","i":null,"b":false}"#),
        ),
        (r#""","1",true"#, Ok(r#"{"s":"","i":1,"b":true}"#)),
        (
            r#"5" nail,"2",true"#,
            Ok(r#"{"s":"5\" nail","i":2,"b":true}"#),
        ),
        (",1,true", Ok(r#"{"s":"","i":1,"b":true}"#)),
        (r#"a,"",true"#, Err(r#"i: expected int64, got """#)),
        ("a,1.5,true", Err(r#"i: expected int64, got "1.5""#)),
        ("a,1,yes", Err(r#"b: expected boolean, got "yes""#)),
        ("a,1", Err("expected 3 fields, got 2")),
        ("a,1,true,x", Err("expected 3 fields, got more")),
        (r#""a,1,true"#, Err("a quote is not closed on its line")),
        (r#""a"b,1,true"#, Err("text follows a closing quote")),
    ];
    for (line, expected) in cases {
        let (rows, rejected, _) = decode(&decoder, line.as_bytes(), &[]).unwrap();
        let got = match rejected.first() {
            Some((_, reason)) => Err(reason.as_str()),
            None => Ok(rows[0].as_str()),
        };
        assert_eq!(got, expected, "{line}");
    }
}

#[test]
fn chunks_end_at_their_row_limit() {
    let decoder = decoder(&Schema::plain(Kind::Utf8), Format::Text, OnInvalid::Fail, 9);
    let bytes = b"x\n".repeat(CHUNK_ROWS * 2 + 1);
    let mut splitter = decoder.splitter();
    let mut sizes = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        rest = &rest[splitter.push(rest)..];
        sizes.push(decoder.decode(splitter.take()).unwrap().rows.num_rows());
    }
    assert_eq!(sizes, [CHUNK_ROWS, CHUNK_ROWS, 1]);
}

/// Bytes in which line ends, returns, quotes, digits and broken UTF-8 are likely.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(b"\n\n\r,\"{}:a1\xc3\xa4\xff ".to_vec());
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn pieces_cut_anywhere_decode_as_the_whole(
        bytes in soup(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        max_line in 1_usize..12,
        format in prop::sample::select(vec![Format::Text, Format::Binary, Format::Json, CSV]),
    ) {
        let kind = match format {
            Format::Binary => Kind::Binary,
            Format::Json => Kind::Int64,
            Format::Text | Format::Csv { .. } => Kind::Utf8,
        };
        let name = if format == Format::Json { "a" } else { "value" };
        let schema = Schema::new(vec![Field::new(name, kind)]).unwrap();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let decoder = decoder(&schema, format.clone(), OnInvalid::Reject, max_line);
        let whole = decode(&decoder, &bytes, &[]).unwrap();
        prop_assert_eq!(&decode(&decoder, &bytes, &cuts).unwrap(), &whole);
        if matches!(format, Format::Text | Format::Binary) {
            let ends = memchr::memchr_iter(b'\n', &bytes).count();
            let last = usize::from(bytes.last().is_some_and(|byte| *byte != b'\n'));
            prop_assert_eq!(whole.0.len() + whole.1.len(), ends + last);
        }
    }
}

#[test]
fn rejected_columns_are_never_null() {
    let decoder = decoder(
        &Schema::plain(Kind::Utf8),
        Format::Text,
        OnInvalid::Reject,
        1,
    );
    let mut splitter = decoder.splitter();
    splitter.push(b"long\n");
    let rejected = decoder.decode(splitter.take()).unwrap().rejected.unwrap();
    assert_eq!(rejected.schema(), rejected_schema().to_arrow());
    assert_eq!(rejected.column(0).null_count(), 0);
}
