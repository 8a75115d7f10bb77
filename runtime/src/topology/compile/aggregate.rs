//! `reduce`, `reduce-by-key`, and what else reduces.

use miette::SourceSpan;

use super::{
    call,
    columns::{self, Column},
    functions::{Found, Wanted},
    keys,
    operator::{Meaning, Site},
    reduced, streams,
};
use crate::{
    model::{Field, Kind, Role, Schema},
    topology::{
        Reducer, StdFunction, Verb,
        manifest::{FunctionOwner, FunctionRef},
        problem::{ProblemKind, Problems, suggest},
    },
};

/// The rows of a stream, parted in keys and values.
pub(crate) struct Rows<'a> {
    /// None without keys.
    pub(crate) keys: Option<Vec<Column<'a>>>,
    pub(crate) values: Vec<Column<'a>>,
}

impl<'a> Rows<'a> {
    /// The rows of a result: so many key columns, then values. No key columns: no keys.
    pub(crate) fn of_result(result: &'a Schema, keys: usize) -> Self {
        let mut columns = columns::all(result);
        let values = columns.split_off(keys.min(columns.len()));
        Self {
            keys: (keys > 0).then_some(columns),
            values,
        }
    }
}

/// Checks a `reduce`: every column is a value.
pub(crate) fn reduce(reference: &FunctionRef, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some(input) = site.input else {
        find_only(reference, Wanted::Reduce, site, problems);
        return (None, None);
    };
    let rows = Rows {
        keys: None,
        values: columns::all(input),
    };
    match reducer(reference, Wanted::Reduce, site, &rows, problems) {
        None => (None, None),
        Some((reducer, fields)) => {
            let output = schema(fields, site, problems);
            (Some(Verb::Reduce(reducer)), output)
        }
    }
}

/// Checks a `reduce-by-key`.
pub(crate) fn reduce_by_key(
    reference: &FunctionRef,
    site: Site<'_>,
    problems: &mut Problems,
) -> Meaning {
    let Some((rows, keys)) = pairs(site, problems) else {
        find_only(reference, Wanted::ReduceByKey, site, problems);
        return (None, None);
    };
    let partitions = site.partitions;
    match reducer(reference, Wanted::ReduceByKey, site, &rows, problems) {
        None => (None, None),
        Some((reducer, fields)) => {
            let verb = Verb::ReduceByKey {
                reducer,
                keys,
                partitions,
            };
            (Some(verb), schema(fields, site, problems))
        }
    }
}

/// The rows of a keyed stream, and its key columns.
pub(crate) fn pairs<'a>(site: Site<'a>, problems: &mut Problems) -> Option<(Rows<'a>, Vec<usize>)> {
    let input = site.input?;
    let keys = keys::key_columns(site, input, problems)?;
    let rows = Rows {
        keys: Some(columns::at(input, &keys)),
        values: columns::except(input, &keys),
    };
    Some((rows, keys))
}

/// Reports a function that is not there, where its columns cannot be checked.
pub(crate) fn find_only(
    reference: &FunctionRef,
    wanted: Wanted,
    site: Site<'_>,
    problems: &mut Problems,
) {
    if reference.owner == FunctionOwner::Std {
        find_std(reference, problems);
    } else {
        site.functions.find(reference, wanted, problems);
    }
}

