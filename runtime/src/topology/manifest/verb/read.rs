//! Reads the verb of an operator: exactly one key says what it does.

use toml::de::DeValue;

use super::{
    super::{
        spanned::Spanned,
        table::{Table, Value, to_partitions, to_size},
    },
    FunctionRef, SortEntry, VerbEntry,
    function::read_function,
};
use crate::topology::{
    JoinKind,
    problem::{ProblemKind, Problems, list},
};

const VERBS: [&str; 34] = [
    "map",
    "flat-map",
    "filter",
    "map-partitions",
    "map-values",
    "flat-map-values",
    "glom",
    "transform",
    "transform-with",
    "reduce",
    "reduce-by-key",
    "group-by-key",
    "combine-by-key",
    "join",
    "left-outer-join",
    "right-outer-join",
    "full-outer-join",
    "cogroup",
    "update-state-by-key",
    "map-with-state",
    "window",
    "reduce-by-window",
    "reduce-by-key-and-window",
    "count-by-window",
    "count-by-value-and-window",
    "group-by-key-and-window",
    "count",
    "count-by-value",
    "union",
    "repartition",
    "distinct",
    "sort",
    "top",
    "limit",
];

/// The verb that is also a key of [`FILTERED`].
const FILTER: &str = "filter";
const FILTERED: &str = "reduce-by-key-and-window";

/// Verbs of a later version.
const LATER_VERBS: [&str; 2] = ["sql", "foreach"];

/// Reads the one verb of an operator, and its value; none, with a problem, if there is not exactly
/// one.
pub(in crate::topology::manifest) fn read<'t>(
    operator: &Spanned<String>,
    table: &mut Table<'t>,
    problems: &mut Problems,
) -> Option<(Spanned<VerbEntry>, Value<'t>)> {
    let later = LATER_VERBS.iter().find_map(|verb| table.take_later(verb));
    if let Some(later) = later {
        let what = format!("the verb `{}`", later.key);
        problems.report(ProblemKind::NotYet { what }, later.key_at);
        return None;
    }
    let is_key = table.has(FILTERED);
    let mut verbs: Vec<(&str, Value<'t>)> = VERBS
        .into_iter()
        .filter(|verb| *verb != FILTER || !is_key)
        .filter_map(|verb| Some((verb, table.take(verb)?)))
        .collect();
    verbs.sort_by_key(|(_, value)| value.key_at.offset());
    match verbs.as_slice() {
        [] => {
            report_no_verb(operator, table, problems);
            None
        }
        [(verb, value)] => {
            let entry = read_verb(verb, value, table, problems)?;
            Some((Spanned::new(entry, value.key_at), *value))
        }
        [(_, first), (_, second), ..] => {
            let kind = ProblemKind::SeveralVerbs {
                operator: operator.value.clone(),
                verbs: list(verbs.iter().map(|(verb, _)| *verb)),
            };
            problems
                .report(kind, second.key_at)
                .see(first.key_at, "first verb")
                .help("an operator does one thing; write one operator for each");
            None
        }
    }
}

/// A key that nobody knows is most likely the verb, misspelled.
fn report_no_verb(operator: &Spanned<String>, table: &mut Table<'_>, problems: &mut Problems) {
    for key in [
        "settings",
        "on-error",
        "key",
        "partitions",
        "by",
        "n",
        "renamed-from",
        "with",
        "length",
        "slide",
        "inverse",
        "initial",
        "timeout",
        "checkpoint-interval",
        "reference",
        "map-side",
    ] {
        table.take(key);
    }
    if table.is_used_up() {
        let operator_name = operator.value.clone();
        let kind = ProblemKind::NoVerb {
            operator: operator_name,
        };
        let help = format!("verbs: {}", list(VERBS));
        problems.report(kind, operator.at).help(help);
    } else {
        table.finish(problems);
    }
}

fn read_verb<'t>(
    verb: &str,
    value: &Value<'t>,
    table: &mut Table<'t>,
    problems: &mut Problems,
) -> Option<VerbEntry> {
    let function = |to: fn(FunctionRef) -> VerbEntry, problems: &mut Problems| {
        read_function(value, problems).map(to)
    };
    let host =
        |entry: VerbEntry, problems: &mut Problems| read_true(value, problems).map(|()| entry);
    let join = |kind: JoinKind, problems: &mut Problems| {
        read_stream(value, problems).map(|()| VerbEntry::Join(kind))
    };
    let window =
        |entry: VerbEntry, problems: &mut Problems| read_length(value, problems).map(|()| entry);
    match verb {
        "map" => function(VerbEntry::Map, problems),
        "flat-map" => function(VerbEntry::FlatMap, problems),
        FILTER => function(VerbEntry::Filter, problems),
        "map-partitions" => function(VerbEntry::MapPartitions, problems),
        "map-values" => function(VerbEntry::MapValues, problems),
        "flat-map-values" => function(VerbEntry::FlatMapValues, problems),
        "glom" => host(VerbEntry::Glom, problems),
        "transform" => function(VerbEntry::Transform, problems),
        "transform-with" => function(VerbEntry::TransformWith, problems),
        "reduce" => function(VerbEntry::Reduce, problems),
        "reduce-by-key" => function(VerbEntry::ReduceByKey, problems),
        "group-by-key" => host(VerbEntry::GroupByKey, problems),
        "combine-by-key" => function(VerbEntry::CombineByKey, problems),
        "join" => join(JoinKind::Inner, problems),
        "left-outer-join" => join(JoinKind::LeftOuter, problems),
        "right-outer-join" => join(JoinKind::RightOuter, problems),
        "full-outer-join" => join(JoinKind::FullOuter, problems),
        "cogroup" => read_stream(value, problems).map(|()| VerbEntry::Cogroup),
        "update-state-by-key" => function(VerbEntry::UpdateStateByKey, problems),
        "map-with-state" => function(VerbEntry::MapWithState, problems),
        "window" => window(VerbEntry::Window, problems),
        "reduce-by-window" => function(VerbEntry::ReduceByWindow, problems),
        FILTERED => function(VerbEntry::ReduceByKeyAndWindow, problems),
        "count-by-window" => window(VerbEntry::CountByWindow, problems),
        "count-by-value-and-window" => window(VerbEntry::CountByValueAndWindow, problems),
        "group-by-key-and-window" => window(VerbEntry::GroupByKeyAndWindow, problems),
        "count" => host(VerbEntry::Count, problems),
        "count-by-value" => host(VerbEntry::CountByValue, problems),
        "union" => host(VerbEntry::Union, problems),
        "distinct" => host(VerbEntry::Distinct, problems),
        "repartition" => {
            let partitions = number(value, "partitions", table, problems)?;
            to_partitions(&partitions, problems).map(VerbEntry::Repartition)
        }
        "limit" => {
            let n = number(value, "n", table, problems)?;
            to_size(&n, problems).map(VerbEntry::Limit)
        }
        "sort" if is_true(value) => read_by(table, problems).map(VerbEntry::Sort),
        "sort" => read_sort(value, problems).map(VerbEntry::Sort),
        _ => {
            let by = read_by(table, problems);
            let n = number(value, "n", table, problems)?;
            let n = to_size(&n, problems);
            n.zip(by).map(|(n, by)| VerbEntry::Top(n, by))
        }
    }
}

