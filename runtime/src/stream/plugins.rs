//! The plugins that a topology calls, loaded.

use std::collections::BTreeMap;

use crate::{
    model::{PluginInfo, PluginName, Schema},
    plugin::Plugin,
    topology::{Catalog, Topology},
};

/// Loaded plugins, by what a topology calls them.
#[derive(Clone, Default)]
pub struct Plugins {
    /// None is the default, the one on the command line.
    by_alias: Vec<(Option<PluginName>, Plugin)>,
}

/// A topology calls a plugin that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no plugin is loaded for {}", .0.as_ref().map_or("the default".to_owned(), |p| format!("`{p}`")))]
pub struct NoPlugin(pub Option<PluginName>);

impl Plugins {
    /// Adds a plugin; one of the same alias is replaced.
    pub fn add(&mut self, alias: Option<PluginName>, plugin: Plugin) {
        self.by_alias.retain(|(known, _)| *known != alias);
        self.by_alias.push((alias, plugin));
    }

    /// The plugin of this alias.
    pub fn get(&self, alias: Option<&PluginName>) -> Option<&Plugin> {
        let found = self.by_alias.iter().find(|(a, _)| a.as_ref() == alias);
        found.map(|(_, plugin)| plugin)
    }

    /// The plugins of a topology, in its order.
    ///
    /// # Errors
    /// When one was not loaded; not if this catalog compiled the topology.
    pub fn of(&self, topology: &Topology) -> Result<Vec<Plugin>, NoPlugin> {
        let called = topology.plugins.iter();
        called
            .map(|called| {
                let plugin = self.get(called.alias.as_ref());
                plugin
                    .cloned()
                    .ok_or_else(|| NoPlugin(called.alias.clone()))
            })
            .collect()
    }
}

impl Catalog for Plugins {
    fn plugin(&self, alias: Option<&PluginName>) -> Option<&PluginInfo> {
        self.get(alias).map(Plugin::info)
    }

    fn resolve(
        &self,
        alias: Option<&PluginName>,
        function: &str,
        settings: &BTreeMap<String, String>,
        input: &Schema,
    ) -> Result<Schema, String> {
        let plugin = self.get(alias).ok_or("the plugin is not loaded")?;
        let answer = plugin.resolve(function, settings, input)?;
        // A filter has nothing to answer: its rows are its input's.
        Ok(answer.unwrap_or_else(|| input.clone()))
    }
}
