//! Why a topology does not start.

use std::fmt::Display;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::{telemetry::Colors, topology::InvalidTopology};

/// Columns of a report.
const WIDTH: usize = 100;

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
