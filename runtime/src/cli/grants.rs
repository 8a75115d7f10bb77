//! What plugins are given besides their input.

use std::{env, fmt, path::Path, str::FromStr};

use super::Failure;
use crate::{
    confine::Confinement,
    launch::{self, LaunchError},
    model::{Grant, InvalidGrant, PluginName},
    plugin::Grants,
    topology::{Plugin, choices},
};

/// A grant on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenGrant {
    /// None: to the default plugin.
    pub(super) alias: Option<PluginName>,
    pub(super) grant: Grant,
}

/// A text that is no grant, with all there are.
#[derive(Debug, thiserror::Error)]
#[error("{why}; {}", choices("a grant is one of", Grant::FORMS))]
pub(super) struct NoGrant {
    why: InvalidGrant,
}

impl FromStr for GivenGrant {
    type Err = NoGrant;

    /// What stands before `=` is a name only if it could be one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text
            .split_once('=')
            .and_then(|(name, grant)| Some((name.parse().ok()?, grant)));
        let (alias, grant) = match named {
            Some((alias, grant)) => (Some(alias), grant),
            None => (None, text),
        };
        let grant = grant.parse().map_err(|why| NoGrant { why })?;
        Ok(Self { alias, grant })
    }
}

/// What one plugin is given besides its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Granted {
    /// None: the default plugin.
    alias: Option<PluginName>,
    /// Those of the topology, then those of the command line.
    grants: Vec<Grant>,
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grants: Vec<_> = self.grants.iter().map(Grant::to_string).collect();
        let plugin = named(self.alias.as_ref());
        write!(f, "{plugin} is granted {}", grants.join(", "))
    }
}

/// Who is given what; nobody who is given nothing.
pub(super) fn granted(called: &[Plugin], given: &[GivenGrant]) -> Result<Vec<Granted>, Failure> {
    let unused = given
        .iter()
        .find(|given| called.iter().all(|plugin| plugin.alias != given.alias));
    if let Some(GivenGrant { alias, grant }) = unused {
        let plugin = named(alias.as_ref());
        let failure = format!("{grant} is granted to {plugin}, but no operator or sink calls it");
        return Err(Failure::input(failure)
            .hint("--grant GRANT is for the default plugin, --grant NAME=GRANT for another"));
    }
    let granted = called.iter().map(|plugin| Granted {
        alias: plugin.alias.clone(),
        grants: plugin
            .grants
            .iter()
            .chain(of_command_line(plugin, given))
            .cloned()
            .collect(),
    });
    Ok(granted.filter(|it| !it.grants.is_empty()).collect())
}

fn named(alias: Option<&PluginName>) -> String {
    alias.map_or_else(
        || "the default plugin".to_owned(),
        |name| format!("plugin `{name}`"),
    )
}

fn of_command_line<'a>(
    plugin: &'a Plugin,
    given: &'a [GivenGrant],
) -> impl Iterator<Item = &'a Grant> {
    let given = given.iter().filter(|given| given.alias == plugin.alias);
    given.map(|given| &given.grant)
}

/// Opens what a plugin is granted: variables of this program's environment, directories below the
/// topology's own, and only what it may reach; those of the command line where that was typed, by
/// someone who may give everything.
pub(super) fn open(
    plugin: &Plugin,
    given: &[GivenGrant],
    base_dir: &Path,
    confinement: &Confinement,
) -> Result<Grants, Failure> {
    let everything = Confinement::everything();
    let topology = plugin.grants.iter();
    let topology = topology.map(|grant| (grant, base_dir, confinement));
    let typed = of_command_line(plugin, given);
    let typed = typed.map(|grant| (grant, Path::new(""), &everything));
    topology
        .chain(typed)
        .try_fold(Grants::default(), |grants, (grant, base, confinement)| {
            launch::granted(grants, grant, (base, confinement), &variable)
        })
        .map_err(Failure::from)
}

fn variable(name: &str) -> Result<Option<String>, LaunchError> {
    let value = env::var_os(name).map(std::ffi::OsString::into_string);
    let no_text = |_| {
        LaunchError::input(format!(
            "the variable {name}, which is granted, is no UTF-8"
        ))
    };
    value.transpose().map_err(no_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_by_what_could_be_a_name() {
        for (text, alias, grant) in [
            ("stdout", None, "stdout"),
            ("sink=env:A", Some("sink"), "env:A"),
            ("write:/a=b", None, "write:/a=b"),
            ("sink=write:a=b", Some("sink"), "write:a=b"),
        ] {
            let given: GivenGrant = text.parse().unwrap();
            assert_eq!(given.alias.as_ref().map(PluginName::as_str), alias);
            assert_eq!(given.grant.to_string(), grant);
        }
        let wrong = "net".parse::<GivenGrant>().unwrap_err().to_string();
        assert!(wrong.contains("env:NAME"), "{wrong}");
    }
}
