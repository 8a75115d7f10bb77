//! `[operator.x]`: what happens to rows.

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use toml::de::DeValue;

use super::{
    dataset::{self, DataSetEntry},
    duration,
    source::SourceEntry,
    spanned::Spanned,
    storage,
    table::{Table, Value},
    value,
    verb::{self, FunctionOwner, FunctionRef, VerbEntry},
};
use crate::{
    model::Text,
    topology::{
        OnError, PaneStorage,
        problem::{ProblemKind, Problems},
    },
};

/// Keys of other verbs, which are worth more than "unknown key".
const KEYS_OF_VERBS: [(&str, &str); 11] = [
    (
        "renamed-from",
        "only operators that remember something, those with state and windows, can have had another name",
    ),
    (
        "persist",
        "only `window`, `group-by-key-and-window` and receivers keep rows that can lie on disk",
    ),
    (
        "window-memory",
        "only `window` and `group-by-key-and-window` keep rows",
    ),
    (
        "timeout",
        "only `map-with-state` forgets idle keys; elsewhere the function returns nothing for them",
    ),
    (
        "initial",
        "only `update-state-by-key` and `map-with-state` have a state to begin with",
    ),
    (
        "inverse",
        "only `reduce-by-window` and `reduce-by-key-and-window` have an inverse",
    ),
    ("length", "only windows have a length"),
    (
        "slide",
        "only windows have a slide; other verbs have that of their input",
    ),
    (
        "with",
        "only joins, `cogroup` and `transform-with` read a second stream",
    ),
    (
        "map-side",
        "only `combine-by-key` can be told to combine after the shuffle only",
    ),
    (
        "reference",
        "only `map`, `flat-map`, `map-partitions`, `transform` and `transform-with` take reference data",
    ),
];

/// An operator as defined.
#[derive(Debug, Clone)]
pub(crate) struct OperatorEntry {
    pub(crate) name: Spanned<String>,
    /// Those of `input`, then that of `with`.
    pub(crate) inputs: Vec<Spanned<String>>,
    /// The verb at its key; none if it could not be read, which has been reported.
    pub(crate) verb: Option<Spanned<VerbEntry>>,
    pub(crate) settings: BTreeMap<String, Text>,
    /// What a fault means; none: the batch fails.
    pub(crate) on_error: Option<Spanned<OnError>>,
    /// None if the stream's own key is meant; empty if it could not be read, which has been
    /// reported.
    pub(crate) key: Option<Vec<Spanned<String>>>,
    pub(crate) partitions: Option<NonZeroUsize>,
    /// `combine-by-key` combines before the shuffle, too.
    pub(crate) map_side: bool,
    pub(crate) window: WindowEntry,
    /// The directory is not known here.
    pub(crate) panes: PaneStorage,
    /// Data sets by side; none if they could not be read, which has been reported.
    pub(crate) references: Option<Vec<(Spanned<String>, DataSetEntry)>>,
    /// A state to begin with.
    pub(crate) initial: Option<DataSetEntry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) checkpoint_interval: Option<Spanned<Duration>>,
    /// Its name in the version before.
    pub(crate) renamed_from: Option<Spanned<String>>,
    /// It is the converter of this source, by its place of definition: it reads the source, whose
    /// name it has for everyone else.
    pub(crate) converts: Option<usize>,
}

/// What an operator says of its window.
#[derive(Debug, Clone, Default)]
pub(crate) struct WindowEntry {
    /// None if it is not valid or there is no window.
    pub(crate) length: Option<Spanned<Duration>>,
    /// None if it is that of the input.
    pub(crate) slide: Option<Spanned<Duration>>,
    pub(crate) inverse: Option<Spanned<InverseEntry>>,
    pub(crate) filter: Option<FunctionRef>,
}

/// What takes values out of a window again.
#[derive(Debug, Clone)]
pub(crate) enum InverseEntry {
    /// `true`: what belongs to the function.
    Own,
    /// This function.
    Function(FunctionRef),
}

impl OperatorEntry {
    /// One without any keys.
    fn new(name: Spanned<String>, inputs: Vec<Spanned<String>>) -> Self {
        Self {
            name,
            inputs,
            verb: None,
            settings: BTreeMap::new(),
            on_error: None,
            key: None,
            partitions: None,
            map_side: true,
            window: WindowEntry::default(),
            panes: PaneStorage::default(),
            references: Some(Vec::new()),
            initial: None,
            timeout: None,
            checkpoint_interval: None,
            renamed_from: None,
            converts: None,
        }
    }

    /// The converter of the source at this place, if it has one.
    pub(super) fn of_converter(source: &SourceEntry, place: usize) -> Option<Self> {
        let converter = source.converter.as_ref()?;
        let verb = VerbEntry::FlatMap(converter.function.clone());
        Some(Self {
            verb: Some(Spanned::new(verb, converter.function.at)),
            settings: converter.settings.clone(),
            converts: Some(place),
            ..Self::new(source.name.clone(), vec![source.name.clone()])
        })
    }

