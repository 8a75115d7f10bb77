//! `reduce` and `reduce-by-key`.

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
    model::{Field, Kind, Role},
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
    let keys = site
        .input
        .and_then(|input| Some((input, keys::key_columns(site, input, problems)?)));
    let Some((input, keys)) = keys else {
        find_only(reference, Wanted::ReduceByKey, site, problems);
        return (None, None);
    };
    let rows = Rows {
        keys: Some(columns::at(input, &keys)),
        values: columns::except(input, &keys),
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
) -> Option<crate::model::Schema> {
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
    let part = match wanted {
        Wanted::ReduceByKey | Wanted::Aggregate(_) if rows.keys.is_some() => "the stream's value",
        _ => "the stream",
    };
    let input = found.function.input.as_ref();
    let selected = call::columns_for(found, input, &rows.values, part, at, problems)?;
    let keys = match (&aggregate.keys, &rows.keys) {
        (None, _) => None,
        (Some(_), None) => {
            let kind = ProblemKind::Refused {
                function: found.function.name.clone(),
                reason: "it wants to see keys, and `reduce` has none".to_owned(),
            };
            let problem = problems.report(kind, at);
            problem.help("reduce by key, with `reduce-by-key`");
            return None;
        }
        (Some(wanted), Some(keys)) => {
            let keys =
                call::columns_for(found, Some(wanted), keys, "the stream's key", at, problems)?;
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
