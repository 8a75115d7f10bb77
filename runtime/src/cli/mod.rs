//! The command line: what was typed, what it means, and what people are told.
//!
//! One subcommand a file. Standard output carries what a topology's sinks print, or what a
//! subcommand was asked for; everything else goes to standard error. Exit codes: 0 done, 1 it
//! failed, 2 what was given is wrong.

mod build;
mod check;
mod checkpoint;
mod compile_component;
mod console;
mod dead_letters;
mod diff;
mod environment;
mod failure;
mod flow;
mod grants;
mod history;
mod inspect;
mod loading;
mod new;
mod output;
mod remote;
mod replay;
mod run;
mod secret;
mod secret_values;
mod serve;
mod test;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use console::Console;
use environment::Environment;
use failure::Failure;

use crate::telemetry::{self, LogFilter};

/// What was typed.
#[derive(Debug, Parser)]
#[command(name = "rsrt", version, about = "A streaming runtime whose functions are sandboxed WebAssembly components", after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rsrt new my-plugin                               a plugin to start from
  rsrt build my-plugin                             -> my-plugin/my-plugin.wasm
  rsrt inspect my-plugin/my-plugin.wasm            what it offers
  rsrt test topo.toml --plugin my-plugin.wasm --cases cases.json
  rsrt run my-plugin.wasm --topology topo.toml
  rsrt checkpoint show checkpoints                 what a run has written down
  rsrt replay checkpoints --batch 1767225600000    a batch that a run has made, once more
  rsrt serve --config server.toml                  hosts what is deployed with `rsrt deploy`

Exit codes: 0 done, 1 it failed, 2 what was given is wrong.
Environment: RSRT_CACHE (where compiled plugins are kept), NO_COLOR, RSRT_GUEST_TOOLCHAIN (rustup or debian),
RSRT_SERVER, RSRT_TOKEN and RSRT_CERTIFICATE (the server that is asked, and a certificate to trust).";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Test(test::Arguments),
    Check(check::Arguments),
    Inspect(inspect::Arguments),
    Diff(diff::Arguments),
    Checkpoint(checkpoint::Arguments),
    History(history::Arguments),
    Replay(replay::Arguments),
    DeadLetters(dead_letters::Arguments),
    Secret(secret::Arguments),
    New(new::Arguments),
    Build(build::Arguments),
    Serve(serve::Arguments),
    Deploy(remote::Deploy),
    Swap(remote::Swap),
    Rollback(remote::Rollback),
    List(remote::List),
    Status(remote::StatusOf),
    Logs(remote::Logs),
    Tap(remote::Tap),
    State(remote::State),
    /// Stop a deployed topology after the batches in flight; it stays deployed
    Stop(remote::One),
    /// Start a deployed topology that is stopped, failed or quarantined
    Start(remote::One),
    /// Stop a deployed topology, and remove it with what it kept
    Undeploy(remote::One),
    Usage(remote::UsageOf),
    Token(token::Arguments),
    CompileComponent(compile_component::Arguments),
}

/// Does what the process was started for.
pub fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _points = crate::crash_points::set_up();
    let arguments = Arguments::parse(); // ends the process with 2 if it cannot
    let environment = Environment::read();
    let done = match arguments.command {
        Command::Run(arguments) => run::run(&arguments, &environment),
        Command::Test(arguments) => logging(&environment, |e| test::run(&arguments, e)),
        Command::Check(arguments) => logging(&environment, |e| check::run(&arguments, e)),
        Command::Inspect(arguments) => logging(&environment, |e| inspect::run(&arguments, e)),
        Command::Diff(arguments) => logging(&environment, |e| diff::run(&arguments, e)),
        Command::History(arguments) => history::run(&arguments, &environment),
        Command::Replay(arguments) => replay::run(&arguments, &environment),
        Command::Checkpoint(arguments) => checkpoint::run(&arguments),
        Command::DeadLetters(arguments) => dead_letters::run(&arguments, &environment),
        Command::Secret(arguments) => secret::run(&arguments, &environment),
        Command::New(arguments) => new::run(&arguments),
        Command::Build(arguments) => logging(&environment, |_| build::run(&arguments)),
        Command::Serve(arguments) => serve::run(&arguments, &environment),
        Command::Deploy(arguments) => remote::deploy(&arguments, &environment),
        Command::Swap(arguments) => remote::swap(&arguments, &environment),
        Command::Rollback(arguments) => remote::rollback(&arguments, &environment),
        Command::List(arguments) => remote::list(&arguments, &environment),
        Command::Status(arguments) => remote::status(&arguments, &environment),
        Command::Logs(arguments) => remote::logs(&arguments, &environment),
        Command::Tap(arguments) => remote::tap(&arguments, &environment),
        Command::State(arguments) => remote::state(&arguments, &environment),
        Command::Stop(arguments) => remote::stop(&arguments, &environment),
        Command::Start(arguments) => remote::start(&arguments, &environment),
        Command::Undeploy(arguments) => remote::undeploy(&arguments, &environment),
        Command::Usage(arguments) => remote::usage(&arguments, &environment),
        Command::Token(arguments) => token::run(&arguments),
        Command::CompileComponent(arguments) => Ok(compile_component::run(&arguments)),
    };
    done.unwrap_or_else(|failure| {
        Console::plain(environment.colors).write(&failure.render(environment.colors));
        ExitCode::from(failure.code())
    })
}

/// With what is logged on standard error.
fn logging(
    environment: &Environment,
    command: impl FnOnce(&Environment) -> Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    let filter = LogFilter::parse("info").map_err(Failure::input)?;
    let console = Console::plain(environment.colors);
    telemetry::start(filter, environment.colors, console);
    command(environment)
}