    /// The functions that it calls.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &FunctionRef> {
        let verb = self.verb.as_ref().and_then(|verb| verb.value.function());
        let inverse = match &self.window.inverse {
            Some(Spanned {
                value: InverseEntry::Function(function),
                ..
            }) => Some(function),
            _ => None,
        };
        verb.into_iter().chain(inverse).chain(&self.window.filter)
    }
}

pub(super) fn read(
    name: Spanned<String>,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> OperatorEntry {
    let inputs = read_inputs(table, problems);
    let verb = verb::read(&name, table, problems);
    let mut entry = OperatorEntry::new(name, inputs);
    let Some((verb, value)) = verb else {
        return entry; // which other keys fit is not known
    };
    table.suggest_only(&["input", verb.value.name()]);
    read_keys(&mut entry, &verb.value, &value, table, problems);
    for (key, help) in KEYS_OF_VERBS {
        if let Some(value) = table.take_later(key) {
            refuse(&value, table, help, problems);
        }
    }
    table.finish(problems);
    entry.verb = Some(verb);
    entry
}

/// The keys that go with the verb, which is at `value`.
fn read_keys<'t>(
    entry: &mut OperatorEntry,
    verb: &VerbEntry,
    value: &Value<'t>,
    table: &mut Table<'t>,
    problems: &mut Problems,
) {
    if let Some(function) = verb.function() {
        if let Some(settings) = table.take("settings") {
            if function.owner == FunctionOwner::Std {
                refuse(
                    &settings,
                    table,
                    "functions of `std:` have no settings",
                    problems,
                );
            }
            entry.settings = read_settings(&settings, problems);
        }
        if let Some(on_error) = table.take("on-error") {
            entry.on_error = read_on_error(&on_error, verb, problems);
        }
    }
    if verb.has_key() {
        let value = table.take("key");
        // A key that could not be read names no columns, and that has been reported.
        entry.key = value.map(|value| read_key(&value, problems).unwrap_or_default());
    }
    if verb.has_partitions() {
        entry.partitions = table.partitions("partitions", problems);
    }
    if matches!(verb, VerbEntry::CombineByKey(_)) {
        entry.map_side = table.boolean("map-side", problems).unwrap_or(true);
    }
    if verb.has_two_inputs() || matches!(verb, VerbEntry::Transform(_)) {
        let is_named = verb.function().is_none() && matches!(value.toml, DeValue::String(_));
        let second = if is_named {
            Some(*value)
        } else {
            table.take("with")
        };
        let second = second.and_then(|second| second.text("the name of a stream", problems));
        let second = second.map(|name| Spanned::new(name.value.to_owned(), name.at));
        entry.inputs.extend(second);
    }
    if verb.has_references() {
        entry.references = read_references(&entry.name.value, table, problems);
    }
    if verb.has_window() {
        entry.window = read_window(verb, value, table, problems);
    }
    if verb.keeps_rows() {
        entry.panes = storage::read_panes(table, problems);
    }
    if verb.has_state() {
        let what = format!("`initial` of operator `{}`", entry.name.value);
        let initial = table.take("initial");
        entry.initial = initial.and_then(|value| dataset::read(&what, &value, problems));
    }
    if verb.has_state() || verb.has_window() {
        let old = table.take("renamed-from");
        let old = old.and_then(|old| old.text("the name of an operator", problems));
        entry.renamed_from = old.map(|old| Spanned::new(old.value.to_owned(), old.at));
    }
    let takes_out = verb.has_inverse() && entry.window.inverse.is_some();
    if verb.has_inverse()
        && !takes_out
        && let Some(value) = table.take("checkpoint-interval")
    {
        let help = "only a window with an `inverse` goes on from the one before";
        refuse(&value, table, help, problems);
    }
    if verb.has_state() || takes_out {
        entry.checkpoint_interval = table.duration("checkpoint-interval", problems);
    }
    if matches!(verb, VerbEntry::MapWithState(_)) {
        let timeout = table.duration("timeout", problems);
        entry.timeout = timeout.map(|timeout| timeout.value);
    }
}

/// Reports a key that nothing would come of.
fn refuse(value: &Value<'_>, table: &Table<'_>, help: &'static str, problems: &mut Problems) {
    let (key, of) = (value.key.to_owned(), table.what.clone());
    let problem = problems.report(ProblemKind::UnknownKey { key, of }, value.key_at);
    problem.help(help);
}

fn read_window<'t>(
    verb: &VerbEntry,
    value: &Value<'t>,
    table: &mut Table<'t>,
    problems: &mut Problems,
) -> WindowEntry {
    let is_length = verb.function().is_none() && matches!(value.toml, DeValue::String(_));
    let length = if is_length {
        duration::read(value, problems)
    } else {
        let value = table.require("length", problems);
        value.and_then(|value| duration::read(&value, problems))
    };
    let mut window = WindowEntry {
        length,
        slide: table.duration("slide", problems),
        inverse: None,
        filter: None,
    };
    if verb.has_inverse() {
        let inverse = table.take("inverse");
        window.inverse = inverse.and_then(|value| read_inverse(&value, problems));
    }
    if let (VerbEntry::ReduceByKeyAndWindow(_), Some(filter)) = (verb, table.take("filter")) {
        window.filter = verb::read_function(&filter, problems);
    }
    window
}

