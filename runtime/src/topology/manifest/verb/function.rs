//! A function, as an operator names it.

use miette::SourceSpan;

use super::super::{plugin::STD, table::Value};
use crate::topology::problem::Problems;

/// A function as an operator names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionRef {
    pub(crate) owner: FunctionOwner,
    pub(crate) name: String,
    pub(crate) at: SourceSpan,
}

/// Whose function it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FunctionOwner {
    /// `"std:sum"`: built in.
    Std,
    /// `"split"`: of the plugin on the command line.
    Default,
    /// `"text:split"`: of the plugin that the topology calls `text`.
    Plugin(String),
}

/// `"split"`, `"text:split"` or `"std:sum"`.
pub(in crate::topology::manifest) fn read_function(
    value: &Value<'_>,
    problems: &mut Problems,
) -> Option<FunctionRef> {
    const WANTED: &str = "a function such as \"split\" or \"text:split\"";
    let text = value.text(WANTED, problems)?;
    let (owner, name) = match text.value.split_once(':') {
        None => (FunctionOwner::Default, text.value),
        Some((STD, name)) => (FunctionOwner::Std, name),
        Some((alias, name)) => (FunctionOwner::Plugin(alias.to_owned()), name),
    };
    if name.is_empty() || text.value.starts_with(':') {
        value.is_bad(format!("must be {WANTED}"), problems);
        return None;
    }
    Some(FunctionRef {
        owner,
        name: name.to_owned(),
        at: value.at,
    })
}
