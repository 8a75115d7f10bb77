//! The verb of an operator: exactly one key says what it does.

use std::num::NonZeroUsize;

use miette::SourceSpan;
use toml::de::DeValue;

use super::{
    plugin::STD,
    spanned::Spanned,
    table::{Table, Value, to_partitions, to_size},
};
use crate::topology::problem::{ProblemKind, Problems, list};

const VERBS: [&str; 14] = [
    "map",
    "flat-map",
    "filter",
    "map-partitions",
    "reduce",
    "reduce-by-key",
    "count",
    "count-by-value",
    "union",
    "repartition",
    "distinct",
    "sort",
    "top",
    "limit",
];

/// Verbs of spec 5 to 7 that are still to come.
const LATER_VERBS: [&str; 22] = [
    "glom",
    "map-values",
    "flat-map-values",
    "group-by-key",
    "combine-by-key",
    "join",
    "left-outer-join",
    "right-outer-join",
    "full-outer-join",
    "cogroup",
    "transform",
    "transform-with",
    "update-state-by-key",
    "map-with-state",
    "window",
    "count-by-window",
    "count-by-value-and-window",
    "reduce-by-window",
    "reduce-by-key-and-window",
    "group-by-key-and-window",
    "sql",
    "foreach",
];

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

/// `"count desc"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortEntry {
    pub(crate) column: Spanned<String>,
    pub(crate) descending: bool,
}

/// What an operator is to do, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VerbEntry {
    Map(FunctionRef),
    FlatMap(FunctionRef),
    Filter(FunctionRef),
    MapPartitions(FunctionRef),
    Reduce(FunctionRef),
    ReduceByKey(FunctionRef),
    Count,
    CountByValue,
    Union,
    Repartition(NonZeroUsize),
    Distinct,
    Sort(Vec<SortEntry>),
    Top(NonZeroUsize, Vec<SortEntry>),
    Limit(NonZeroUsize),
}

impl VerbEntry {
    pub(crate) fn function(&self) -> Option<&FunctionRef> {
        match self {
            Self::Map(function)
            | Self::FlatMap(function)
            | Self::Filter(function)
            | Self::MapPartitions(function)
            | Self::Reduce(function)
            | Self::ReduceByKey(function) => Some(function),
            _ => None,
        }
    }

    /// As topologies write it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Map(_) => "map",
            Self::FlatMap(_) => "flat-map",
            Self::Filter(_) => "filter",
            Self::MapPartitions(_) => "map-partitions",
            Self::Reduce(_) => "reduce",
            Self::ReduceByKey(_) => "reduce-by-key",
            Self::Count => "count",
            Self::CountByValue => "count-by-value",
            Self::Union => "union",
            Self::Repartition(_) => "repartition",
            Self::Distinct => "distinct",
            Self::Sort(_) => "sort",
            Self::Top(..) => "top",
            Self::Limit(_) => "limit",
        }
    }

    pub(super) fn has_key(&self) -> bool {
        matches!(self, Self::ReduceByKey(_))
    }

    pub(super) fn has_partitions(&self) -> bool {
        matches!(
            self,
            Self::ReduceByKey(_) | Self::CountByValue | Self::Distinct
        )
    }
}

/// Reads the one verb of an operator; none, with a problem, if there is not exactly one.
pub(super) fn read(
    operator: &Spanned<String>,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<Spanned<VerbEntry>> {
    let later = LATER_VERBS.iter().find_map(|verb| table.take_later(verb));
    if let Some(later) = later {
        let what = format!("the verb `{}`", later.key);
        problems.report(ProblemKind::NotYet { what }, later.key_at);
        return None;
    }
    let mut verbs: Vec<(&str, Value<'_>)> = VERBS
        .into_iter()
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
            Some(Spanned::new(entry, value.key_at))
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
    match verb {
        "map" => read_function(value, problems).map(VerbEntry::Map),
        "flat-map" => read_function(value, problems).map(VerbEntry::FlatMap),
        "filter" => read_function(value, problems).map(VerbEntry::Filter),
        "map-partitions" => read_function(value, problems).map(VerbEntry::MapPartitions),
        "reduce" => read_function(value, problems).map(VerbEntry::Reduce),
        "reduce-by-key" => read_function(value, problems).map(VerbEntry::ReduceByKey),
        "count" => read_true(value, problems).map(|()| VerbEntry::Count),
        "count-by-value" => read_true(value, problems).map(|()| VerbEntry::CountByValue),
        "union" => read_true(value, problems).map(|()| VerbEntry::Union),
        "distinct" => read_true(value, problems).map(|()| VerbEntry::Distinct),
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

fn read_function(value: &Value<'_>, problems: &mut Problems) -> Option<FunctionRef> {
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
