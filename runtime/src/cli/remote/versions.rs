//! `rsrt swap`, `rsrt rollback`, and what `rsrt diff` and `rsrt history` say of deployed topologies.

use std::{fmt::Write as _, num::NonZeroU64, path::PathBuf, process::ExitCode, time::Duration};

use serde_json::{Value, json};

use super::{Remote, answer, client::Client, deploy};
use crate::{
    cli::{
        Environment, Failure,
        loading::GivenPlugin,
        output::{self, Format},
    },
    hosting::{ShownChange, ShownVersion},
    model::{BatchTime, TopologyName},
};

const EXAMPLES: &str = "\
Examples:
  rsrt swap counts new.wasm                        another build of the default plugin
  rsrt swap counts new.wasm --operator words       for one operator only; the others keep theirs
  rsrt swap counts --plugin text=text.wasm         another build of the plugin called text
  rsrt swap counts new.wasm --shadow 20                tried on 20 batches first, without effect
  rsrt swap counts new.wasm --topology topo.toml   another topology, too

What would change is shown first, part by part; what cannot take over changes nothing. It takes over at the
next batch. `rsrt diff NAME ...` only shows it.
Exit codes: 0 it has taken over, 1 it did and was rolled back, 2 it may not, or what was given is wrong.";

/// How often a version that waits is asked about.
const LOOK: Duration = Duration::from_secs(1);

/// Have another version of a deployed topology take over while it runs
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Swap {
    /// The topology
    name: TopologyName,
    /// The default plugin of the new version
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: Option<PathBuf>,
    /// The new topology; as it is, if there is none
    #[arg(long, short, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// A plugin: FILE is the default one, NAME=FILE the one that the topology calls NAME
    #[arg(long = "plugin", value_name = "[NAME=]FILE")]
    plugins: Vec<GivenPlugin>,
    /// Only this operator calls the new plugin
    #[arg(long, value_name = "OPERATOR", conflicts_with = "topology")]
    operator: Option<String>,
    /// First have it make so many batches beside the running version, without effect, and compare what both put out
    #[arg(long, value_name = "BATCHES")]
    shadow: Option<NonZeroU64>,
    /// With --shadow: so many rows may differ
    #[arg(long, value_name = "ROWS", requires = "shadow", default_value_t = 0)]
    max_diff: u64,
    /// State that would be lost may be
    #[arg(long)]
    accept_state_loss: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Have a version of a deployed topology that ran before take over again
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Rollback {
    /// The topology
    name: TopologyName,
    /// The version's number, as `rsrt history` shows it [default: the one that ran before]
    version: Option<u64>,
    /// State that would be lost may be
    #[arg(long)]
    accept_state_loss: bool,
    #[command(flatten)]
    remote: Remote,
}

/// What a version is made of.
pub(in crate::cli) struct NewVersion<'a> {
    pub(in crate::cli) plugin: Option<&'a PathBuf>,
    pub(in crate::cli) topology: Option<&'a PathBuf>,
    pub(in crate::cli) plugins: &'a [GivenPlugin],
}

impl NewVersion<'_> {
    fn body(&self) -> Result<Value, Failure> {
        let default = self.plugin.map(|path| GivenPlugin::default_plugin(path));
        let given: Vec<_> = default
            .into_iter()
            .chain(self.plugins.iter().cloned())
            .collect();
        match self.topology {
            Some(file) => deploy::whole(file, &given),
            None if given.is_empty() => {
                Err(Failure::input("a plugin or --topology FILE is needed"))
            }
            None => Ok(json!({ "plugins": deploy::uploads(&given)? })),
        }
    }
}

pub(in crate::cli) fn swap(
    arguments: &Swap,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let new = NewVersion {
        plugin: arguments.plugin.as_ref(),
        topology: arguments.topology.as_ref(),
        plugins: &arguments.plugins,
    };
    let mut body = new.body()?;
    if let Some(operator) = &arguments.operator {
        body["operator"] = json!(operator);
    }
    body["accept-state-loss"] = json!(arguments.accept_state_loss);
    body["shadow"] = json!(arguments.shadow);
    body["max-diff"] = json!(arguments.max_diff);
    let client = Client::new(&arguments.remote, environment)?;
    take(&client, &arguments.name, &body, arguments.remote.format)
}

