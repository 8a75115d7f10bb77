//! `rsrt token`: who may use a server.

use std::{path::PathBuf, process::ExitCode};

use super::{Failure, output, serve::read_config};
use crate::{
    model::Namespace,
    server::{Role, Tokens},
};

const EXAMPLES: &str = "\
Examples:
  rsrt token new --config server.toml --namespace sales
  rsrt token new --config server.toml --admin

It is run on the server's machine. The token is printed once; only a hash of it is kept. A running
server knows it at once.";

/// Make tokens for a server
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a token and print it
    #[command(after_help = EXAMPLES)]
    New(New),
}

#[derive(Debug, clap::Args)]
struct New {
    /// The server's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The namespace that it is good for
    #[arg(long, value_name = "NAME", required_unless_present = "admin")]
    namespace: Option<Namespace>,
    /// It is good for every namespace
    #[arg(long, conflicts_with = "namespace")]
    admin: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let What::New(new) = &arguments.what;
    let config = read_config(&new.config)?;
    let role = match &new.namespace {
        Some(namespace) => Role::Tenant(namespace.clone()),
        None => Role::Admin,
    };
    let token = Tokens::make(&config.data, role).map_err(Failure::run)?;
    output::answer(&format!("{token}\n"))?;
    Ok(ExitCode::SUCCESS)
}
