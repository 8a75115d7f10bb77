//! A topology's file and its plugins, loaded and checked.

use std::{
    env, fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use super::{
    Environment, Failure,
    grants::{self, GivenGrant, Granted},
};
pub(super) use crate::launch::State;
use crate::{
    checkpoint::ProgramFiles,
    confine::Confinement,
    launch::{self, Loaders, Supply, Terms},
    model::{Grant, PluginName, SecretSource},
    plugin::{EngineOptions, Grants, Loader, Plugin},
    topology::{self, Assignment, Manifest, SecretsOf},
};

/// What a topology is loaded from, besides its file.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Given {
    /// A plugin: FILE is the default one, NAME=FILE the one that the topology calls NAME
    #[arg(long = "plugin", value_name = "[NAME=]FILE")]
    pub(super) plugins: Vec<GivenPlugin>,
    /// Set a value of the topology, such as source.lines.path=FILE (a relative path starts at the
    /// topology's directory)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    pub(super) assignments: Vec<Assignment>,
    /// Give a plugin more than its input: env:NAME, read:DIR, write:DIR or stdout. GRANT goes to the
    /// default one, NAME=GRANT to the one that the topology calls NAME
    #[arg(long = "grant", value_name = "[NAME=]GRANT")]
    pub(super) grants: Vec<GivenGrant>,
}

/// A plugin on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenPlugin {
    /// None: the default.
    alias: Option<PluginName>,
    path: PathBuf,
}

impl FromStr for GivenPlugin {
    type Err = std::convert::Infallible;

    /// What stands before `=` is a name only if it could be one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text
            .split_once('=')
            .and_then(|(name, path)| Some((name.parse().ok()?, path)));
        Ok(match named {
            Some((alias, path)) => Self {
                alias: Some(alias),
                path: path.into(),
            },
            None => Self::default_plugin(Path::new(text)),
        })
    }
}

impl GivenPlugin {
    /// What the topology calls it; none: the default.
    pub(super) fn alias(&self) -> Option<&str> {
        self.alias.as_ref().map(PluginName::as_str)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The default plugin.
    pub(super) fn default_plugin(path: &Path) -> Self {
        Self {
            alias: None,
            path: path.to_owned(),
        }
    }
}

/// A topology that can run, with what it calls.
pub(super) struct Loaded {
    pub(super) launched: launch::Loaded,
    /// What plugins are given besides their input: the topology's grants, then those of the command
    /// line.
    pub(super) granted: Vec<Granted>,
}

/// Plugins' bytes from wherever they are, with the grants of the topology and the command line.
struct Supplied<'a, B> {
    bytes: B,
    given: &'a Given,
    base_dir: &'a Path,
    /// What the topology grants is given only as far as nothing can be changed with it.
    only_reads: bool,
}

impl<B> Supply for Supplied<'_, B>
where
    B: Fn(&topology::Plugin) -> Result<Option<(String, Arc<[u8]>)>, Failure>,
{
    type Error = Failure;

    fn component(&self, plugin: &topology::Plugin) -> Result<Option<(String, Arc<[u8]>)>, Failure> {
        (self.bytes)(plugin)
    }

    fn grants(&self, plugin: &topology::Plugin) -> Result<Grants, Failure> {
        let given = &self.given.grants;
        let everything = Confinement::everything();
        if !self.only_reads {
            return grants::open(plugin, given, self.base_dir, &everything);
        }
        let mut plugin = plugin.clone();
        let changes = |grant: &Grant| matches!(grant, Grant::Write(_) | Grant::Stdout);
        for grant in plugin.grants.iter().filter(|grant| changes(grant)) {
            tracing::warn!("{grant} is not granted here; --grant gives it");
        }
        plugin.grants.retain(|grant| !changes(grant));
        grants::open(&plugin, given, self.base_dir, &everything)
    }
}

/// Loads a topology and the plugins it calls, and checks them.
pub(super) fn load(
    file: &Path,
    given: &Given,
    parallelism: NonZeroUsize,
    state: State,
    environment: &Environment,
) -> Result<Loaded, Failure> {
    let manifest = read(file, given)?;
    let default = default_plugin(given)?;
    let uses_default = manifest.uses_default_plugin();
    let bytes = |plugin: &topology::Plugin| {
        let path = match &plugin.alias {
            Some(_) => plugin.path.as_deref(),
            None => default,
        };
        let read = path.map(|path| Ok((path.display().to_string(), component(path)?)));
        read.transpose()
    };
    let how = How {
        parallelism,
        state,
        only_reads: false,
        environment,
    };
    let loaded = assemble(file, manifest, given, bytes, how)?;
    if let (Some(path), false) = (default, uses_default) {
        let loader = plugin_loader(EngineOptions::default(), environment)?;
        load_plugin(&loader, path)?;
        tracing::warn!("no operator calls a function of {}", path.display());
    }
    Ok(loaded)
}

/// Loads a topology as an earlier run did, from what that run kept of it.
pub(super) fn load_kept(
    file: &Path,
    kept: &ProgramFiles,
    given: &Given,
    parallelism: NonZeroUsize,
    environment: &Environment,
) -> Result<Loaded, Failure> {
    let name = format!("{} as of the earlier run", file.display());
    let manifest = Manifest::parse(&name, &kept.text)?;
    let bytes = |plugin: &topology::Plugin| {
        let alias = plugin.alias.as_ref().map(PluginName::as_str);
        let mut plugins = kept.plugins.iter();
        let found = plugins.find(|(known, _)| known.as_deref() == alias);
        let name = alias.map_or_else(|| "the default plugin".to_owned(), ToOwned::to_owned);
        Ok(found.map(|(_, bytes)| (format!("{name} as of the earlier run"), bytes.clone())))
    };
    let how = How {
        parallelism,
        state: State::Kept,
        only_reads: false,
        environment,
    };
    assemble(file, manifest, given, bytes, how)
}

