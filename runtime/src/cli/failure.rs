//! Why a command did not do what it was asked, and the exit code that says so.

use std::fmt::Display;

use crate::{
    launch::{LaunchError, report},
    server::ConfigError,
    telemetry::Colors,
    topology::InvalidTopology,
};

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// What was given is wrong: arguments, a file, a plugin.
    Input {
        /// What is wrong, and where.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The topology is wrong.
    Topology(Box<InvalidTopology>),
    /// The topology is wrong, as a server says.
    Report(String),
    /// The configuration of a server is wrong.
    Config(Box<ConfigError>),
    /// The input is fine, but what was to be done could not be done.
    Run(String),
}

impl Failure {
    /// Something that was given is wrong.
    pub(super) fn input(what: impl Display) -> Self {
        Failure::Input {
            what: what.to_string(),
            hint: None,
        }
    }

    /// What was to be done could not be done.
    pub(super) fn run(what: impl Display) -> Self {
        Failure::Run(what.to_string())
    }

    /// The same, with what to do about it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Failure::Input { what, .. } => Failure::Input {
                what,
                hint: Some(hint.into()),
            },
            other => other,
        }
    }

    /// 1: the run failed; 2: the input was wrong.
    pub(super) fn code(&self) -> u8 {
        match self {
            Failure::Input { .. }
            | Failure::Topology(_)
            | Failure::Report(_)
            | Failure::Config(_) => 2,
            Failure::Run(_) => 1,
        }
    }

    /// All that is wrong, one line each, without decoration.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Failure::Input { what, .. } | Failure::Run(what) | Failure::Report(what) => {
                vec![what.clone()]
            }
            Failure::Config(error) => vec![error.to_string()],
            Failure::Topology(invalid) => {
                invalid.problems().iter().map(ToString::to_string).collect()
            }
        }
    }

    /// As a person reads it, ending with a newline.
    pub(super) fn render(&self, colors: Colors) -> String {
        let error = colors.paint("1;31", "error");
        match self {
            Failure::Topology(invalid) => report(invalid.as_ref(), colors),
            Failure::Config(error) => report(error.as_ref(), colors),
            Failure::Report(text) => text.clone(),
            Failure::Run(what) | Failure::Input { what, hint: None } => {
                format!("{error}: {what}\n")
            }
            Failure::Input {
                what,
                hint: Some(hint),
            } => {
                let label = colors.paint("1;36", "hint");
                format!("{error}: {what}\n {label}: {hint}\n")
            }
        }
    }
}

impl From<InvalidTopology> for Failure {
    fn from(invalid: InvalidTopology) -> Self {
        Failure::Topology(Box::new(invalid))
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Input(what) => Failure::input(what),
            LaunchError::Topology(invalid) => Failure::Topology(invalid),
            LaunchError::Run(what) => Failure::Run(what),
        }
    }
}
