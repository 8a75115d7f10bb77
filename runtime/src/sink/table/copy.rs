//! Rows as PostgreSQL's `COPY` reads them, in its text format: the server turns each cell into
//! whatever the table's column is.

use std::io::Write;

use crate::format::{Cell, Cells, civil};

const DAY: i64 = 86_400_000;

/// Appends one row.
pub(super) fn write_row(columns: &[Cells<'_>], row: usize, out: &mut Vec<u8>) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b'\t');
        }
        write_cell(column.get(row), out);
    }
    out.push(b'\n');
}

fn write_cell(cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"\\N"),
        Cell::Boolean(value) => out.push(if value { b't' } else { b'f' }),
        Cell::Int64(value) => text(out, format_args!("{value}")),
        Cell::Float64(value) if value.is_nan() => out.extend_from_slice(b"NaN"),
        Cell::Float64(f64::INFINITY) => out.extend_from_slice(b"Infinity"),
        Cell::Float64(f64::NEG_INFINITY) => out.extend_from_slice(b"-Infinity"),
        // The fewest digits that read back as the same number.
        Cell::Float64(value) => text(out, format_args!("{value:?}")),
        Cell::Utf8(value) => write_text(value, out),
        Cell::Binary(bytes) => {
            out.extend_from_slice(b"\\\\x");
            text(out, format_args!("{}", hex::encode(bytes)));
        }
        Cell::Timestamp(millis) => write_timestamp(millis, out),
    }
}

fn text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Memory takes everything.
    let _ = out.write_fmt(text);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        let escape = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escape]);
    }
}

/// As `2026-01-01 00:00:00.000+00`; there is no year 0, the one before 1 is `0001 BC`.
fn write_timestamp(millis: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(millis.div_euclid(DAY));
    let of_day = millis.rem_euclid(DAY);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
    let (year, era) = if year > 0 {
        (year, "")
    } else {
        (1 - year, " BC")
    };
    text(
        out,
        format_args!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}+00{era}"
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        write_cell(cell, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_text_that_ends_no_cell_and_no_row() {
        for (cell, expected) in [
            (Cell::Null, "\\N"),
            (Cell::Boolean(true), "t"),
            (Cell::Int64(i64::MIN), "-9223372036854775808"),
            (Cell::Float64(1.0), "1.0"),
            (Cell::Float64(-0.0), "-0.0"),
            (Cell::Float64(1e300), "1e300"),
            (Cell::Float64(f64::NAN), "NaN"),
            (Cell::Float64(f64::NEG_INFINITY), "-Infinity"),
            (Cell::Utf8("a\tb\nc\rd\\N"), "a\\tb\\nc\\rd\\\\N"),
            (Cell::Utf8("\\."), "\\\\."),
            (Cell::Utf8(""), ""),
            (Cell::Binary(&[0, 255]), "\\\\x00ff"),
        ] {
            assert_eq!(written(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn times_have_an_era() {
        for (millis, expected) in [
            (0, "1970-01-01 00:00:00.000+00"),
            (-1, "1969-12-31 23:59:59.999+00"),
            (253_402_300_800_000, "10000-01-01 00:00:00.000+00"),
            (-62_135_596_800_000, "0001-01-01 00:00:00.000+00"),
            (-62_135_596_800_001, "0001-12-31 23:59:59.999+00 BC"),
        ] {
            assert_eq!(written(Cell::Timestamp(millis)), expected);
        }
        for millis in [i64::MIN, i64::MAX] {
            assert!(written(Cell::Timestamp(millis)).len() > 20);
        }
    }
}
