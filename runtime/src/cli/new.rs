//! `rsrt new`: a plugin to start from.

use std::{path::PathBuf, process::ExitCode};

use super::{Failure, output};
use crate::toolchain::{NewPluginError, new_plugin};

const EXAMPLES: &str = "\
Examples:
  rsrt new my-plugin
  rsrt new my-plugin --dir work/plugins/mine";

/// Write a new plugin: a crate that compiles, a topology that runs, a test that passes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The plugin's name: lower-case words with - between them
    name: String,
    /// Where it goes; must be new or empty [default: NAME]
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let name = &arguments.name;
    let directory = arguments.dir.clone().unwrap_or_else(|| name.into());
    new_plugin(&directory, name).map_err(|error| match error {
        NewPluginError::File { .. } => Failure::run(error),
        _ => Failure::input(error),
    })?;
    let directory = directory.display();
    output::answer(&format!(
        "{name} is in {directory}. Next:\n\n    \
         cd {directory}\n    \
         cargo test                        # its functions, natively\n    \
         rsrt build                        # -> {name}.wasm\n    \
         rsrt test topo.toml --plugin {name}.wasm --cases cases.json\n    \
         rsrt run {name}.wasm --topology topo.toml\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}
