//! `rsrt deploy`: a topology and the plugins it calls go to a server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::Remote;
use crate::{
    cli::{Failure, loading::GivenPlugin},
    hosting::LONGEST_FILE,
    launch,
    model::{PluginName, TopologyName},
    topology::{Manifest, NamedFile},
};

const EXAMPLES: &str = "\
Examples:
  rsrt deploy plugin.wasm --topology topo.toml
  rsrt deploy --topology topo.toml --plugin text=text.wasm --server https://host:7878

A topology of that name that is deployed already is swapped for this one, as `rsrt swap` does, and started if it does not run.
Every plugin that the topology calls is uploaded: those given here, else from the `path` that it says. So is
every file that it reads by a relative path below its own directory (not what a `directory` source reads).
The server checks all of it before anything runs. The token is read from RSRT_TOKEN or the context.";

/// Deploy a topology to a server
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The default plugin, whose functions the topology calls without a prefix
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: Option<PathBuf>,
    /// The topology
    #[arg(long, short, value_name = "FILE")]
    topology: PathBuf,
    /// A plugin: FILE is the default one, NAME=FILE the one that the topology calls NAME
    #[arg(long = "plugin", value_name = "[NAME=]FILE")]
    plugins: Vec<GivenPlugin>,
    /// If it is deployed already: state that would be lost may be
    #[arg(long)]
    pub(super) accept_state_loss: bool,
    #[command(flatten)]
    pub(super) remote: Remote,
}

/// What is sent, and what the topology calls itself.
pub(super) fn body(arguments: &Arguments) -> Result<(Value, Option<TopologyName>), Failure> {
    let default = arguments.plugin.as_deref().map(GivenPlugin::default_plugin);
    let given: Vec<GivenPlugin> = default
        .into_iter()
        .chain(arguments.plugins.clone())
        .collect();
    let body = whole(&arguments.topology, &given)?;
    let text = body["topology"].as_str().unwrap_or_default();
    let name = Manifest::parse("", text).ok();
    Ok((body, name.and_then(|manifest| manifest.name().cloned())))
}

/// A topology with all that it is made of.
pub(super) fn whole(file: &Path, given: &[GivenPlugin]) -> Result<Value, Failure> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::input(format!("cannot read topology {name}: {error}")))?;
    let manifest = Manifest::parse(&name, &text)?;
    let mut plugins = uploads(given)?;
    let base_dir = file.parent().unwrap_or(Path::new(""));
    for called in manifest.plugins(base_dir) {
        let is_given = given
            .iter()
            .any(|given| given.alias() == called.alias.as_ref().map(PluginName::as_str));
        if let (Some(path), false) = (&called.path, is_given) {
            plugins.push(upload(called.alias.as_ref().map(PluginName::as_str), path)?);
        }
    }
    let files = manifest.files();
    let files = files.iter().map(|file| data_file(base_dir, file));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "file": name, "topology": text, "plugins": plugins, "files": files }))
}

/// A file that the topology reads goes with it.
fn data_file(base_dir: &Path, file: &NamedFile) -> Result<Value, Failure> {
    let NamedFile { path, reader } = file;
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::input(format!("cannot upload {path}, which {reader} reads: {why}"))
            .hint("a file that the server has is named by an absolute path: /ROOT/...")
    };
    let bytes = fs::read(base_dir.join(path)).map_err(|error| cannot(&error))?;
    if bytes.len() > LONGEST_FILE {
        return Err(cannot(&format!("it has more than {LONGEST_FILE} bytes")));
    }
    Ok(json!({
        "path": path,
        "bytes": BASE64_STANDARD.encode(&bytes),
        "digest": blake3::hash(&bytes).to_hex().as_str(),
    }))
}

/// Plugins with their bytes.
pub(super) fn uploads(given: &[GivenPlugin]) -> Result<Vec<Value>, Failure> {
    let given = given.iter();
    given
        .map(|plugin| upload(plugin.alias(), plugin.path()))
        .collect()
}

fn upload(alias: Option<&str>, path: &Path) -> Result<Value, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        Failure::input(format!("cannot load plugin {}: {error}", path.display()))
    })?;
    let bytes = launch::component(bytes, &path.display().to_string())?;
    Ok(json!({
        "name": alias,
        "bytes": BASE64_STANDARD.encode(&bytes),
        "digest": blake3::hash(&bytes).to_hex().as_str(),
    }))
}
