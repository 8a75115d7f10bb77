//! `[sink.x]`: where rows go.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::{
    database,
    operator::{read_inputs, read_settings},
    spanned::Spanned,
    table::{Table, Value},
    verb::{FunctionRef, read_function},
};
use crate::{
    confine::Place,
    model::Text,
    topology::{
        FileFormat, SinkKind,
        problem::{ProblemKind, Problems, suggest},
    },
};

/// `n` of print (spec 13.1).
const PRINT_ROWS: usize = 10;

const TYPES: [&str; 8] = [
    "print",
    "text-files",
    "json-files",
    "object-files",
    "sqlite",
    "postgres",
    "foreach",
    "null",
];
const LATER_TYPES: [&str; 5] = ["csv-files", "http", "kafka", "parquet", "s3"];

/// A sink as defined.
#[derive(Debug, Clone)]
pub(crate) struct SinkEntry {
    pub(crate) name: Spanned<String>,
    pub(crate) inputs: Vec<Spanned<String>>,
    /// None if it could not be read, which has been reported, or calls a function. Paths are as
    /// written.
    pub(crate) kind: Option<SinkKind>,
    /// The function that it calls.
    pub(crate) foreach: Option<ForeachEntry>,
}

/// A sink that calls a function.
#[derive(Debug, Clone)]
pub(crate) struct ForeachEntry {
    pub(crate) function: FunctionRef,
    pub(crate) settings: BTreeMap<String, Text>,
}

pub(super) fn read(
    name: Spanned<String>,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> SinkEntry {
    let inputs = read_inputs(table, problems);
    let value = table.require("type", problems);
    let is_foreach = value.as_ref().is_some_and(
        |value| matches!(value.toml, DeValue::String(text) if text.as_ref() == "foreach"),
    );
    let (kind, foreach) = match value {
        Some(_) if is_foreach => (None, read_foreach(table, problems)),
        Some(value) => (read_type(&value, table, problems), None),
        None => (None, None),
    };
    SinkEntry {
        name,
        inputs,
        kind,
        foreach,
    }
}

fn read_foreach(table: &mut Table<'_>, problems: &mut Problems) -> Option<ForeachEntry> {
    let function = table.require("function", problems);
    let settings = table.take("settings");
    let settings = settings.map(|settings| read_settings(&settings, problems));
    table.finish(problems);
    Some(ForeachEntry {
        function: read_function(&function?, problems)?,
        settings: settings.unwrap_or_default(),
    })
}

fn read_type(
    value: &Value<'_>,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<SinkKind> {
    let text = value.text("a type of sink", problems)?;
    let kind = match text.value {
        "print" => {
            let n = table.size("n", problems).map_or(PRINT_ROWS, usize::from);
            Some(SinkKind::Print { n })
        }
        "text-files" => read_files(FileFormat::Text, table, problems),
        "json-files" => read_files(FileFormat::Json, table, problems),
        "object-files" => read_files(FileFormat::Objects, table, problems),
        "sqlite" => database::read_sqlite(table, problems),
        "postgres" => database::read_postgres(table, problems),
        "null" => Some(SinkKind::Null),
        other => {
            report_unknown_type(other, value, problems);
            return None;
        }
    };
    table.finish(problems);
    kind
}

fn read_files(
    format: FileFormat,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<SinkKind> {
    let path = table.require_text("path", "what the names of the files start with", problems);
    let suffix = table.take("suffix").and_then(|value| {
        let text = value.text("what the names of the directories end with", problems)?;
        if text.value.is_empty() || text.value.contains(['/', '\\', '\0']) {
            let problem = value.is_bad("must be the end of a name", problems);
            problem.help("write it without a dot and without a slash, such as suffix = \"txt\"");
            return None;
        }
        Some(text.value.to_owned())
    });
    path.map(|path| SinkKind::Files {
        path: Place::from(path.value),
        suffix,
        format,
    })
}

fn report_unknown_type(name: &str, value: &Value<'_>, problems: &mut Problems) {
    if LATER_TYPES.contains(&name) {
        let what = format!("the sink type `{name}`");
        problems.report(ProblemKind::NotYet { what }, value.at);
        return;
    }
    let help = suggest(name, "it can be", TYPES);
    let (what, name) = ("the type of a sink".to_owned(), name.to_owned());
    let problem = problems.report(ProblemKind::UnknownChoice { what, name }, value.at);
    problem.help(help);
}
