//! The verb of an operator: exactly one key says what it does.

use std::num::NonZeroUsize;

use miette::SourceSpan;
use toml::de::DeValue;

use super::{
    plugin::STD,
    spanned::Spanned,
    table::{Table, Value, to_partitions, to_size},
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
    "reduce",
    "reduce-by-key",
    "group-by-key",
    "combine-by-key",
    "count",
    "count-by-value",
    "union",
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
    "repartition",
    "distinct",
    "sort",
    "top",
    "limit",
];

/// Verbs that are still to come, or that are something else.
const LATER_VERBS: [&str; 2] = ["sql", "foreach"];

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
    MapValues(FunctionRef),
    FlatMapValues(FunctionRef),
    Glom,
    Reduce(FunctionRef),
    ReduceByKey(FunctionRef),
    GroupByKey,
    CombineByKey(FunctionRef),
    Join(JoinKind),
    Cogroup,
    Transform(FunctionRef),
    TransformWith(FunctionRef),
    UpdateStateByKey(FunctionRef),
    MapWithState(FunctionRef),
    Window,
    CountByWindow,
    CountByValueAndWindow,
    ReduceByWindow(FunctionRef),
    ReduceByKeyAndWindow(FunctionRef),
    GroupByKeyAndWindow,
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
            | Self::MapValues(function)
            | Self::FlatMapValues(function)
            | Self::Reduce(function)
            | Self::ReduceByKey(function)
            | Self::CombineByKey(function)
            | Self::Transform(function)
            | Self::TransformWith(function)
            | Self::UpdateStateByKey(function)
            | Self::MapWithState(function)
            | Self::ReduceByWindow(function)
            | Self::ReduceByKeyAndWindow(function) => Some(function),
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
            Self::MapValues(_) => "map-values",
            Self::FlatMapValues(_) => "flat-map-values",
            Self::Glom => "glom",
            Self::Reduce(_) => "reduce",
            Self::ReduceByKey(_) => "reduce-by-key",
            Self::GroupByKey => "group-by-key",
            Self::CombineByKey(_) => "combine-by-key",
            Self::Join(kind) => kind.name(),
            Self::Cogroup => "cogroup",
            Self::Transform(_) => "transform",
            Self::TransformWith(_) => "transform-with",
            Self::UpdateStateByKey(_) => "update-state-by-key",
            Self::MapWithState(_) => "map-with-state",
            Self::Window => "window",
            Self::CountByWindow => "count-by-window",
            Self::CountByValueAndWindow => "count-by-value-and-window",
            Self::ReduceByWindow(_) => "reduce-by-window",
            Self::ReduceByKeyAndWindow(_) => "reduce-by-key-and-window",
            Self::GroupByKeyAndWindow => "group-by-key-and-window",
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
        matches!(
            self,
            Self::MapValues(_)
                | Self::FlatMapValues(_)
                | Self::ReduceByKey(_)
                | Self::GroupByKey
                | Self::CombineByKey(_)
                | Self::Join(_)
                | Self::Cogroup
                | Self::UpdateStateByKey(_)
                | Self::MapWithState(_)
                | Self::ReduceByKeyAndWindow(_)
                | Self::GroupByKeyAndWindow
        )
    }

    pub(super) fn has_partitions(&self) -> bool {
        let keyed = self.has_key() && !matches!(self, Self::MapValues(_) | Self::FlatMapValues(_));
        keyed
            || matches!(
                self,
                Self::CountByValue
                    | Self::CountByValueAndWindow
                    | Self::Distinct
                    | Self::Transform(_)
                    | Self::TransformWith(_)
            )
    }

    /// It reads two streams.
    pub(crate) fn has_second_input(&self) -> bool {
        matches!(self, Self::Join(_) | Self::Cogroup | Self::TransformWith(_))
    }

    pub(crate) fn has_window(&self) -> bool {
        matches!(
            self,
            Self::Window
                | Self::CountByWindow
                | Self::CountByValueAndWindow
                | Self::ReduceByWindow(_)
                | Self::ReduceByKeyAndWindow(_)
                | Self::GroupByKeyAndWindow
        )
    }

    pub(crate) fn has_inverse(&self) -> bool {
        matches!(
            self,
            Self::ReduceByWindow(_) | Self::ReduceByKeyAndWindow(_)
        )
    }

    pub(crate) fn has_state(&self) -> bool {
        matches!(self, Self::UpdateStateByKey(_) | Self::MapWithState(_))
    }

    /// Its function may want data sets from files.
    pub(super) fn has_references(&self) -> bool {
        matches!(
            self,
            Self::Map(_)
                | Self::FlatMap(_)
                | Self::MapPartitions(_)
                | Self::Transform(_)
                | Self::TransformWith(_)
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
    // Beside a window, `filter` says which of its results to keep.
    if verbs
        .iter()
        .any(|(verb, _)| *verb == "reduce-by-key-and-window")
    {
        verbs.retain(|(verb, value)| {
            let is_filter = *verb == "filter";
            if is_filter {
                table.put_back("filter", *value);
            }
            !is_filter
        });
    }
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
        "with",
        "length",
        "slide",
        "initial",
        "timeout",
        "reference",
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
        "map-values" => read_function(value, problems).map(VerbEntry::MapValues),
        "flat-map-values" => read_function(value, problems).map(VerbEntry::FlatMapValues),
        "combine-by-key" => read_function(value, problems).map(VerbEntry::CombineByKey),
        "transform" => read_function(value, problems).map(VerbEntry::Transform),
        "transform-with" => read_function(value, problems).map(VerbEntry::TransformWith),
        "update-state-by-key" => read_function(value, problems).map(VerbEntry::UpdateStateByKey),
        "map-with-state" => read_function(value, problems).map(VerbEntry::MapWithState),
        "reduce-by-window" => read_function(value, problems).map(VerbEntry::ReduceByWindow),
        "reduce-by-key-and-window" => {
            read_function(value, problems).map(VerbEntry::ReduceByKeyAndWindow)
        }
        "glom" => read_true(value, problems).map(|()| VerbEntry::Glom),
        "group-by-key" => read_true(value, problems).map(|()| VerbEntry::GroupByKey),
        "cogroup" => read_true(value, problems).map(|()| VerbEntry::Cogroup),
        "join" => read_true(value, problems).map(|()| VerbEntry::Join(JoinKind::Inner)),
        "left-outer-join" => {
            read_true(value, problems).map(|()| VerbEntry::Join(JoinKind::LeftOuter))
        }
        "right-outer-join" => {
            read_true(value, problems).map(|()| VerbEntry::Join(JoinKind::RightOuter))
        }
        "full-outer-join" => {
            read_true(value, problems).map(|()| VerbEntry::Join(JoinKind::FullOuter))
        }
        "window" => read_true(value, problems).map(|()| VerbEntry::Window),
        "count-by-window" => read_true(value, problems).map(|()| VerbEntry::CountByWindow),
        "count-by-value-and-window" => {
            read_true(value, problems).map(|()| VerbEntry::CountByValueAndWindow)
        }
        "group-by-key-and-window" => {
            read_true(value, problems).map(|()| VerbEntry::GroupByKeyAndWindow)
        }
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

pub(super) fn read_function(value: &Value<'_>, problems: &mut Problems) -> Option<FunctionRef> {
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
