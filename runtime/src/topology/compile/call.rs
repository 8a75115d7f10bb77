//! A call of a function: its columns, and what comes out.

use std::collections::BTreeMap;

use miette::SourceSpan;

use super::{
    columns::{self, Column},
    functions::Found,
    operator::Site,
};
use crate::{
    model::{Schema, Text},
    topology::{
        Call,
        problem::{ProblemKind, Problems},
    },
};

/// Picks the columns for a function; reports if it does not take them. `part` says what of the
/// stream `found` is.
pub(crate) fn columns_for<'c>(
    function: &Found<'_>,
    wanted: Option<&Schema>,
    found: &[Column<'c>],
    part: &'static str,
    at: SourceSpan,
    problems: &mut Problems,
) -> Option<Vec<Column<'c>>> {
    let selected = columns::select(wanted, found);
    if let (None, Some(wanted)) = (&selected, wanted) {
        let kind = ProblemKind::TypeMismatch {
            function: function.function.name.clone(),
            part,
            wanted: wanted.clone(),
            found: columns::describe(found),
        };
        let problem = problems.report(kind, at);
        problem.help(columns::first_difference(wanted, found).unwrap_or_else(|| {
            "name the columns as the function does, or bring them into its form with a `map`".into()
        }));
    }
    selected
}

/// The call of `function` with these columns.
pub(crate) fn call(function: &Found<'_>, columns: &[Column<'_>]) -> Call {
    Call {
        plugin: function.plugin,
        function: function.function.name.clone(),
        input: columns.iter().map(|column| column.index).collect(),
        sides: Vec::new(),
    }
}

/// What comes out of `function`, which declares `declared`: the plugin is asked if it wants to be.
pub(crate) fn output(
    site: Site<'_>,
    function: &Found<'_>,
    declared: &Schema,
    input: &[Column<'_>],
    at: SourceSpan,
    problems: &mut Problems,
) -> Option<Schema> {
    match resolve(site, function, input) {
        None => Some(declared.clone()),
        Some(Ok(output)) => Some(output),
        Some(Err(reason)) => {
            let function = function.function.name.clone();
            problems.report(ProblemKind::Refused { function, reason }, at);
            None
        }
    }
}

/// Asks the plugin, if it wants to be asked.
pub(crate) fn resolve(
    site: Site<'_>,
    function: &Found<'_>,
    input: &[Column<'_>],
) -> Option<Result<Schema, String>> {
    if !function.info.resolves {
        return None;
    }
    let name = &function.function.name;
    let input = match &function.function.input {
        Some(input) => Ok(input.clone()),
        None => Schema::new(input.iter().map(|column| column.field.clone()).collect()),
    };
    let answer = input
        .map_err(|invalid| invalid.to_string())
        .and_then(|input| {
            let settings = shown(&site.entry.settings);
            let catalog = site.functions.catalog;
            catalog.resolve(function.alias, name, &settings, &input)
        });
    Some(answer)
}

/// The settings as a plugin sees them that is asked before anything runs: nobody has the values of
/// secrets then, so it sees `secret:NAME`.
pub(crate) fn shown(settings: &BTreeMap<String, Text>) -> BTreeMap<String, String> {
    let settings = settings.iter();
    let shown = settings.map(|(key, text)| (key.clone(), text.to_string()));
    shown.collect()
}
