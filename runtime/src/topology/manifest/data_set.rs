//! Files that operators want whole: reference data and initial state.

use std::path::{Path, PathBuf};

use miette::SourceSpan;
use toml::de::DeValue;

use super::{
    format::{HEADER, MAX_LINE, SEPARATOR},
    table::{Table, Value},
    value,
};
use crate::topology::{Decoder, Format, OnInvalid, problem::Problems};

/// A file as an operator names it.
#[derive(Debug, Clone)]
pub(crate) struct DataSetEntry {
    /// The side of the function that it is for; none: the initial state.
    pub(crate) side: Option<String>,
    pub(crate) path: PathBuf,
    pub(crate) decoder: Decoder,
    pub(crate) at: SourceSpan,
}

#[derive(Clone, Copy)]
enum Name {
    Text,
    Json,
    Csv,
}

/// `{ blocked = "blocked.csv", ... }`.
pub(super) fn read_all(value: &Value<'_>, problems: &mut Problems) -> Vec<DataSetEntry> {
    const WANTED: &str = "a table of files such as { blocked = \"blocked.csv\" }";
    let Some(table) = value.table(WANTED, problems) else {
        return Vec::new();
    };
    let entries = value::entries(table);
    let sets = entries.into_iter().filter_map(|entry| {
        let side = Some(entry.key.to_owned());
        read(side, &entry, problems)
    });
    sets.collect()
}

/// A path, or a table with a path and a format.
pub(super) fn read(
    side: Option<String>,
    value: &Value<'_>,
    problems: &mut Problems,
) -> Option<DataSetEntry> {
    const WANTED: &str = "a path, or a table such as { path = \"users.csv\", header = true }";
    let at = value.at;
    if let DeValue::String(path) = value.toml {
        let path = PathBuf::from(path.as_ref());
        let format = by_extension(&path);
        return Some(entry(side, path, format, HEADER, at));
    }
    let table = value.table(WANTED, problems)?;
    let mut table = Table::new(format!("`{}`", value.key), at, table);
    let path = table.require_text("path", "a path", problems);
    let names = [
        ("text", Name::Text),
        ("json", Name::Json),
        ("csv", Name::Csv),
    ];
    let format = table.choice("format", &names, problems);
    let header = table.boolean("header", problems).unwrap_or(HEADER);
    table.finish(problems);
    let path = PathBuf::from(path?.value);
    let format = format.unwrap_or_else(|| by_extension(&path));
    Some(entry(side, path, format, header, at))
}

fn by_extension(path: &Path) -> Name {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json" | "jsonl" | "ndjson") => Name::Json,
        Some("csv") => Name::Csv,
        _ => Name::Text,
    }
}

fn entry(
    side: Option<String>,
    path: PathBuf,
    format: Name,
    header: bool,
    at: SourceSpan,
) -> DataSetEntry {
    let format = match format {
        Name::Text => Format::Text,
        Name::Json => Format::Json,
        Name::Csv => Format::Csv {
            separator: SEPARATOR,
            header,
        },
    };
    DataSetEntry {
        side,
        path,
        decoder: Decoder {
            format,
            on_invalid: OnInvalid::Fail,
            max_line: MAX_LINE,
        },
        at,
    }
}
