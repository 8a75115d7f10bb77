//! Why a topology does not start.

use std::fmt::{Display, Write as _};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use crate::{telemetry::Colors, topology::InvalidTopology};

/// Columns of a report.
const WIDTH: usize = 100;

/// Bytes of a line that is shown.
const LONGEST_LINE: usize = 2_000;

/// Why a topology does not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// What was given is wrong: a plugin, a file, a checkpoint.
    #[error("{0}")]
    Input(String),
    /// The topology is wrong.
    #[error(transparent)]
    Topology(Box<InvalidTopology>),
    /// What was given is fine, but what was to be done could not be done.
    #[error("{0}")]
    Run(String),
}

impl LaunchError {
    /// Something that was given is wrong.
    pub fn input(what: impl Display) -> Self {
        Self::Input(what.to_string())
    }

    /// What was to be done could not be done.
    pub fn run(what: impl Display) -> Self {
        Self::Run(what.to_string())
    }
}

impl From<InvalidTopology> for LaunchError {
    fn from(invalid: InvalidTopology) -> Self {
        Self::Topology(Box::new(invalid))
    }
}

/// All that is wrong with a text, such as a topology, each with its place, as people read it.
pub fn report(invalid: &dyn Diagnostic, colors: Colors) -> String {
    if has_long_lines(invalid, None) {
        return without_lines(invalid);
    }
    let theme = match colors {
        Colors::On => GraphicalTheme::unicode(),
        Colors::Off => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH);
    let mut text = String::new();
    match handler.render_report(&mut text, invalid) {
        Ok(()) => text,
        Err(_) => format!("error: {invalid}\n"), // writing to memory does not fail
    }
}

/// A line that would be shown is too long for that: it panics where it does not fit into 16 bits.
fn has_long_lines(diagnostic: &dyn Diagnostic, outer: Option<&dyn SourceCode>) -> bool {
    let source = diagnostic.source_code().or(outer);
    let is_long = |label: LabeledSpan| {
        let read = source.map(|source| source.read_span(label.inner(), 1, 1));
        let Some(Ok(shown)) = read else {
            return false;
        };
        let mut lines = shown.data().split(|byte| *byte == b'\n');
        lines.any(|line| line.len() > LONGEST_LINE)
    };
    diagnostic.labels().into_iter().flatten().any(is_long)
        || diagnostic
            .related()
            .into_iter()
            .flatten()
            .any(|related| has_long_lines(related, source))
}

/// The same with places as numbers of bytes.
fn without_lines(invalid: &dyn Diagnostic) -> String {
    let mut text = format!("error: {invalid}\n");
    let related = invalid.related().into_iter().flatten();
    for problem in std::iter::once(invalid).chain(related) {
        for label in problem.labels().into_iter().flatten() {
            let _ = writeln!(text, "  at byte {}: {problem}", label.offset()); // to memory
        }
        if let Some(help) = problem.help() {
            let _ = writeln!(text, "  help: {help}"); // to memory
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Manifest;

    #[test]
    fn a_line_that_is_too_long_is_not_shown() {
        for (length, shown) in [(10, true), (100_000, false)] {
            let text = format!("name = \"{}\n", "\\".repeat(length));
            let invalid = Manifest::parse("t.toml", &text).unwrap_err();
            let report = report(&invalid, Colors::Off);
            assert_eq!(report.contains("name ="), shown, "{report:.200}");
            assert!(report.contains("t.toml"), "{report:.200}");
            assert!(report.len() < 50_000, "{}", report.len());
        }
    }
}
