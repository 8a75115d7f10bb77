//! The hottest reading of each place, from lines such as `attic 31.5`.

use rsrt::prelude::*;

/// A line as a place and its temperature. A line that is neither is rejected: it goes to the
/// operator's `rejected` output, and the batch goes on.
#[rsrt::map]
fn reading(line: &str) -> Result<(&str, f64), Reject> {
    let Some((place, degrees)) = line.trim().rsplit_once(' ') else {
        return Err(reject("not a place and a temperature"));
    };
    Ok((place.trim_end(), degrees.parse()?))
}

/// The hotter of two readings. The order does not matter, so the host may reduce in parts.
#[rsrt::reduce(associative)]
fn hottest(a: f64, b: f64) -> f64 {
    a.max(b)
}

rsrt::plugin! { reading, hottest }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_place_and_its_temperature() {
        assert_eq!(reading("attic 31.5"), Ok(("attic", 31.5)));
        assert_eq!(reading("living room  -2"), Ok(("living room", -2.0)));
    }

    #[test]
    fn other_lines_are_rejected() {
        assert!(reading("attic").is_err());
        assert!(reading("attic warm").is_err());
    }

    #[test]
    fn the_hotter_one_stays() {
        assert_eq!(hottest(19.0, 31.5), 31.5);
    }
}
