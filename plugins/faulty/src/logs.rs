//! Functions that log too much.

/// Logs a thousand lines for each line.
#[rsrt::map]
pub(crate) fn floods_the_log(line: &str) -> &str {
    for n in 0..1_000 {
        rsrt::info!("{line}: {n}");
    }
    line
}

/// Logs what would change a terminal's title and colours, and forge a line.
#[rsrt::map]
pub(crate) fn logs_control_characters(line: &str) -> &str {
    rsrt::warn!("\x1b]0;owned\x07\x1b[31m{line}\nERROR a line that the host never wrote");
    line
}

/// Logs a line of a megabyte for each line.
#[rsrt::map]
pub(crate) fn logs_huge_lines(line: &str) -> &str {
    rsrt::info!("{line} {}", "x".repeat(1 << 20));
    line
}
