//! Timestamps as text: `2026-01-01T00:00:00.000Z`.

use arrow_array::timezone::Tz;

use super::number::write_int;

const DAY: i64 = 86_400_000;
/// The first millisecond of year 0 and of year 10000.
const FOUR_DIGIT_YEARS: std::ops::Range<i64> = -62_167_219_200_000..253_402_300_800_000;

/// Appends the time as ISO 8601; outside of the years 0 to 9999 as plain milliseconds, since no
/// two programs agree on how to write those years.
pub(crate) fn write_timestamp(millis: i64, out: &mut Vec<u8>) {
    if !FOUR_DIGIT_YEARS.contains(&millis) {
        return write_int(millis, out);
    }
    let (year, month, day) = civil(millis.div_euclid(DAY));
    let of_day = millis.rem_euclid(DAY);
    digits(year, 4, out);
    out.push(b'-');
    digits(month, 2, out);
    out.push(b'-');
    digits(day, 2, out);
    out.push(b'T');
    digits(of_day / 3_600_000, 2, out);
    out.push(b':');
    digits(of_day / 60_000 % 60, 2, out);
    out.push(b':');
    digits(of_day / 1_000 % 60, 2, out);
    out.push(b'.');
    digits(of_day % 1_000, 3, out);
    out.push(b'Z');
}

/// Milliseconds since the epoch that `text` names: ISO 8601 (UTC if it names no zone; parts of a
/// millisecond are cut off), or a whole number of milliseconds.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    if let Ok(millis) = text.parse() {
        return Some(millis);
    }
    let utc: Tz = "+00:00".parse().ok()?;
    let time = arrow_cast::parse::string_to_datetime(&utc, text).ok()?;
    Some(time.timestamp_millis())
}

fn digits(value: i64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// Year, month and day of a day since the epoch, in the proleptic Gregorian calendar: eras of 400
/// years that begin in March, so that the leap day is a year's last.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(millis: i64) -> String {
        let mut out = Vec::new();
        write_timestamp(millis, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_print_as_iso() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
            (FOUR_DIGIT_YEARS.start, "0000-01-01T00:00:00.000Z"),
            (FOUR_DIGIT_YEARS.end - 1, "9999-12-31T23:59:59.999Z"),
            (FOUR_DIGIT_YEARS.end, "253402300800000"),
            (i64::MIN, "-9223372036854775808"),
        ];
        for (millis, expected) in cases {
            assert_eq!(text(millis), expected);
        }
    }

    #[test]
    fn zones_are_honoured_and_nonsense_is_refused() {
        assert_eq!(
            parse_timestamp("1970-01-01T02:00:00+02:00"),
            Some(0),
            "two hours east"
        );
        assert_eq!(parse_timestamp("1970-01-01 00:00:01"), Some(1_000));
        for bad in ["", "yesterday", "2026-13-01T00:00:00Z", "1.5"] {
            assert_eq!(parse_timestamp(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_time_reads_back_as_itself(millis in FOUR_DIGIT_YEARS) {
            prop_assert_eq!(parse_timestamp(&text(millis)), Some(millis));
        }
    }
}
