//! `rsrt history`: which programs have made the batches of a checkpoint.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::json;

use super::{
    Environment, Failure,
    output::{self, Format},
    remote::{self, Remote},
};
use crate::{
    checkpoint::{Inside, Version},
    model::{BatchTime, Location},
};

const EXAMPLES: &str = "\
Examples:
  rsrt history counts
  rsrt history checkpoints
  rsrt history checkpoints --format json

The last one makes the batches that come. A way back leads from a version that failed, or that nobody wanted,
to the one before, which has made its batches again. Versions whose batches nobody can ask for any more
are left out, but for a few. A run need not stop for it.";

/// Show the versions of a deployed topology, or those that have made the batches of a checkpoint
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A deployed topology, or the `checkpoint` of a run
    #[arg(value_name = "NAME|DIR|URL")]
    of: String,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    if let Some(name) = arguments.remote.deployed(&arguments.of, environment) {
        return remote::history(&name, &arguments.remote, environment);
    }
    let location: Location = arguments.of.parse().map_err(Failure::input)?;
    let inside = Inside::read(&location).map_err(Failure::input)?;
    let answer = match arguments.remote.format() {
        Format::Text => inside.versions.iter().map(text).collect::<String>(),
        Format::Json => {
            let versions: serde_json::Value = inside.versions.iter().map(object).collect();
            format!("{versions}\n")
        }
    };
    output::answer(&answer)?;
    Ok(ExitCode::SUCCESS)
}

fn text(version: &Version) -> String {
    let mut text = format!("version {}: ", version.id);
    let _ = match version.from {
        i64::MIN => write!(text, "from the first batch on"),
        from => write!(text, "from batch {} on", BatchTime::from_millis(from)),
    };
    if let Some(since) = version.since {
        let _ = write!(text, ", taken up at {}", BatchTime::from_millis(since)); // to memory
    }
    let _ = write!(text, ", topology {}", short(&version.program.topology)); // to memory
    for (alias, digest) in &version.program.plugins {
        let alias = alias.as_deref().unwrap_or("plugin");
        let _ = write!(text, ", {alias} {}", short(digest)); // to memory
    }
    if let Some(why) = &version.back {
        let _ = write!(text, ", the way back from the version before it: {why}"); // to memory
    }
    if !version.forgets.is_empty() {
        let forgets = version.forgets.join(", ");
        let _ = write!(text, "; without the state of {forgets}"); // to memory
    }
    text.push('\n');
    text
}

fn object(version: &Version) -> serde_json::Value {
    let plugins = version.program.plugins.iter();
    let plugins: Vec<_> = plugins
        .map(|(alias, digest)| json!({ "alias": alias, "digest": digest }))
        .collect();
    json!({
        "version": version.id,
        "from": (version.from != i64::MIN).then_some(version.from),
        "since": version.since,
        "topology": version.program.topology,
        "plugins": plugins,
        "parallelism": version.parallelism,
        "forgets": version.forgets,
        "back": version.back,
    })
}

/// Enough of a digest to tell one from another.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
