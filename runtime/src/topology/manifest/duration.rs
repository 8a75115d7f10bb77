//! Durations as topologies write them: `500ms`, `1s`, `2m`, `1h`.

use std::time::Duration;

use super::{spanned::Spanned, table::Value};
use crate::topology::problem::Problems;

/// What a duration must look like.
pub(crate) const DURATION: &str = "a duration such as \"500ms\", \"1s\", \"2m\" or \"1h\"";

/// Text that is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidDuration {
    #[error("must be longer than nothing")]
    Zero,
    #[error("must not be negative")]
    Negative,
    #[error("must be {DURATION}")]
    Form,
    #[error("is too long")]
    TooLong,
}

/// The duration under a key.
pub(super) fn read(value: &Value<'_>, problems: &mut Problems) -> Option<Spanned<Duration>> {
    let text = value.text(DURATION, problems)?;
    match parse(text.value) {
        Ok(duration) => Some(Spanned::new(duration, value.at)),
        Err(why) => {
            value.is_bad(why, problems);
            None
        }
    }
}

/// Reads a whole number of milliseconds, seconds, minutes or hours; at least 1 ms.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    if text.starts_with('-') {
        return Err(InvalidDuration::Negative);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(InvalidDuration::Form),
    };
    if number.is_empty() {
        return Err(InvalidDuration::Form);
    }
    let number: u64 = number.parse().map_err(|_| InvalidDuration::TooLong)?;
    match number.checked_mul(millis_per_unit) {
        None => Err(InvalidDuration::TooLong),
        Some(0) => Err(InvalidDuration::Zero),
        Some(millis) => Ok(Duration::from_millis(millis)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        let cases = [
            ("500ms", Ok(500)),
            ("1s", Ok(1_000)),
            ("2m", Ok(120_000)),
            ("1h", Ok(3_600_000)),
            ("0s", Err(InvalidDuration::Zero)),
            ("-1s", Err(InvalidDuration::Negative)),
            ("", Err(InvalidDuration::Form)),
            ("s", Err(InvalidDuration::Form)),
            ("10", Err(InvalidDuration::Form)),
            ("1.5s", Err(InvalidDuration::Form)),
            ("1 s", Err(InvalidDuration::Form)),
            ("1d", Err(InvalidDuration::Form)),
            ("99999999999999999999s", Err(InvalidDuration::TooLong)),
            ("9999999999999999999h", Err(InvalidDuration::TooLong)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected.map(Duration::from_millis), "{text:?}");
        }
    }
}
