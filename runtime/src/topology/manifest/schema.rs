//! `schema = …`: the columns that a source declares.

use super::{
    table::Value,
    value::{self},
};
use crate::{
    model::{Field, Schema},
    topology::problem::{ProblemKind, Problems},
};

/// `{ user = "utf8", amount = "float64?" }`: a column for each key, in the order of the text.
pub(super) fn read_columns(value: &Value<'_>, problems: &mut Problems) -> Option<Schema> {
    const WANTED: &str = "a table of columns such as { user = \"utf8\", amount = \"float64?\" }";
    let table = value.table(WANTED, problems)?;
    let mut fields = Vec::with_capacity(table.len());
    let mut complete = true;
    for column in value::entries(table) {
        match read_field(column.key, &column, problems) {
            Some(field) => fields.push(field),
            None => complete = false,
        }
    }
    if !complete {
        return None;
    }
    match Schema::new(fields) {
        Ok(schema) => Some(schema),
        Err(reason) => {
            let of = format!("`{}`", value.key);
            problems.report(ProblemKind::BadColumns { of, reason }, value.at);
            None
        }
    }
}

/// As [`read_columns`], or one type for a plain stream: `"int64"`.
pub(super) fn read_type_or_columns(value: &Value<'_>, problems: &mut Problems) -> Option<Schema> {
    if !matches!(value.toml, toml::de::DeValue::String(_)) {
        return read_columns(value, problems);
    }
    let field = read_field("value", value, problems)?;
    Schema::new(vec![field]).ok()
}

fn read_field(name: &str, value: &Value<'_>, problems: &mut Problems) -> Option<Field> {
    let text = value.text(
        "a type such as \"utf8\", \"int64?\" or \"[float64]\"",
        problems,
    )?;
    match Field::parse(name, text.value) {
        Ok(field) => Some(field),
        Err(reason) => {
            let key = value.key.to_owned();
            problems.report(ProblemKind::BadType { key, reason }, value.at);
            None
        }
    }
}
