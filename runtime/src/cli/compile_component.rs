//! `rsrt compile-component`: the child process that compiles a plugin, not for people.

use std::{process::ExitCode, time::Duration};

use crate::plugin::{CompileLimits, EngineOptions, compile_child};

/// Compile a component from standard input to standard output
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Arguments {
    /// CPU time it may use
    #[arg(long)]
    cpu_seconds: u64,
    /// Bytes of address space it may use
    #[arg(long)]
    memory: u64,
    /// For an engine that counts fuel
    #[arg(long)]
    fuel: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let limits = CompileLimits {
        cpu_time: Duration::from_secs(arguments.cpu_seconds),
        memory: arguments.memory,
    };
    let options = EngineOptions {
        fuel: arguments.fuel,
    };
    // The parent shows the reason as its own, so it comes without a label.
    match compile_child(limits, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            super::output::complain(&why);
            ExitCode::FAILURE
        }
    }
}
