//! Sinks that write tables: whether their database can have the columns.

use std::collections::BTreeSet;

use crate::{
    model::{Field, Schema},
    topology::{
        SinkKind,
        manifest::{POSTGRES_NAME, SinkEntry},
        problem::{ProblemKind, Problems},
    },
};

/// Columns that every table of PostgreSQL has already.
const POSTGRES_OWN: [&str; 6] = ["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// Reports the columns of the stream that a table of the sink's database cannot have.
pub(crate) fn check(sink: &SinkEntry, schema: &Schema, problems: &mut Problems) {
    let (database, bad_names) = match sink.kind {
        Some(SinkKind::Sqlite { .. }) => ("SQLite", not_in_sqlite(schema)),
        Some(SinkKind::Postgres { .. }) => ("PostgreSQL", not_in_postgres(schema)),
        _ => return,
    };
    let at = sink.inputs.first().map_or(sink.name.at, |input| input.at);
    let mut report = |field: &Field, why, help| {
        let kind = ProblemKind::TableColumn {
            database,
            column: field.name.clone(),
            why,
        };
        problems.report(kind, at).help(help);
    };
    for field in schema.fields().iter().filter(|field| field.listed) {
        let why = format!("it is a list ({})", field.type_text());
        let help = "make text of it with a `map`, a row of each item with a `flat-map`, or write `json-files`";
        report(field, why, help);
    }
    for (field, why) in bad_names {
        report(field, why, "give it another name with a `map`");
    }
}

fn not_in_sqlite(schema: &Schema) -> Vec<(&Field, String)> {
    let mut seen = BTreeSet::new();
    let fields = schema.fields().iter();
    let twice = fields.filter(|field| !seen.insert(field.name.to_ascii_lowercase()));
    let why = "another one differs only in upper and lower case";
    twice.map(|field| (field, why.to_owned())).collect()
}

fn not_in_postgres(schema: &Schema) -> Vec<(&Field, String)> {
    let bad = schema.fields().iter().filter_map(|field| {
        let length = field.name.len();
        let why = if POSTGRES_OWN.contains(&field.name.as_str()) {
            "every table has one of this name already".to_owned()
        } else if length > POSTGRES_NAME {
            format!("its name has {length} bytes, and at most {POSTGRES_NAME} are kept")
        } else {
            return None;
        };
        Some((field, why))
    });
    bad.collect()
}