fn is_true(value: &Value<'_>) -> bool {
    matches!(value.toml, DeValue::Boolean(true))
}

/// `top = 20`, or `top = true` with `n = 20`.
fn number<'t>(
    value: &Value<'t>,
    key: &'static str,
    table: &mut Table<'t>,
    problems: &mut Problems,
) -> Option<Value<'t>> {
    if is_true(value) {
        table.require(key, problems)
    } else {
        Some(*value)
    }
}

/// `by = [...]`; no columns if it is not there.
fn read_by(table: &mut Table<'_>, problems: &mut Problems) -> Option<Vec<SortEntry>> {
    match table.take("by") {
        None => Some(Vec::new()),
        Some(by) => read_sort(&by, problems),
    }
}

fn read_true(value: &Value<'_>, problems: &mut Problems) -> Option<()> {
    if is_true(value) {
        return Some(());
    }
    let key = value.key;
    value
        .is_bad("takes nothing but true", problems)
        .help(format!("write `{key} = true`"));
    None
}

/// `true`, or the second of the streams.
fn read_stream(value: &Value<'_>, problems: &mut Problems) -> Option<()> {
    if is_true(value) || matches!(value.toml, DeValue::String(_)) {
        return Some(());
    }
    value.is_not("true, or the name of the second stream", problems);
    None
}

/// `true`, or the length of the window.
fn read_length(value: &Value<'_>, problems: &mut Problems) -> Option<()> {
    if is_true(value) || matches!(value.toml, DeValue::String(_)) {
        return Some(());
    }
    value.is_not(
        "true, or the length of the window such as \"30s\"",
        problems,
    );
    None
}

/// A column or a list of columns, each with a direction: `"value desc"` or `"-value"`.
fn read_sort(value: &Value<'_>, problems: &mut Problems) -> Option<Vec<SortEntry>> {
    const WANTED: &str = "a list of columns such as [\"value desc\", \"key\"]";
    let columns = match value.toml {
        DeValue::String(_) => vec![*value],
        _ => value.list(WANTED, problems)?,
    };
    if columns.is_empty() {
        value.is_bad("must name at least one column", problems);
        return None;
    }
    let columns = columns.iter().map(|column| {
        let text = column.text("a column such as \"value desc\"", problems)?;
        let (name, descending) = match (text.value.rsplit_once(' '), text.value.strip_prefix('-')) {
            (Some((name, "desc")), _) | (None, Some(name)) => (name, true),
            (Some((name, "asc")), _) => (name, false),
            _ => (text.value, false),
        };
        let column = Spanned::new(name.trim().to_owned(), text.at);
        Some(SortEntry { column, descending })
    });
    columns.collect()
}
