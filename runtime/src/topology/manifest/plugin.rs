//! `[plugin.x]`: a plugin besides the one on the command line.

use std::path::PathBuf;

use super::{
    spanned::Spanned,
    table::{Table, Value},
};
use crate::{
    model::PluginName,
    topology::problem::{ProblemKind, Problems},
};

/// The prefix of functions that are built in; no plugin may be called so.
pub(crate) const STD: &str = "std";

/// A plugin as defined.
#[derive(Debug, Clone)]
pub(crate) struct PluginEntry {
    pub(crate) alias: Spanned<PluginName>,
    /// As written; none if it is missing, which has been reported.
    pub(crate) path: Option<PathBuf>,
}

pub(super) fn read(
    name: Spanned<String>,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<PluginEntry> {
    let path = table.require_text("path", "the path of a .wasm file", problems);
    if let Some(grants) = table.take("grants") {
        refuse_grants(&grants, problems);
    }
    table.finish(problems);
    if name.value == STD {
        let key = name.value.clone();
        let why = "is the name of the functions that are built in; choose another".to_owned();
        problems.report(ProblemKind::BadValue { key, why }, name.at);
        return None;
    }
    match name.value.parse() {
        Ok(alias) => Some(PluginEntry {
            alias: Spanned::new(alias, name.at),
            path: path.map(|path| PathBuf::from(path.value)),
        }),
        Err(invalid) => {
            problems.report(ProblemKind::BadName(invalid), name.at);
            None
        }
    }
}

/// A grant that is silently not given would only show once the plugin runs.
fn refuse_grants(grants: &Value<'_>, problems: &mut Problems) {
    let Some(list) = grants.list("a list, empty for now", problems) else {
        return;
    };
    if !list.is_empty() {
        let what = "granting a plugin more than its input".to_owned();
        let problem = problems.report(ProblemKind::NotYet { what }, grants.at);
        problem.help("write `grants = []` or leave it out");
    }
}
