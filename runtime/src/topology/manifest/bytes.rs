//! Byte sizes as topologies write them: `64KB` is 64,000, `64KiB` is 65,536.

use std::num::NonZeroUsize;

/// What a size must look like.
pub(crate) const SIZE: &str = "a number of bytes such as 65536, \"64KB\" or \"1MiB\"";

/// Text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSize {
    #[error("must be at least one byte")]
    Zero,
    #[error("must be {SIZE}")]
    Form,
    #[error("is more than this machine can address")]
    TooLarge,
}

/// Reads a whole number of bytes, or of a unit.
pub(crate) fn parse(text: &str) -> Result<NonZeroUsize, InvalidSize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let bytes_per_unit: usize = match unit {
        "" | "B" => 1,
        "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return Err(InvalidSize::Form),
    };
    if number.is_empty() {
        return Err(InvalidSize::Form);
    }
    let number: usize = number.parse().map_err(|_| InvalidSize::TooLarge)?;
    let bytes = number.checked_mul(bytes_per_unit);
    NonZeroUsize::new(bytes.ok_or(InvalidSize::TooLarge)?).ok_or(InvalidSize::Zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_with_an_i_are_powers_of_two() {
        let cases = [
            ("1", Ok(1)),
            ("7B", Ok(7)),
            ("64KB", Ok(64_000)),
            ("64KiB", Ok(65_536)),
            ("10MB", Ok(10_000_000)),
            ("1MiB", Ok(1_048_576)),
            ("2GB", Ok(2_000_000_000)),
            ("1GiB", Ok(1_073_741_824)),
            ("0KB", Err(InvalidSize::Zero)),
            ("", Err(InvalidSize::Form)),
            ("KB", Err(InvalidSize::Form)),
            ("-1KB", Err(InvalidSize::Form)),
            ("1.5MB", Err(InvalidSize::Form)),
            ("1kb", Err(InvalidSize::Form)),
            ("99999999999999999999", Err(InvalidSize::TooLarge)),
            ("99999999999999999GiB", Err(InvalidSize::TooLarge)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(NonZeroUsize::get), expected, "{text:?}");
        }
    }
}
