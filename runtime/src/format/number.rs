//! Numbers as text: integers as they are, floats as Scala prints them.

use std::io::Write;

/// Appends `value` in decimal.
pub(crate) fn write_int(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `value` as Java and Scala do: the fewest digits that read back as the same number,
/// plain from 10^-3 up to 10^7, else with one digit before the point and an exponent.
pub(crate) fn write_float(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value.is_infinite() {
        return out.extend_from_slice(b"Infinity");
    }
    if value == 0.0 {
        return out.extend_from_slice(b"0.0");
    }
    let (digits, exponent) = shortest(value);
    let digits = digits.as_slice();
    match exponent {
        0..=6 => {
            let whole = usize::try_from(exponent).unwrap_or(0) + 1;
            if digits.len() <= whole {
                out.extend_from_slice(digits);
                out.resize(out.len() + whole - digits.len(), b'0');
                out.extend_from_slice(b".0");
            } else {
                out.extend_from_slice(&digits[..whole]);
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
        -3..=-1 => {
            out.extend_from_slice(b"0.");
            let zeros = usize::try_from(-1 - exponent).unwrap_or(0);
            out.resize(out.len() + zeros, b'0');
            out.extend_from_slice(digits);
        }
        _ => {
            out.push(digits[0]);
            out.push(b'.');
            out.extend_from_slice(if digits.len() > 1 { &digits[1..] } else { b"0" });
            out.push(b'E');
            write_int(i64::from(exponent), out);
        }
    }
}

/// Digits of a float without a point; 17 at most.
struct Digits {
    bytes: [u8; 24],
    len: usize,
}

impl Digits {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The shortest digits of a positive, finite number, and the power of ten of the first.
fn shortest(value: f64) -> (Digits, i32) {
    let mut text = [0_u8; 32];
    let mut rest = &mut text[..];
    // 17 digits, a point, "e-324": it always fits.
    let _ = write!(rest, "{value:e}");
    let left = rest.len();
    let text = &text[..32 - left];
    let mut digits = Digits {
        bytes: [0; 24],
        len: 0,
    };
    let mut bytes = text.iter();
    for byte in bytes.by_ref() {
        match byte {
            b'e' => break,
            b'.' => {}
            digit => {
                digits.bytes[digits.len] = *digit;
                digits.len += 1;
            }
        }
    }
    let exponent = std::str::from_utf8(bytes.as_slice()).map(str::parse);
    (digits, exponent.ok().and_then(Result::ok).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_print_as_in_scala() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (1234.5, "1234.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1e10, "1.0E10"),
            (12_345_678.9, "1.23456789E7"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "5.0E-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(|out| write_float(value, out)), expected);
        }
    }

    #[test]
    fn integers_print_to_their_ends() {
        for value in [0, 7, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(text(|out| write_int(value, out)), value.to_string());
        }
    }

    proptest! {
        #[test]
        fn a_printed_float_reads_back_as_itself(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let read: f64 = text(|out| write_float(value, out)).parse().unwrap();
            prop_assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()));
        }
    }
}
