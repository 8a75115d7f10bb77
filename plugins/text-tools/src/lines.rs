//! One line in, at most one out.

use rsrt::prelude::*;

/// A line in capital letters.
#[rsrt::map]
pub(crate) fn uppercase(line: &str) -> String {
    line.to_uppercase()
}

/// A line without white space at its ends.
#[rsrt::map]
pub(crate) fn trim(line: &str) -> &str {
    line.trim()
}

/// What `matching` looks for.
#[derive(Settings)]
pub(crate) struct Match {
    pattern: String,
    #[setting(default = false)]
    invert: bool,
}

/// Keeps lines that contain `pattern` (with `invert = "true"`: those that do not).
#[rsrt::filter]
pub(crate) fn matching(#[settings] wanted: &Match, line: &str) -> bool {
    line.contains(&wanted.pattern) != wanted.invert
}

/// What `cut` takes out.
#[derive(Settings)]
pub(crate) struct Cut {
    #[setting(default = ",")]
    separator: String,
    field: usize,
}

/// The `field` of a line, counted from 1, between `separator`s. Lines that have none are rejected.
#[rsrt::map]
pub(crate) fn cut<'a>(#[settings] what: &Cut, line: &'a str) -> Result<&'a str, Reject> {
    let before = what.field.checked_sub(1).ok_or("fields count from 1")?;
    let mut fields = line.split(&what.separator);
    fields
        .nth(before)
        .ok_or_else(|| reject(format!("there is no field {}", what.field)))
}

/// Writes each line to the log and, at the end of a partition, how many there were. Lines without
/// text are rejected.
#[derive(Default)]
pub(crate) struct Announce {
    lines: u64,
}

/// Writes lines to the log.
#[rsrt::foreach]
impl Announce {
    fn accept(&mut self, line: &str) -> Result<(), Reject> {
        if line.is_empty() {
            return Err(reject("there is nothing to say"));
        }
        rsrt::info!("said: {line}");
        self.lines += 1;
        Ok(())
    }

    fn finish(&mut self) {
        rsrt::info!("said {} lines", self.lines);
    }
}

#[cfg(test)]
mod tests {
    use rsrt::testing::settings;

    use super::*;

    #[test]
    fn a_match_can_be_turned_round() {
        let wanted = settings::<Match>(&[("pattern", "err")]).unwrap();
        assert!(matching(&wanted, "an error"));
        let unwanted = settings::<Match>(&[("pattern", "err"), ("invert", "true")]).unwrap();
        assert!(!matching(&unwanted, "an error"));
    }

    #[test]
    fn settings_say_what_is_wrong_with_them() {
        let wrong = |given| settings::<Cut>(given).err().unwrap();
        assert_eq!(wrong(&[]), "setting `field` is missing");
        assert_eq!(
            wrong(&[("field", "two")]),
            "setting `field` is \"two\": invalid digit found in string"
        );
        assert_eq!(
            wrong(&[("field", "2"), ("seperator", ";")]),
            "unknown setting `seperator`: the function takes separator, field"
        );
    }

    #[test]
    fn a_line_that_is_too_short_is_rejected() {
        let what = settings::<Cut>(&[("field", "3")]).unwrap();
        assert_eq!(cut(&what, "a,b,c,d"), Ok("c"));
        assert_eq!(cut(&what, "a,b"), Err(reject("there is no field 3")));
    }

    #[test]
    fn lines_are_trimmed_and_raised() {
        assert_eq!(trim("  a b\t"), "a b");
        assert_eq!(uppercase("grün"), "GRÜN");
    }
}
