//! Plugins that were uploaded.

use std::sync::Arc;

use super::HostingError;
use crate::{
    launch::{self, LaunchError, Supply},
    model::PluginName,
    plugin::Grants,
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
            let component = launch::component(bytes, &named(alias.as_deref()))?;
            components.push((alias, component));
        }
        Ok(Self(components))
    }

    /// Every plugin that is called is here, and none besides.
    pub(super) fn check_aliases(&self, manifest: &Manifest) -> Result<(), HostingError> {
        let called = manifest.plugins(std::path::Path::new(""));
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
                named(plugin.alias.as_ref().map(PluginName::as_str))
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

impl Supply for Uploaded {
    type Error = LaunchError;

    fn component(&self, plugin: &Plugin) -> Result<Option<(String, Arc<[u8]>)>, LaunchError> {
        let alias = plugin.alias.as_ref().map(PluginName::as_str);
        let found = self.0.iter().find(|(known, _)| known.as_deref() == alias);
        Ok(found.map(|(_, bytes)| (named(alias), bytes.clone())))
    }

    /// Nothing: what a topology says of the machine is its tenant's wish, not the server's.
    fn grants(&self, plugin: &Plugin) -> Result<Grants, LaunchError> {
        match plugin.grants.first() {
            None => Ok(Grants::default()),
            Some(grant) => Err(LaunchError::input(format!(
                "{} is granted {grant} by its topology, but a server grants plugins nothing; leave `grants` out",
                named(plugin.alias.as_ref().map(PluginName::as_str))
            ))),
        }
    }
}
