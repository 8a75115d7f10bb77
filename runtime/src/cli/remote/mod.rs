//! What is asked of a server: deploy, swap, list, status, logs, stop, start, undeploy.

mod client;
mod deploy;
mod letters;
mod logs;
mod replay;
pub(super) mod secrets;
mod state;
mod table;
mod tap;
mod usage;
mod versions;
mod watch;

use std::{path::Path, process::ExitCode};

use serde_json::json;

use super::{
    Environment, Failure,
    output::{self, Format},
};
use crate::{
    hosting::Status,
    model::{Namespace, TopologyName},
};
use client::Client;
pub(super) use deploy::Arguments as Deploy;
pub(super) use letters::Letters;
pub(super) use logs::{Arguments as Logs, run as logs};
pub(super) use replay::{Replayed, replay};
pub(super) use state::{Arguments as State, run as state};
pub(super) use tap::{Arguments as Tap, run as tap};
pub(super) use usage::{Arguments as UsageOf, run as usage};
pub(super) use versions::{NewVersion, Rollback, Swap, diff, history, rollback, swap};

/// Where to ask, and how to answer.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Remote {
    /// The server, such as https://host:7878 [default: RSRT_SERVER, else the context's]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A context of ~/.config/rsrt/config.toml [default: the one it calls `context`]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The namespace [default: the token's]
    #[arg(long, value_name = "NAME")]
    namespace: Option<Namespace>,
    /// How the answer is written, on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Remote {
    /// The deployed topology that someone means: what could be the name of one, is nothing that lies here, and could be
    /// asked about.
    pub(super) fn deployed(&self, what: &str, environment: &Environment) -> Option<TopologyName> {
        match Path::new(what).exists() || !client::is_known(self, environment) {
            true => None,
            false => what.parse().ok(),
        }
    }

    /// How the answer is written.
    pub(super) fn format(&self) -> Format {
        self.format
    }
}

/// List what is deployed on a server
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
}

/// Show what deployed topologies do
#[derive(Debug, clap::Args)]
pub(super) struct StatusOf {
    /// The topology [default: all]
    name: Option<TopologyName>,
    /// Show it again whenever it has changed, until Ctrl-C; with --format json, a line each time
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    remote: Remote,
}

/// One topology of a server.
#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// The topology
    name: TopologyName,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn list(arguments: &List, environment: &Environment) -> Result<ExitCode, Failure> {
    let remote = &arguments.remote;
    let client = Client::new(remote, environment)?;
    let all: Vec<Status> = client.get("")?;
    answer(remote.format, &json!(all), || table::list(&all))
}

pub(super) fn status(arguments: &StatusOf, environment: &Environment) -> Result<ExitCode, Failure> {
    let remote = &arguments.remote;
    let client = Client::new(remote, environment)?;
    if arguments.watch {
        return watch::watch(arguments, &client);
    }
    if let Some(name) = &arguments.name {
        let one: Status = client.get(&format!("/{name}"))?;
        return answer(remote.format, &json!(one), || table::one(&one));
    }
    let all: Vec<Status> = client.get("")?;
    let text = || all.iter().map(table::one).collect::<Vec<_>>().join("\n");
    answer(remote.format, &json!(all), text)
}

pub(super) fn deploy(arguments: &Deploy, environment: &Environment) -> Result<ExitCode, Failure> {
    let (mut body, name) = deploy::body(arguments)?;
    let client = Client::new(&arguments.remote, environment)?;
    if let Some(name) = name {
        let all: Vec<Status> = client.get("")?;
        if all.iter().any(|status| status.name == name.as_str()) {
            body["start"] = json!(true);
            body["accept-state-loss"] = json!(arguments.accept_state_loss);
            return versions::take(&client, &name, &body, arguments.remote.format);
        }
    }
    let status: Status = client.post("", Some(&body))?;
    answer(arguments.remote.format, &json!(status), || {
        format!("deployed {}: {}\n", status.name, status.phase.name())
    })
}

pub(super) fn start(arguments: &One, environment: &Environment) -> Result<ExitCode, Failure> {
    changed(arguments, environment, "start")
}

pub(super) fn stop(arguments: &One, environment: &Environment) -> Result<ExitCode, Failure> {
    changed(arguments, environment, "stop")
}

fn changed(arguments: &One, environment: &Environment, verb: &str) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.remote, environment)?;
    let status: Status = client.post(&format!("/{}/{verb}", arguments.name), None)?;
    answer(arguments.remote.format, &json!(status), || {
        format!("{}: {}\n", status.name, status.phase.name())
    })
}

pub(super) fn undeploy(arguments: &One, environment: &Environment) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.remote, environment)?;
    client.remove(&format!("/{}", arguments.name))?;
    let gone = json!({ "undeployed": arguments.name.as_str() });
    answer(arguments.remote.format, &gone, || {
        format!("{} is gone, with what it kept\n", arguments.name)
    })
}

fn answer(
    format: Format,
    json: &serde_json::Value,
    text: impl FnOnce() -> String,
) -> Result<ExitCode, Failure> {
    match format {
        Format::Json => output::answer(&format!("{json}\n"))?,
        Format::Text => output::answer(&text())?,
    }
    Ok(ExitCode::SUCCESS)
}