/// Shows what a version would change, has it take over, and says what became of it.
pub(super) fn take(
    client: &Client,
    name: &TopologyName,
    body: &Value,
    format: Format,
) -> Result<ExitCode, Failure> {
    let mut asked = body.clone();
    if let Some(asked) = asked.as_object_mut() {
        asked.remove("start");
    }
    let changes: Vec<ShownChange> = client.post(&format!("/{name}/diff"), Some(&asked))?;
    if format == Format::Text {
        output::answer(&ShownChange::lines(&changes))?;
    }
    let version: ShownVersion = client.post(&format!("/{name}/swap"), Some(body))?;
    let version = decided(client, name, version)?;
    let mut both = json!(version);
    both["changes"] = json!(changes);
    ended(name, &version, &both, format)
}

pub(in crate::cli) fn rollback(
    arguments: &Rollback,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let Rollback { name, remote, .. } = arguments;
    let client = Client::new(remote, environment)?;
    let body = json!({
        "version": arguments.version,
        "accept-state-loss": arguments.accept_state_loss,
    });
    let version: ShownVersion = client.post(&format!("/{name}/rollback"), Some(&body))?;
    let version = decided(&client, name, version)?;
    ended(name, &version, &json!(version), remote.format)
}

/// Waits as long as a version waits.
fn decided(
    client: &Client,
    name: &TopologyName,
    mut version: ShownVersion,
) -> Result<ShownVersion, Failure> {
    while version.outcome == "waiting" {
        client.pause(LOOK);
        let all: Vec<ShownVersion> = client.get(&format!("/{name}/versions"))?;
        let found = all.into_iter().find(|one| one.version == version.version);
        version = found.ok_or_else(|| Failure::run("the version is forgotten"))?;
    }
    Ok(version)
}

fn ended(
    name: &TopologyName,
    version: &ShownVersion,
    json: &Value,
    format: Format,
) -> Result<ExitCode, Failure> {
    answer(format, json, || {
        let outcome = match (version.from, &version.why) {
            (_, Some(why)) => format!("is {}: {why}", version.outcome),
            (Some(from), None) => {
                format!("makes the batches from {} on", BatchTime::from_millis(from))
            }
            (None, None) => format!("is {}", version.outcome),
        };
        let mut text = String::new();
        for line in &version.shadow {
            let _ = writeln!(text, "{line}"); // to memory
        }
        let _ = writeln!(text, "version {} of {name} {outcome}", version.version); // to memory
        text
    })?;
    Ok(match version.outcome.as_str() {
        "live" => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What a version of a deployed topology would change.
pub(in crate::cli) fn diff(
    name: &TopologyName,
    new: &NewVersion<'_>,
    (remote, environment): (&Remote, &Environment),
) -> Result<Vec<ShownChange>, Failure> {
    let body = new.body()?;
    let client = Client::new(remote, environment)?;
    client.post(&format!("/{name}/diff"), Some(&body))
}

/// The versions of a deployed topology, as text or JSON.
pub(in crate::cli) fn history(
    name: &TopologyName,
    remote: &Remote,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let client = Client::new(remote, environment)?;
    let all: Vec<ShownVersion> = client.get(&format!("/{name}/versions"))?;
    answer(remote.format, &json!(all), || {
        all.iter().map(line).collect()
    })
}

fn line(version: &ShownVersion) -> String {
    let mut text = format!("version {}: {}", version.version, version.outcome);
    if let Some(from) = version.from {
        let _ = write!(text, ", from batch {} on", BatchTime::from_millis(from)); // to memory
    }
    let at = BatchTime::from_millis(version.at);
    let _ = write!(
        text,
        ", deployed at {at} by {}, topology {}",
        version.by,
        short(&version.topology)
    ); // to memory
    for plugin in &version.plugins {
        let name = plugin.name.as_deref().unwrap_or("plugin");
        let _ = write!(text, ", {name} {}", short(&plugin.digest)); // to memory
    }
    if let Some(why) = &version.why {
        let _ = write!(text, "; {why}"); // to memory
    }
    text.push('\n');
    text
}

/// Enough of a digest to tell one from another.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
