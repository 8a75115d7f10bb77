//! `rsrt check`: is a topology right, and what does it mean?

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use super::{
    Environment, Failure,
    flow::flow,
    loading::{self, Given},
    output,
};

const EXAMPLES: &str = "\
Examples:
  rsrt check topo.toml --plugin plugin.wasm
  rsrt check topo.toml --plugin text=text.wasm --set parallelism=4

Nothing is run and no source is opened. Exit codes: 0 it is right, 2 it is not.";

/// Check a topology against its plugins, and show the flow and its types
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The topology
    #[arg(value_name = "TOPOLOGY")]
    topology: PathBuf,
    #[command(flatten)]
    given: Given,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let loaded = loading::load(
        &arguments.topology,
        &arguments.given,
        loading::cores(),
        loading::State::Planned,
        environment,
    )?;
    let mut text = format!("ok\n\n{}", flow(&loaded.launched.topology));
    for granted in &loaded.granted {
        let _ = writeln!(text, "{granted}"); // to memory
    }
    for secret in loaded.launched.topology.secrets() {
        let _ = writeln!(text, "secret {}: {}", secret.name, secret.place); // to memory
    }
    output::answer(&text)?;
    Ok(ExitCode::SUCCESS)
}