/// How a topology is loaded.
pub(super) struct How<'a> {
    /// Partitions after a shuffle, unless the topology or its checkpoint says.
    pub(super) parallelism: NonZeroUsize,
    pub(super) state: State,
    /// What the topology grants is given only as far as nothing can be changed with it.
    pub(super) only_reads: bool,
    pub(super) environment: &'a Environment,
}

/// Loads plugins from their bytes and compiles the topology.
pub(super) fn assemble(
    file: &Path,
    manifest: Manifest,
    given: &Given,
    bytes: impl Fn(&topology::Plugin) -> Result<Option<(String, Arc<[u8]>)>, Failure>,
    how: How<'_>,
) -> Result<Loaded, Failure> {
    let base_dir = file.parent().unwrap_or(Path::new(""));
    let granted = grants::granted(&manifest.plugins(base_dir), &given.grants)?;
    let supply = Supplied {
        bytes,
        given,
        base_dir,
        only_reads: how.only_reads,
    };
    let loaders = loaders(how.environment)?;
    let terms = Terms {
        base_dir,
        parallelism: how.parallelism,
        state: how.state,
        confinement: &Confinement::everything(),
        loaders: &loaders,
    };
    let launched = launch::assemble(manifest, &supply, terms)?;
    Ok(Loaded { launched, granted })
}

/// Reads the states that operators begin with, so that rows that are no states are told before
/// anything runs.
pub(super) fn check_initial(loaded: Loaded) -> Result<Loaded, Failure> {
    launch::check_initial(&loaded.launched.topology)?;
    Ok(loaded)
}

/// Puts the values of secrets into the topology, before anything runs.
pub(super) fn with_secrets(
    loaded: Loaded,
    source: &dyn SecretSource,
    of: SecretsOf,
) -> Result<Loaded, Failure> {
    Ok(Loaded {
        launched: loaded.launched.with_secrets(source, of)?,
        ..loaded
    })
}

/// The topology's text, with what was given put into it.
pub(super) fn read(file: &Path, given: &Given) -> Result<Manifest, Failure> {
    let name = file.display().to_string();
    let text = fs::read(file)
        .map_err(|error| Failure::input(format!("cannot read topology {name}: {error}")))?;
    let text = String::from_utf8(text)
        .map_err(|error| Failure::input(format!("topology {name} is no text: {error}")))?;
    let mut assignments = given.assignments.clone();
    for plugin in &given.plugins {
        if let Some(alias) = &plugin.alias {
            let path = std::path::absolute(&plugin.path).unwrap_or_else(|_| plugin.path.clone());
            let path = path.to_str().ok_or_else(|| {
                Failure::input(format!("the path {} is no UTF-8", path.display()))
            })?;
            assignments.push(Assignment::text(&["plugin", alias.as_str(), "path"], path));
        }
    }
    let text = topology::assign(&text, &assignments).map_err(Failure::input)?;
    Ok(Manifest::parse(&name, &text)?)
}

fn default_plugin(given: &Given) -> Result<Option<&Path>, Failure> {
    let mut defaults = given.plugins.iter().filter(|plugin| plugin.alias.is_none());
    let default = defaults.next();
    if let (Some(first), Some(second)) = (default, defaults.next()) {
        let (first, second) = (first.path.display(), second.path.display());
        let failure =
            format!("there can be one default plugin, but {first} and {second} are given");
        return Err(Failure::input(failure).hint("name the others: --plugin NAME=FILE"));
    }
    Ok(default.map(|plugin| plugin.path.as_path()))
}

/// What loads plugins in this process.
pub(super) fn loaders(environment: &Environment) -> Result<Loaders, Failure> {
    let program = env::current_exe()
        .map_err(|error| Failure::run(format!("where this program lies is not known: {error}")))?;
    Ok(Loaders::new(program, environment.code_cache.clone()))
}

/// Loads plugins through the cache of compiled code, compiling in a child process.
pub(super) fn plugin_loader(
    options: EngineOptions,
    environment: &Environment,
) -> Result<Arc<Loader>, Failure> {
    Ok(loaders(environment)?.get(options)?)
}

/// Loads a plugin's file; of a core module that carries its interface, a component is made first.
pub(super) fn load_plugin(loader: &Loader, path: &Path) -> Result<Plugin, Failure> {
    let name = path.display().to_string();
    Ok(launch::load_bytes(loader, &component(path)?, &name)?)
}

/// The component in a plugin's file.
pub(super) fn component(path: &Path) -> Result<Arc<[u8]>, Failure> {
    let name = path.display();
    let bytes = fs::read(path)
        .map_err(|error| Failure::input(format!("cannot load plugin {name}: {error}")))?;
    Ok(launch::component(bytes, &name.to_string())?)
}

/// The cores of this machine that this process may use.
pub(super) fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_by_what_could_be_a_name() {
        for (text, alias, path) in [
            ("text.wasm", None, "text.wasm"),
            ("text=a/b.wasm", Some("text"), "a/b.wasm"),
            ("text=a=b.wasm", Some("text"), "a=b.wasm"),
            ("Dir/a=b.wasm", None, "Dir/a=b.wasm"),
        ] {
            let given: GivenPlugin = text.parse().unwrap();
            assert_eq!(given.alias.as_ref().map(PluginName::as_str), alias);
            assert_eq!(given.path, Path::new(path));
        }
    }
}
