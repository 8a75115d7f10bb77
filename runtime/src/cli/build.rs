//! `rsrt build`: a plugin's crate to its component.

use std::{path::PathBuf, process::ExitCode};

use super::{Failure, output};
use crate::toolchain::{self, BuildError, Guest, Install};

const EXAMPLES: &str = "\
Examples:
  rsrt build                            the crate here -> NAME.wasm
  rsrt build plugins/text -o text.wasm
  rsrt build --install                  installs a compiler for WebAssembly if there is none

Compilers, in this order: a rustup toolchain with wasm32-unknown-unknown, Debian's rustc-web.
RSRT_GUEST_TOOLCHAIN=rustup|debian forces one.";

/// Compile a plugin written in Rust
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directory of the plugin's crate
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where the component goes [default: DIR/NAME.wasm]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Install a compiler for WebAssembly if there is none
    #[arg(long)]
    install: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let install = match arguments.install {
        true => Install::Allowed,
        false => Install::Forbidden,
    };
    let environment =
        toolchain::Environment::read(&arguments.dir, install).map_err(Failure::input)?;
    let guest = Guest {
        directory: arguments.dir.clone(),
        output: arguments.output.clone(),
        target_directory: None,
    };
    if !arguments.dir.join("Cargo.toml").is_file() {
        let directory = arguments.dir.clone();
        return Err(Failure::input(BuildError::NoCrate { directory }));
    }
    let found = toolchain::find(&environment).map_err(Failure::run)?;
    let component = toolchain::build(&found, &guest).map_err(|error| match error {
        BuildError::NoCrate { .. } => Failure::input(error),
        _ => Failure::run(error),
    })?;
    output::answer(&format!("{}\n", component.display()))?;
    Ok(ExitCode::SUCCESS)
}