/// `true`, or a function; `false` is as if it were not there.
fn read_inverse(value: &Value<'_>, problems: &mut Problems) -> Option<Spanned<InverseEntry>> {
    let inverse = match value.toml {
        DeValue::Boolean(true) => InverseEntry::Own,
        DeValue::Boolean(false) => return None,
        DeValue::String(_) => InverseEntry::Function(verb::read_function(value, problems)?),
        _ => {
            value.is_not("true, or a function such as \"subtract\"", problems);
            return None;
        }
    };
    Some(Spanned::new(inverse, value.at))
}

/// `reference = { blocked = "blocked.csv" }`.
fn read_references(
    operator: &str,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<Vec<(Spanned<String>, DataSetEntry)>> {
    const WANTED: &str = "a table of data sets such as { blocked = \"blocked.csv\" }";
    let Some(value) = table.take("reference") else {
        return Some(Vec::new());
    };
    let sides = value::entries(value.table(WANTED, problems)?);
    let sides = sides.into_iter().map(|side| {
        let what = format!("reference `{}` of operator `{operator}`", side.key);
        let name = Spanned::new(side.key.to_owned(), side.key_at);
        Some((name, dataset::read(&what, &side, problems)?))
    });
    // Collected first, so that every problem is reported.
    let sides: Vec<_> = sides.collect();
    sides.into_iter().collect()
}

/// `input = "x"`, or a list of such names.
pub(super) fn read_inputs(table: &mut Table<'_>, problems: &mut Problems) -> Vec<Spanned<String>> {
    const WANTED: &str = "the name of a stream, or a list of names";
    let Some(value) = table.require("input", problems) else {
        return Vec::new();
    };
    let values = match value.toml {
        DeValue::String(_) => vec![value],
        _ => value.list(WANTED, problems).unwrap_or_default(),
    };
    if matches!(value.toml, DeValue::Array(list) if list.is_empty()) {
        value.is_bad("must name at least one stream", problems);
    }
    let names = values.iter().filter_map(|v| v.text(WANTED, problems));
    names
        .map(|name| Spanned::new(name.value.to_owned(), name.at))
        .collect()
}

pub(super) fn read_settings(value: &Value<'_>, problems: &mut Problems) -> BTreeMap<String, Text> {
    const WANTED: &str = "a table of text such as { separator = \",\" }";
    const ONE: &str = "text, a number, true or false";
    let mut settings = BTreeMap::new();
    let Some(table) = value.table(WANTED, problems) else {
        return settings;
    };
    for entry in value::entries(table) {
        let text = match entry.toml {
            DeValue::Boolean(value) => Text::Written(value.to_string()),
            DeValue::Float(float) => Text::from(float.as_str()),
            DeValue::Integer(integer) => Text::Written(
                value::integer_value(integer)
                    .map_or_else(|| integer.to_string(), |integer| integer.to_string()),
            ),
            _ => match entry.text_or_secret(ONE, problems) {
                Some(text) => text,
                None => continue,
            },
        };
        settings.insert(entry.key.to_owned(), text);
    }
    settings
}

fn read_key(value: &Value<'_>, problems: &mut Problems) -> Option<Vec<Spanned<String>>> {
    const WANTED: &str = "a list of columns such as [\"user\"]";
    let columns = value.list(WANTED, problems)?;
    if columns.is_empty() {
        value.is_bad("must name at least one column", problems);
        return None;
    }
    let columns = columns.iter().map(|column| {
        let name = column.text("the name of a column", problems)?;
        Some(Spanned::new(name.value.to_owned(), name.at))
    });
    columns.collect()
}

/// What a fault means; only what is not the default is kept.
fn read_on_error(
    value: &Value<'_>,
    verb: &VerbEntry,
    problems: &mut Problems,
) -> Option<Spanned<OnError>> {
    let text = value.text("text", problems)?;
    let Some(on_error) = OnError::ALL.into_iter().find(|on| on.name() == text.value) else {
        value
            .is_bad("is none of fail, skip, dead-letter", problems)
            .help("write \"fail\", or leave it out");
        return None;
    };
    if !on_error.goes_on() {
        return None;
    }
    if verb.has_window() {
        value
            .is_bad("must be \"fail\" for a window", problems)
            .help("rows in a window are of several batches; check them in a `map` or `filter` before it");
        return None;
    }
    if verb
        .function()
        .is_some_and(|function| function.owner == FunctionOwner::Std)
    {
        value
            .is_bad("must be \"fail\" for a function of std", problems)
            .help("it is for functions of plugins");
        return None;
    }
    Some(Spanned::new(on_error, value.at))
}
