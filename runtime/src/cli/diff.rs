//! `rsrt diff`: what another version would change, before anything is changed.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use serde_json::json;

use super::{
    Environment, Failure,
    loading::{self, Given, GivenPlugin, Loaded, State},
    output::{self, Format},
    remote::{self, NewVersion, Remote},
};
use crate::{checkpoint::ProgramFiles, hosting::ShownChange, model::Location};

const EXAMPLES: &str = "\
Examples:
  rsrt diff counts new.wasm                       a deployed topology, with another plugin
  rsrt diff checkpoints new.wasm                      the program that a run keeps, with another plugin
  rsrt diff checkpoints new.wasm --topology topo.toml the same, with another topology, too
  rsrt diff old.toml new.wasm --topology topo.toml --old-plugin old.wasm

Exit codes: 0 it can follow and loses nothing, 1 it cannot or it loses state, 2 what was given is wrong.";

/// Show what another version would change, operator by operator
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The version that runs: the name of a deployed topology, the checkpoint of a run, or a topology (a file
    /// that ends with .toml)
    #[arg(value_name = "NAME|DIR|URL|OLD.toml")]
    old: String,
    /// The default plugin of the new version
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: Option<PathBuf>,
    /// The new topology; as it was, if there is none
    #[arg(long, short, value_name = "FILE")]
    topology: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    /// A plugin of the old topology, as in --plugin
    #[arg(long, value_name = "[NAME=]FILE")]
    old_plugin: Vec<GivenPlugin>,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let changes = if let Some(name) = arguments.remote.deployed(&arguments.old, environment) {
        let new = NewVersion {
            plugin: arguments.plugin.as_ref(),
            topology: arguments.topology.as_ref(),
            plugins: &arguments.given.plugins,
        };
        remote::diff(&name, &new, (&arguments.remote, environment))?
    } else {
        let (old, new) = load(arguments, environment)?;
        ShownChange::between(&old.launched, &new.launched)
    };
    let answer = match arguments.remote.format() {
        Format::Text => ShownChange::lines(&changes),
        Format::Json => format!("{}\n", json!(changes)),
    };
    output::answer(&answer)?;
    let is_fine = !changes.iter().any(ShownChange::is_serious);
    Ok(match is_fine {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn load(arguments: &Arguments, environment: &Environment) -> Result<(Loaded, Loaded), Failure> {
    let mut given = arguments.given.clone();
    let positional = arguments.plugin.as_deref().map(GivenPlugin::default_plugin);
    given.plugins.extend(positional);
    let cores = loading::cores();
    let load =
        |file: &Path, given: &Given| loading::load(file, given, cores, State::Planned, environment);
    let file = Path::new(&arguments.old);
    if file
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        let old = Given {
            plugins: arguments.old_plugin.clone(),
            ..Given::default()
        };
        let (old, new) = (load(file, &old)?, arguments.topology.as_deref());
        return Ok((old, load(new.unwrap_or(file), &given)?));
    }
    let location: Location = arguments.old.parse().map_err(Failure::input)?;
    let kept = ProgramFiles::kept(&location).map_err(Failure::input)?;
    let kept = kept.ok_or_else(|| {
        let failure =
            format!("the checkpoint {location} does not hold what its program is made of");
        Failure::input(failure)
    })?;
    let file = arguments.topology.clone();
    let file = file.unwrap_or_else(|| PathBuf::from("topology"));
    let kept_as = |kept: &ProgramFiles| loading::load_kept(&file, kept, &given, cores, environment);
    let old = kept_as(&kept)?;
    let new = match &arguments.topology {
        Some(file) => load(file, &given)?,
        None => kept_as(&replaced(kept, &given)?)?,
    };
    Ok((old, new))
}

/// What was kept, with these plugins instead of those of the same names.
fn replaced(mut kept: ProgramFiles, given: &Given) -> Result<ProgramFiles, Failure> {
    for plugin in &given.plugins {
        let bytes: Arc<[u8]> = loading::component(plugin.path())?;
        let known = kept.plugins.iter_mut();
        let mut known = known.filter(|(alias, _)| alias.as_deref() == plugin.alias());
        let Some((_, known)) = known.next() else {
            let name = plugin.path().display();
            let failure = Failure::input(format!("the topology calls nothing of {name}"));
            return Err(failure.hint("give the new topology, too: --topology FILE"));
        };
        *known = bytes;
    }
    Ok(kept)
}
