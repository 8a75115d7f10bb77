//! A topology and its plugins, loaded and checked.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use super::{LaunchError, Loaders, load_bytes};
use crate::{
    checkpoint::{Checkpoint, ProgramFiles},
    confine::Confinement,
    model::{Location, SecretSource},
    plugin::{EngineOptions, Grants, Plugin},
    source::DataSet,
    stream::Plugins,
    topology::{self, Code, Defaults, Manifest, SecretsOf, Topology},
};

/// A topology that can run, with what it calls.
pub struct Loaded {
    /// The topology.
    pub topology: Arc<Topology>,
    /// In the topology's order.
    pub plugins: Vec<Plugin>,
    /// What it is made of.
    pub files: ProgramFiles,
}

impl Loaded {
    /// With the values of its secrets, with which it can run.
    ///
    /// # Errors
    /// Names every secret that has no value, or one that does not fit its place.
    pub fn with_secrets(
        self,
        source: &dyn SecretSource,
        of: SecretsOf,
    ) -> Result<Self, LaunchError> {
        let topology = self.topology.with_secrets(source, of);
        Ok(Self {
            topology: Arc::new(topology.map_err(LaunchError::input)?),
            ..self
        })
    }

    /// What its plugins are, in the topology's order.
    pub fn code(&self) -> Vec<Code> {
        let plugins = self.plugins.iter();
        plugins
            .map(|plugin| Code {
                digest: plugin.digest().to_string(),
                migrates: plugin.info().migrates,
            })
            .collect()
    }

    /// Without the paths of its plugins, which came from elsewhere.
    #[must_use]
    pub fn without_plugin_paths(self) -> Self {
        let mut topology = (*self.topology).clone();
        for plugin in &mut topology.plugins {
            plugin.path = None;
        }
        Self {
            topology: Arc::new(topology),
            ..self
        }
    }

    /// Tied to what it may reach of the machine and the network. Relative paths start at `base_dir`.
    ///
    /// # Errors
    /// With all that it names and may not reach.
    pub fn confined(self, base_dir: &Path, confinement: &Confinement) -> Result<Self, LaunchError> {
        let topology = topology::confine((*self.topology).clone(), base_dir, confinement);
        Ok(Self {
            topology: Arc::new(topology.map_err(LaunchError::input)?),
            ..self
        })
    }
}

/// What becomes of state after the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It must have a place.
    Kept,
    /// It must have a place, which nobody asks now if it is not on this machine.
    Planned,
    /// It is of no use to anyone.
    Dropped,
}

impl State {
    fn is_asked_for(self, location: &Location) -> bool {
        match self {
            Self::Kept => true,
            Self::Planned => matches!(location, Location::Directory(_)),
            Self::Dropped => false,
        }
    }
}

/// A component and what people call it.
pub type NamedBytes = (String, Arc<[u8]>);

/// Where the plugins of a topology come from, and what they are given besides their input.
pub trait Supply {
    /// Why it cannot be had.
    type Error: From<LaunchError>;

    /// The component of a plugin and what people call it; none if there is none.
    ///
    /// # Errors
    /// When it should be there and is not.
    fn component(&self, plugin: &topology::Plugin) -> Result<Option<NamedBytes>, Self::Error>;

    /// What it is granted.
    ///
    /// # Errors
    /// When that cannot be given.
    fn grants(&self, plugin: &topology::Plugin) -> Result<Grants, Self::Error>;
}

/// How a topology is loaded.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Where its relative paths start.
    pub base_dir: &'a Path,
    /// Partitions after a shuffle, unless it or its checkpoint says.
    pub parallelism: NonZeroUsize,
    /// What becomes of its state.
    pub state: State,
    /// What it may reach. Who loads it ties it to that with [`Loaded::confined`].
    pub confinement: &'a Confinement,
    /// What loads its plugins.
    pub loaders: &'a Loaders,
}

/// Loads plugins from their bytes and compiles the topology.
///
/// # Errors
/// When the topology or a plugin is wrong.
pub fn assemble<S: Supply>(
    manifest: Manifest,
    supply: &S,
    terms: Terms<'_>,
) -> Result<Loaded, S::Error> {
    let base_dir = terms.base_dir.to_owned();
    let mut plugins = Plugins::default();
    let options = EngineOptions {
        fuel: manifest.limits.fuel.is_some(),
    };
    let mut files = Vec::new();
    for plugin in manifest.plugins(&base_dir) {
        // Who calls a plugin that has no file is told so, with its place, by the compiler.
        if let Some((name, bytes)) = supply.component(&plugin)? {
            let loader = terms.loaders.get(options)?;
            let loaded = load_bytes(&loader, &bytes, &name)?;
            let grants = supply.grants(&plugin)?;
            if !grants.is_empty() && !loaded.imports_wasi() {
                tracing::warn!("{name} imports nothing of WASI, so its grants give it nothing");
            }
            plugins.add(plugin.alias.clone(), loaded.granted(grants));
            files.push((plugin.alias.as_ref().map(ToString::to_string), bytes));
        }
    }
    // What was begun with so many partitions goes on with them.
    let begun = match manifest.checkpoint() {
        Some(location) if terms.state.is_asked_for(location) => {
            // Where it may not lie nobody looks; that is told with all else that is not allowed.
            let place = terms.confinement.location(location, &base_dir).ok();
            let begun = place.map(|place| Checkpoint::parallelism(&place));
            begun.transpose().map_err(LaunchError::input)?.flatten()
        }
        _ => None,
    };
    let defaults = Defaults {
        parallelism: begun.unwrap_or(terms.parallelism),
        base_dir,
        needs_checkpoint: terms.state != State::Dropped,
    };
    let text = manifest.text().to_owned();
    let topology = manifest
        .compile(&plugins, &defaults)
        .map_err(LaunchError::from)?;
    let plugins = plugins.of(&topology).map_err(LaunchError::input)?;
    let files = ProgramFiles {
        text,
        plugins: files,
    };
    Ok(Loaded {
        topology: Arc::new(topology),
        files,
        plugins,
    })
}

/// Reads the states that operators begin with, so that rows that are no states are told before
/// anything runs.
///
/// # Errors
/// When one cannot be read.
pub fn check_initial(topology: &Topology) -> Result<(), LaunchError> {
    let references = topology.references.iter();
    for initial in references.filter(|reference| !reference.follows_changes) {
        let read = DataSet::new(initial.clone()).rows();
        read.map_err(LaunchError::input)?;
    }
    Ok(())
}
