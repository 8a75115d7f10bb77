//! Why a call into a plugin failed, and who is to blame.

use std::{fmt, time::Duration};

/// Why a call did not come back with rows. The variants are who is to blame, because that decides
/// what happens next: a plugin's verdict, a trap and a broken result are the plugin's and happen
/// again with the same rows; a limit on time is a policy and may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginFault {
    /// The function returned a fault.
    #[error("the function gave up: {message}{}", at_row(*.row))]
    GaveUp {
        /// Its own words.
        message: String,
        /// The input row it blames.
        row: Option<u32>,
        /// Its own detail, such as a stack trace; may be empty.
        detail: String,
    },
    /// The function trapped: a panic, an abort, a division by zero, a stack overflow.
    #[error("the function trapped: {reason}{}", last_words(.last_error.as_deref()))]
    Trapped {
        /// The engine's word for it.
        reason: String,
        /// The last line it logged as an error in the same call; panics say there what they are.
        last_error: Option<String>,
        /// Functions on the guest's stack, innermost first.
        backtrace: Vec<String>,
    },
    /// It was refused memory and then failed.
    #[error("the function needs more than its {} of memory{}", Bytes(*.limit), last_words(.last_error.as_deref()))]
    OutOfMemory {
        /// The limit in bytes.
        limit: usize,
        /// The last line it logged as an error.
        last_error: Option<String>,
    },
    /// It was refused memory that others have, and then failed.
    #[error("there was no memory left for the function in what all instances of its namespace may have at a time (quota `memory-total`){}", last_words(.last_error.as_deref()))]
    NoMemoryLeft {
        /// The last line it logged as an error.
        last_error: Option<String>,
    },
    /// It used up its CPU time.
    #[error("the function used up its {limit:?} of CPU time")]
    OutOfTime {
        /// The limit for the task.
        limit: Duration,
    },
    /// It used up its fuel.
    #[error("the function used up its {limit} units of fuel")]
    OutOfFuel {
        /// The limit for the task.
        limit: u64,
    },
    /// It returned or logged more than it may in one call.
    #[error("the function returned or logged more than {} in one call", Bytes(*.limit))]
    OutputTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// What it returned breaks a rule of the interface.
    #[error("the function returned a broken result: {0}")]
    BadOutput(String),
    /// Stopped from outside: the topology is being aborted.
    #[error("the call was stopped because the run is being aborted")]
    Aborted,
    /// The host could not serve the call. Not the plugin's fault.
    #[error("the host could not run the function: {0}")]
    Host(String),
}

impl PluginFault {
    /// The same rows would fail the same way.
    pub fn is_deterministic(&self) -> bool {
        match self {
            PluginFault::GaveUp { .. }
            | PluginFault::Trapped { .. }
            | PluginFault::OutOfMemory { .. }
            | PluginFault::OutOfFuel { .. }
            | PluginFault::OutputTooLarge { .. }
            | PluginFault::BadOutput(_) => true,
            PluginFault::NoMemoryLeft { .. }
            | PluginFault::OutOfTime { .. }
            | PluginFault::Aborted
            | PluginFault::Host(_) => false,
        }
    }

    /// The same, but a row that was not among the `rows` of the call is nobody's fault.
    pub(super) fn within(mut self, rows: usize) -> Self {
        if let PluginFault::GaveUp { row, .. } = &mut self {
            *row = row.filter(|row| (*row as usize) < rows);
        }
        self
    }

    /// More lines for people: a stack trace. May be empty.
    pub fn detail(&self) -> String {
        match self {
            PluginFault::GaveUp { detail, .. } => detail.clone(),
            PluginFault::Trapped { backtrace, .. } => backtrace.join("\n"),
            _ => String::new(),
        }
    }
}

fn at_row(row: Option<u32>) -> String {
    row.map_or_else(String::new, |row| format!(" (at row {row} of the chunk)"))
}

fn last_words(line: Option<&str>) -> String {
    line.map_or_else(String::new, |line| format!("; it last said: {line}"))
}

/// Bytes as people read them.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b if b >= 1 << 20 && b.is_multiple_of(1 << 20) => write!(f, "{} MiB", b >> 20),
            b if b >= 1 << 10 && b.is_multiple_of(1 << 10) => write!(f, "{} KiB", b >> 10),
            b => write!(f, "{b} bytes"),
        }
    }
}

/// Guest text made safe to show: control characters become spaces, and it is cut at `most` bytes.
pub(super) fn printable(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most.min(text.len()));
    let mut shown: String = text[..end]
        .chars()
        .map(|c| if c.is_control() || is_bidi(c) { ' ' } else { c })
        .collect();
    if end < text.len() {
        shown.push('…');
    }
    shown
}

/// As [`printable`], but lines stay lines.
pub(super) fn printable_lines(text: &str, most: usize) -> String {
    let lines = text.lines().take(64);
    let shown: Vec<String> = lines.map(|line| printable(line, most)).collect();
    let mut shown = shown.join("\n");
    shown.truncate(shown.floor_char_boundary(most));
    shown
}

/// Marks that turn the direction of text around, with which a line can lie about its content.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_text_cannot_move_the_cursor_or_flood_the_screen() {
        assert_eq!(printable("a\x1b[2Jb\nc\u{202e}d", 100), "a [2Jb c d");
        assert_eq!(printable("ääää", 5), "ää…");
        assert_eq!(printable("", 5), "");
        assert_eq!(printable_lines("a\tb\nc\x07d", 100), "a b\nc d");
    }

    #[test]
    fn only_limits_on_time_and_the_hosts_own_trouble_may_go_away_by_themselves() {
        assert!(PluginFault::BadOutput(String::new()).is_deterministic());
        let limit = Duration::from_secs(1);
        assert!(!PluginFault::OutOfTime { limit }.is_deterministic());
        assert!(!PluginFault::Host(String::new()).is_deterministic());
    }
}
