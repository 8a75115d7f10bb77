//! `[sink.x]` with `type = "sqlite"`.

use std::path::PathBuf;

use super::table::Table;
use crate::topology::{SinkKind, TableName, problem::Problems};

pub(super) fn read_sqlite(table: &mut Table<'_>, problems: &mut Problems) -> Option<SinkKind> {
    let path = table.require_text("path", "the file of the database", problems);
    let name = read_table(table, Dialect::Sqlite, problems);
    let create = table.boolean("create", problems).unwrap_or(true);
    Some(SinkKind::Sqlite {
        path: PathBuf::from(path?.value),
        table: name?,
        create,
    })
}

#[derive(Clone, Copy)]
enum Dialect {
    Sqlite,
}

fn read_table(
    table: &mut Table<'_>,
    dialect: Dialect,
    problems: &mut Problems,
) -> Option<TableName> {
    let value = table.require("table", problems)?;
    let text = value.text("the name of a table", problems)?;
    let name = match TableName::parse(text.value) {
        Ok(name) => name,
        Err(invalid) => {
            value.is_bad(invalid, problems);
            return None;
        }
    };
    match dialect {
        Dialect::Sqlite => {
            if let Some(schema) = name.schema()
                && schema != "main"
            {
                let why = "names a schema, and a file of SQLite has none";
                let help = format!("write table = {:?}", name.name());
                value.is_bad(why, problems).help(help);
                return None;
            }
            if name.name().to_ascii_lowercase().starts_with("sqlite_") {
                let why = "starts with `sqlite_`, which SQLite keeps for itself";
                value.is_bad(why, problems);
                return None;
            }
        }
    }
    Some(name)
}
