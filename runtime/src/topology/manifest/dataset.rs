//! A data set in a file, as an operator names it: reference data, initial state.

use std::path::{Path, PathBuf};

use miette::SourceSpan;
use toml::de::DeValue;

use super::{
    format::{self, FormatName},
    table::{Table, Value},
};
use crate::{
    model::Schema,
    topology::{Decoder, Format, problem::Problems},
};

/// A data set, as written.
#[derive(Debug, Clone)]
pub(crate) struct DataSetEntry {
    /// As written.
    pub(crate) path: PathBuf,
    pub(crate) decoder: Decoder,
    /// None: what the function wants, or what its state is.
    pub(crate) schema: Option<Schema>,
    /// Place of the path or table.
    pub(crate) at: SourceSpan,
}

impl DataSetEntry {
    /// Whether its format can hold these columns; reports one that cannot.
    pub(crate) fn can_hold(&self, schema: &Schema, problems: &mut Problems) -> bool {
        let is_csv = matches!(self.decoder.format, Format::Csv { .. });
        !is_csv || format::fits_csv(schema, self.at, problems)
    }
}

/// `"blocked.csv"`, or a table with `path` and the keys of a format.
pub(super) fn read(what: &str, value: &Value<'_>, problems: &mut Problems) -> Option<DataSetEntry> {
    const WANTED: &str = "the path of a file, or a table such as { path = \"x.csv\" }";
    if let DeValue::String(path) = value.toml {
        if path.is_empty() {
            value.is_bad("must not be empty", problems);
            return None;
        }
        let path = PathBuf::from(path.as_ref());
        return Some(DataSetEntry {
            decoder: format::decoder_of(usual_format(&path)),
            schema: format::own_schema(usual_format(&path)),
            path,
            at: value.at,
        });
    }
    let inner = value.table(WANTED, problems)?;
    let mut table = Table::new(what.to_owned(), value.at, inner);
    let path = table.require_text("path", "the path of a file", problems);
    let path = path.map(|path| PathBuf::from(path.value));
    let usual = path.as_deref().map_or(FormatName::Text, usual_format);
    let (decoder, schema) = format::read_data_set(&mut table, usual, problems);
    table.finish(problems);
    Some(DataSetEntry {
        path: path?,
        decoder: decoder?,
        schema,
        at: value.at,
    })
}

/// The format that the file's name promises.
fn usual_format(path: &Path) -> FormatName {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("json" | "jsonl" | "ndjson") => FormatName::Json,
        Some("csv") => FormatName::Csv,
        _ => FormatName::Text,
    }
}
