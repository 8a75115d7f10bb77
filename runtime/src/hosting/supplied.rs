//! Plugins that were uploaded, and what they are given.

use std::{path::Path, sync::Arc};

use super::{Allowance, HostingError, walls::WORK};
use crate::{
    confine::Confinement,
    launch::{self, LaunchError, Loaded, Supply},
    model::{Grant, PluginName},
    plugin::{Grants, is_core_module},
    topology::{Manifest, Plugin},
};

/// Components by alias; none is the default plugin.
pub(super) struct Uploaded(pub(super) Vec<(Option<String>, Arc<[u8]>)>);

impl Uploaded {
    pub(super) fn new(plugins: Vec<(Option<String>, Vec<u8>)>) -> Result<Self, HostingError> {
        let mut components: Vec<(Option<String>, Arc<[u8]>)> = Vec::new();
        for (alias, bytes) in plugins {
            if components.iter().any(|(known, _)| *known == alias) {
                let what = format!("two files are given for {}", named(alias.as_deref()));
                return Err(HostingError::Upload(what));
            }
            // To make a component of a module takes as long as the module wants, in this process.
            if is_core_module(&bytes) {
                let named = named(alias.as_deref());
                let what =
                    format!("{named} is a core module; `rsrt deploy` makes a component of it");
                return Err(HostingError::Upload(what));
            }
            components.push((alias, bytes.into()));
        }
        Ok(Self(components))
    }

    /// Another one of this name, or one more.
    pub(super) fn replace(&mut self, alias: Option<String>, bytes: Arc<[u8]>) {
        let mut known = self.0.iter_mut();
        match known.find(|(known, _)| *known == alias) {
            Some(known) => known.1 = bytes,
            None => self.0.push((alias, bytes)),
        }
    }

    /// Every plugin that is called is here, and none besides.
    pub(super) fn check_aliases(&self, manifest: &Manifest) -> Result<(), HostingError> {
        let called = manifest.plugins(Path::new(""));
        let alias = |plugin: &Plugin| plugin.alias.as_ref().map(ToString::to_string);
        let unused = self
            .0
            .iter()
            .find(|(given, _)| called.iter().all(|plugin| alias(plugin) != *given));
        if let Some((given, _)) = unused {
            let what = format!("no operator or sink calls {}", named(given.as_deref()));
            return Err(HostingError::Upload(what));
        }
        let missing = called
            .iter()
            .filter(|plugin| plugin.alias.is_some())
            .find(|plugin| self.0.iter().all(|(given, _)| alias(plugin) != *given));
        match missing {
            None => Ok(()),
            Some(plugin) => Err(HostingError::Upload(format!(
                "{} is called but not uploaded; deploy with --plugin NAME=FILE",
                named_of(plugin)
            ))),
        }
    }
}

fn named(alias: Option<&str>) -> String {
    alias.map_or_else(
        || "the default plugin".to_owned(),
        |name| format!("plugin `{name}`"),
    )
}

fn named_of(plugin: &Plugin) -> String {
    named(plugin.alias.as_ref().map(PluginName::as_str))
}

/// Uploaded plugins in a namespace that may reach so much.
pub(super) struct Supplied<'a> {
    pub(super) uploaded: &'a Uploaded,
    pub(super) allowance: &'a Allowance,
    pub(super) confinement: &'a Confinement,
}

impl Supplied<'_> {
    /// No plugin imports what plugins of this namespace are not given.
    pub(super) fn check_imports(&self, loaded: &Loaded) -> Result<(), LaunchError> {
        if self.allowance.has_wasi() {
            return Ok(());
        }
        let plugins = loaded.topology.plugins.iter().zip(&loaded.plugins);
        let mut importing = plugins.filter(|(_, loaded)| loaded.imports_wasi());
        match importing.next() {
            None => Ok(()),
            Some((plugin, _)) => Err(LaunchError::input(format!(
                "{} imports WASI, which is not granted to plugins of this namespace; build it without, as the SDK does, or ask who runs this server for `grants = [\"wasi\"]`",
                named_of(plugin)
            ))),
        }
    }

    fn refused(&self, plugin: &Plugin, grant: &Grant) -> LaunchError {
        let may: Vec<_> = self
            .allowance
            .grants
            .iter()
            .map(ToString::to_string)
            .collect();
        let may = match may.is_empty() {
            true => "nothing".to_owned(),
            false => may.join(", "),
        };
        LaunchError::input(format!(
            "{} is granted {grant} by its topology, but plugins of this namespace are not granted that (what is: {may}); leave it out, or ask who runs this server",
            named_of(plugin)
        ))
    }
}

impl Supply for Supplied<'_> {
    type Error = LaunchError;

    fn component(&self, plugin: &Plugin) -> Result<Option<(String, Arc<[u8]>)>, LaunchError> {
        let alias = plugin.alias.as_ref().map(PluginName::as_str);
        let mut uploaded = self.uploaded.0.iter();
        let found = uploaded.find(|(known, _)| known.as_deref() == alias);
        Ok(found.map(|(_, bytes)| (named(alias), bytes.clone())))
    }

    /// What a topology says of the machine is its tenant's wish: it is given as far as the server's
    /// configuration says. Variables are those of the configuration, not of the process.
    fn grants(&self, plugin: &Plugin) -> Result<Grants, LaunchError> {
        let variable = |name: &str| Ok(self.allowance.variables.get(name).cloned());
        let mut grants = plugin.grants.iter();
        grants.try_fold(Grants::default(), |given, grant| {
            if !self.allowance.may_grant(grant) {
                return Err(self.refused(plugin, grant));
            }
            let work = Path::new(WORK);
            // Nobody else can make a directory in a work directory.
            if let Grant::Read(path) | Grant::Write(path) = grant
                && path.is_relative()
                && let Ok(place) = self.confinement.to_write(&work.join(path).into())
                && let Err(error) = place.create_directories()
            {
                tracing::debug!("{grant}: the directory is not made: {error}");
            }
            let reach = (work, self.confinement);
            launch::granted(given, grant, reach, &variable)
        })
    }
}
