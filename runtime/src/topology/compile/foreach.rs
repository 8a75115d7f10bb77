//! Sinks that call a function.

use super::{
    call, columns,
    functions::{Functions, Wanted},
};
use crate::{
    model::Schema,
    topology::{
        SinkKind,
        manifest::ForeachEntry,
        problem::{ProblemKind, Problems},
    },
};

/// Checks the function of a sink against the columns of its stream, as far as they are known.
pub(crate) fn check(
    entry: &ForeachEntry,
    input: Option<&Schema>,
    functions: Functions<'_>,
    problems: &mut Problems,
) -> Option<SinkKind> {
    let found = functions.find(&entry.function, Wanted::Foreach, problems)?;
    let (wanted, all) = (found.function.input.as_ref(), columns::all(input?));
    let at = entry.function.at;
    let selected = call::columns_for(&found, wanted, &all, "the stream", at, problems)?;
    if found.info.resolves {
        let fields = selected.iter().map(|column| column.field.clone());
        let columns = Schema::new(fields.collect()).map_err(|invalid| invalid.to_string());
        let name = &found.function.name;
        let (catalog, shown) = (functions.catalog, call::shown(&entry.settings));
        let answer =
            columns.and_then(|columns| catalog.resolve(found.alias, name, &shown, &columns));
        if let Err(reason) = answer {
            let function = name.clone();
            problems.report(ProblemKind::Refused { function, reason }, at);
            return None;
        }
    }
    Some(SinkKind::Foreach {
        call: call::call(&found, &selected),
        settings: entry.settings.clone(),
    })
}
