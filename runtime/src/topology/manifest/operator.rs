//! `[operator.x]`: what happens to rows.

use std::{collections::BTreeMap, num::NonZeroUsize};

use toml::de::DeValue;

use super::{
    spanned::Spanned,
    table::{Table, Value},
    value,
    verb::{self, FunctionRef, VerbEntry},
};
use crate::topology::problem::{ProblemKind, Problems};

/// `on-error`: what happens when a function fails.
const ON_ERROR: &str = "fail";

/// Keys that only verbs of a later version have, or that a later version adds to all.
const LATER_KEYS: [&str; 10] = [
    "checkpoint-interval",
    "initial",
    "inverse",
    "length",
    "reference",
    "renamed-from",
    "slide",
    "timeout",
    "with",
    "map-side-combine",
];

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
}

impl OperatorEntry {
    /// The function that the verb calls.
    pub(crate) fn function(&self) -> Option<&FunctionRef> {
        self.verb.as_ref()?.value.function()
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
    for key in LATER_KEYS {
        table.refuse_later(key, problems);
    }
    table.finish(problems);
    entry.verb = Some(verb);
    entry
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
