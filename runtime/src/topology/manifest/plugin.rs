//! `[plugin.x]`: a plugin besides the one on the command line.

use std::path::PathBuf;

use super::{
    spanned::Spanned,
    table::{Table, Value},
};
use crate::{
    model::{Grant, InvalidGrant, PluginName},
    topology::problem::{ProblemKind, Problems, choices},
};

/// The prefix of functions that are built in; no plugin may be called so.
pub(crate) const STD: &str = "std";

/// A plugin as defined.
#[derive(Debug, Clone)]
pub(crate) struct PluginEntry {
    pub(crate) alias: Spanned<PluginName>,
    /// As written; none if it is missing, which has been reported.
    pub(crate) path: Option<PathBuf>,
    pub(crate) grants: Vec<Grant>,
}

pub(super) fn read(
    name: Spanned<String>,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<PluginEntry> {
    let path = table.require_text("path", "the path of a .wasm file", problems);
    let grants = table.take("grants");
    let grants = grants.map(|grants| read_grants(&grants, problems));
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
            grants: grants.unwrap_or_default(),
        }),
        Err(invalid) => {
            problems.report(ProblemKind::BadName(invalid), name.at);
            None
        }
    }
}

/// Reads all grants that are right; a grant that is silently not given would only show once the
/// plugin runs.
fn read_grants(grants: &Value<'_>, problems: &mut Problems) -> Vec<Grant> {
    const WANTED: &str = "a list of grants";
    let list = grants.list(WANTED, problems).unwrap_or_default();
    let grants = list.iter().filter_map(|grant| {
        let text = grant.text(WANTED, problems)?;
        let invalid = match text.value.parse() {
            Ok(grant) => return Some(grant),
            Err(invalid) => invalid,
        };
        let kind = match invalid {
            InvalidGrant::Unknown(name) => ProblemKind::UnknownChoice {
                what: "a grant".to_owned(),
                name,
            },
            InvalidGrant::Network => ProblemKind::NotYet {
                what: "granting a plugin the network".to_owned(),
            },
            InvalidGrant::Incomplete { grant, why } => ProblemKind::BadValue {
                key: grant,
                why: why.to_owned(),
            },
        };
        let help = choices("a grant is one of", Grant::FORMS);
        problems.report(kind, text.at).help(help);
        None
    });
    grants.collect()
}
