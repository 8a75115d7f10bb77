//! `[operator.x]`: what happens to rows.

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use toml::de::DeValue;

use super::{
    data_set::{self, DataSetEntry},
    spanned::Spanned,
    table::{Table, Value},
    value,
    verb::{self, FunctionRef, VerbEntry},
};
use crate::topology::problem::{ProblemKind, Problems};

/// `on-error`: what happens when a function fails.
const ON_ERROR: &str = "fail";

/// Keys that a later version adds.
const LATER_KEYS: [&str; 1] = ["renamed-from"];

/// An operator as defined.
#[derive(Debug, Clone)]
pub(crate) struct OperatorEntry {
    pub(crate) name: Spanned<String>,
    pub(crate) inputs: Vec<Spanned<String>>,
    /// The verb at its key; none if it could not be read, which has been reported.
    pub(crate) verb: Option<Spanned<VerbEntry>>,
    pub(crate) settings: BTreeMap<String, String>,
    /// None if the stream's own key is meant; empty if it could not be read, which has been
    /// reported.
    pub(crate) key: Option<Vec<Spanned<String>>>,
    pub(crate) partitions: Option<NonZeroUsize>,
    pub(crate) window: WindowEntry,
    pub(crate) state: StateEntry,
    /// What the function wants from files, in the order in which they are written; an initial
    /// state is the first.
    pub(crate) data_sets: Vec<DataSetEntry>,
    /// `combine-by-key`: values are combined before the shuffle, too.
    pub(crate) map_side: bool,
}

/// Keys of verbs over windows.
#[derive(Debug, Clone, Default)]
pub(crate) struct WindowEntry {
    pub(crate) length: Option<Spanned<Duration>>,
    pub(crate) slide: Option<Spanned<Duration>>,
    pub(crate) inverse: Option<Spanned<InverseEntry>>,
    pub(crate) filter: Option<FunctionRef>,
}

/// `inverse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InverseEntry {
    /// The one that belongs to the function.
    Own,
    Function(FunctionRef),
}

/// Keys of verbs with state.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateEntry {
    pub(crate) timeout: Option<Spanned<Duration>>,
    pub(crate) checkpoint_interval: Option<Spanned<Duration>>,
}

impl OperatorEntry {
    /// The function that the verb calls.
    pub(crate) fn function(&self) -> Option<&FunctionRef> {
        self.verb.as_ref()?.value.function()
    }

    /// All functions that it calls.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &FunctionRef> {
        let inverse = match self.window.inverse.as_ref().map(|inverse| &inverse.value) {
            Some(InverseEntry::Function(function)) => Some(function),
            Some(InverseEntry::Own) | None => None,
        };
        let others = [inverse, self.window.filter.as_ref()];
        self.function()
            .into_iter()
            .chain(others.into_iter().flatten())
    }
}

pub(super) fn read(
    name: Spanned<String>,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> OperatorEntry {
    let inputs = read_inputs(table, problems);
    let verb = verb::read(&name, table, problems);
    let mut entry = OperatorEntry {
        name,
        inputs,
        verb: None,
        settings: BTreeMap::new(),
        key: None,
        partitions: None,
        window: WindowEntry::default(),
        state: StateEntry::default(),
        data_sets: Vec::new(),
        map_side: true,
    };
    let Some(verb) = verb else {
        return entry; // which other keys fit is not known
    };
    table.suggest_only(&["input", verb.value.name()]);
    if verb.value.function().is_some() {
        if let Some(settings) = table.take("settings") {
            entry.settings = read_settings(&settings, problems);
        }
        if let Some(on_error) = table.take("on-error") {
            check_on_error(&on_error, problems);
        }
    }
    if verb.value.has_key() {
        let value = table.take("key");
        // A key that could not be read names no columns, and that has been reported.
        entry.key = value.map(|value| read_key(&value, problems).unwrap_or_default());
    }
    if verb.value.has_partitions() {
        entry.partitions = table.partitions("partitions", problems);
    }
    read_verb_keys(&verb.value, table, &mut entry, problems);
    for key in LATER_KEYS {
        table.refuse_later(key, problems);
    }
    table.finish(problems);
    entry.verb = Some(verb);
    entry
}

/// Keys that only some verbs have.
fn read_verb_keys(
    verb: &VerbEntry,
    table: &mut Table<'_>,
    entry: &mut OperatorEntry,
    problems: &mut Problems,
) {
    if verb.has_second_input()
        && let Some(with) = table.text("with", "the name of a stream", problems)
    {
        entry
            .inputs
            .push(Spanned::new(with.value.to_owned(), with.at));
    }
    if verb.has_window() {
        table.require_duration("length", &mut entry.window.length, problems);
        entry.window.slide = table.duration("slide", problems);
    }
    if verb.has_inverse() {
        let inverse = table.take("inverse");
        entry.window.inverse = inverse.and_then(|value| read_inverse(&value, problems));
    }
    if matches!(verb, VerbEntry::ReduceByKeyAndWindow(_)) {
        let filter = table.take("filter");
        entry.window.filter = filter.and_then(|value| verb::read_function(&value, problems));
    }
    if verb.has_state() {
        entry.state.checkpoint_interval = table.duration("checkpoint-interval", problems);
        let initial = table.take("initial");
        let initial = initial.and_then(|value| data_set::read(None, &value, problems));
        entry.data_sets.extend(initial);
    }
    if matches!(verb, VerbEntry::MapWithState(_)) {
        entry.state.timeout = table.duration("timeout", problems);
    }
    if verb.has_references()
        && let Some(references) = table.take("reference")
    {
        let sets = data_set::read_all(&references, problems);
        entry.data_sets.extend(sets);
    }
    if matches!(verb, VerbEntry::CombineByKey(_)) {
        entry.map_side = table.boolean("map-side", problems).unwrap_or(true);
    }
}

/// `inverse = true`, or a function.
fn read_inverse(value: &Value<'_>, problems: &mut Problems) -> Option<Spanned<InverseEntry>> {
    let inverse = match value.toml {
        DeValue::Boolean(true) => InverseEntry::Own,
        DeValue::Boolean(false) => return None,
        _ => InverseEntry::Function(verb::read_function(value, problems)?),
    };
    Some(Spanned::new(inverse, value.at))
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

fn read_settings(value: &Value<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    const WANTED: &str = "a table of text such as { separator = \",\" }";
    let mut settings = BTreeMap::new();
    let Some(table) = value.table(WANTED, problems) else {
        return settings;
    };
    for entry in value::entries(table) {
        let text = match entry.toml {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Float(float) => float.as_str().to_owned(),
            DeValue::Integer(integer) => value::integer_value(integer)
                .map_or_else(|| integer.to_string(), |integer| integer.to_string()),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                entry.is_not("text, a number, true or false", problems);
                continue;
            }
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

fn check_on_error(value: &Value<'_>, problems: &mut Problems) {
    let Some(text) = value.text("text", problems) else {
        return;
    };
    match text.value {
        ON_ERROR => {}
        later @ ("skip" | "dead-letter") => {
            let what = format!("`on-error = \"{later}\"`");
            problems
                .report(ProblemKind::NotYet { what }, value.at)
                .help("with \"fail\", the default, a fault fails the batch");
        }
        _ => {
            value
                .is_bad("is none of fail, skip, dead-letter", problems)
                .help("write \"fail\", or leave it out");
        }
    }
}
