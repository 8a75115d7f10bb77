//! Functions that reject rows in ways that are no good.

use rsrt::prelude::*;

/// Rejects every line.
#[rsrt::map]
pub(crate) fn rejects_all(line: &str) -> Result<&str, Reject> {
    Err(reject(format!("{line:?} will not do")))
}

/// Rejects every line, with a reason that would clear a terminal.
#[rsrt::flat_map]
pub(crate) fn rejects_with_control_characters(
    line: &str,
    out: &mut Emitter<&str>,
) -> Result<(), Reject> {
    out.emit(line);
    Err(reject("\x1b[2J\x1b[31mred\r\nnext line\0\u{202e}"))
}

/// Rejects every line, with a reason of a megabyte.
#[rsrt::filter]
pub(crate) fn rejects_with_huge_reasons(line: &str) -> Result<bool, Reject> {
    Err(reject(format!("{line} {}", "why? ".repeat(200_000))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_are_no_good() {
        let mut out = Emitter::new();
        let reason = rejects_with_control_characters("a", &mut out).unwrap_err();
        assert!(reason.reason().contains('\x1b'));
        assert!(rejects_with_huge_reasons("a").unwrap_err().reason().len() > 1 << 19);
        assert_eq!(rejects_all("a"), Err(reject("\"a\" will not do")));
    }
}
