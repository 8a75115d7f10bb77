//! What the compiler asks of plugins.

use std::collections::BTreeMap;

use crate::model::{PluginInfo, PluginName, Schema};

/// The plugins that a topology may call, already loaded. Lets types be checked without knowing
/// what a sandbox is.
pub trait Catalog {
    /// What the plugin says of itself. `None` is the default plugin. Returns none if there is no
    /// such plugin.
    fn plugin(&self, alias: Option<&PluginName>) -> Option<&PluginInfo>;

    /// Asks the plugin what comes out of `function` with these settings and this input; only
    /// called if [`PluginInfo::resolves`]. `input` are the columns that the function gets, for an
    /// aggregate those of its values. Nothing comes out of a filter: its columns are not looked at,
    /// and `input` itself will do.
    ///
    /// # Errors
    /// One line that says what is wrong with the settings or the input.
    fn resolve(
        &self,
        alias: Option<&PluginName>,
        function: &str,
        settings: &BTreeMap<String, String>,
        input: &Schema,
    ) -> Result<Schema, String>;
}