pub(crate) fn schema(
    fields: Vec<Field>,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Schema> {
    let name = &site.entry.name;
    streams::schema(fields, &format!("`{}`", name.value), name.at, problems)
}

/// The reducer, and the columns of what comes out.
pub(crate) fn reducer(
    reference: &FunctionRef,
    wanted: Wanted,
    site: Site<'_>,
    rows: &Rows<'_>,
    problems: &mut Problems,
) -> Option<(Reducer, Vec<Field>)> {
    let at = reference.at;
    if reference.owner == FunctionOwner::Std {
        let function = find_std(reference, problems)?;
        let output = check_std(function, rows, at, problems)?;
        return Some((Reducer::Std(function), output));
    }
    let found = site.functions.find(reference, wanted, problems)?;
    let (reducer, selected) = plugin_reducer(&found, wanted, rows, at, problems)?;
    let Role::Aggregate(aggregate) = &found.function.role else {
        return None; // `plugin_reducer` answers only for these
    };
    if wanted.reduces_in_parts() && !aggregate.associative {
        let kind = ProblemKind::NotAssociative {
            function: found.function.name.clone(),
            verb: wanted.verb(),
        };
        let problem = problems.report(kind, at);
        problem.help(
            "let the plugin declare it associative, or write a `window` and then a verb that reduces the whole window",
        );
        return None;
    }
    let output = call::output(site, &found, &aggregate.output, &selected, at, problems)?;
    let wanted_types = found.function.input.as_ref();
    if aggregate.associative
        && wanted_types.is_some_and(|input| input_differs(input.fields(), output.fields()))
    {
        let kind = ProblemKind::Refused {
            function: found.function.name.clone(),
            reason: format!(
                "it says it is associative, but puts out ({output}) and not what it takes"
            ),
        };
        problems.report(kind, at);
        return None;
    }
    Some((reducer, reduced::fields(rows, &selected, output.fields())))
}

fn input_differs(input: &[Field], output: &[Field]) -> bool {
    !columns::same_types(input.iter(), output.iter())
}

pub(crate) fn find_std(reference: &FunctionRef, problems: &mut Problems) -> Option<StdFunction> {
    let mut all = StdFunction::ALL.into_iter();
    let function = all.find(|function| function.name() == reference.name);
    if function.is_none() {
        let kind = ProblemKind::UnknownFunction {
            plugin: "`std`".to_owned(),
            function: reference.name.clone(),
        };
        let names = StdFunction::ALL.map(StdFunction::name);
        let help = suggest(&reference.name, "it has", names);
        problems.report(kind, reference.at).help(help);
    }
    function
}

/// Checks that a built-in function can reduce these rows; answers with what comes out.
pub(crate) fn check_std(
    function: StdFunction,
    rows: &Rows<'_>,
    at: SourceSpan,
    problems: &mut Problems,
) -> Option<Vec<Field>> {
    let values = rows.values.as_slice();
    let refusal = match (function, values) {
        (StdFunction::Count, _) => {
            let count = Field::new("value", Kind::Int64);
            return Some(reduced::placed(rows, std::slice::from_ref(&count)));
        }
        (StdFunction::First | StdFunction::Last, [_, ..]) => None,
        (_, []) => Some("has nothing to reduce: every column is a key".to_owned()),
        (_, [_, _, ..]) => Some(format!(
            "reduces one column, but the values are ({})",
            columns::describe(values)
        )),
        (_, [value]) if value.field.listed => Some(format!(
            "does not reduce lists, but the value is {}",
            value.field.type_text()
        )),
        (StdFunction::Sum, [value]) if !matches!(value.field.kind, Kind::Int64 | Kind::Float64) => {
            Some(format!(
                "adds int64 or float64, but the value is {}",
                value.field.type_text()
            ))
        }
        _ => None,
    };
    let Some(why) = refusal else {
        let values: Vec<_> = values.iter().map(|value| value.field.clone()).collect();
        return Some(reduced::fields(rows, &rows.values, &values));
    };
    let function = function.name().to_owned();
    problems.report(ProblemKind::StdFunction { function, why }, at);
    None
}

/// The call of a plugin's function that reduces these rows, and the value columns that it gets.
pub(crate) fn plugin_reducer<'c>(
    found: &Found<'_>,
    wanted: Wanted,
    rows: &Rows<'c>,
    at: SourceSpan,
    problems: &mut Problems,
) -> Option<(Reducer, Vec<Column<'c>>)> {
    let Role::Aggregate(aggregate) = &found.function.role else {
        return None;
    };
    let part = match rows.keys {
        Some(_) => "the stream's value",
        None => "the stream",
    };
    let input = found.function.input.as_ref();
    let selected = call::columns_for(found, input, &rows.values, part, at, problems)?;
    let keys = match (&aggregate.keys, &rows.keys) {
        (None, _) => None,
        (Some(_), None) => {
            let kind = ProblemKind::Refused {
                function: found.function.name.clone(),
                reason: format!("it wants to see keys, and `{}` has none", wanted.verb()),
            };
            let problem = problems.report(kind, at);
            problem.help(match wanted {
                Wanted::ReduceByWindow => "reduce by key, with `reduce-by-key-and-window`",
                _ => "reduce by key, with `reduce-by-key`",
            });
            return None;
        }
        (Some(asked), Some(keys)) => {
            let keys =
                call::columns_for(found, Some(asked), keys, "the stream's key", at, problems)?;
            Some(keys.iter().map(|key| key.index).collect())
        }
    };
    let reducer = Reducer::Plugin {
        call: call::call(found, &selected),
        keys,
        associative: aggregate.associative,
    };
    Some((reducer, selected))
}
