//! `[sink.x]` with `type = "sqlite"` or `type = "postgres"`.

use super::table::Table;
use crate::{
    confine::Place,
    model::Text,
    topology::{InvalidUrl, PostgresUrl, SinkKind, TableName, problem::Problems},
};

/// Bytes of a name that PostgreSQL keeps; it cuts the rest off in silence.
pub(crate) const POSTGRES_NAME: usize = 63;

pub(super) fn read_sqlite(table: &mut Table<'_>, problems: &mut Problems) -> Option<SinkKind> {
    let path = table.require_text("path", "the file of the database", problems);
    let name = read_table(table, Dialect::Sqlite, problems);
    let create = table.boolean("create", problems).unwrap_or(true);
    Some(SinkKind::Sqlite {
        path: Place::from(path?.value),
        table: name?,
        create,
    })
}

pub(super) fn read_postgres(table: &mut Table<'_>, problems: &mut Problems) -> Option<SinkKind> {
    let url = read_url(table, problems);
    let name = read_table(table, Dialect::Postgres, problems);
    let create = table.boolean("create", problems).unwrap_or(true);
    Some(SinkKind::Postgres {
        url: url?,
        table: name?,
        create,
    })
}

fn read_url(table: &mut Table<'_>, problems: &mut Problems) -> Option<PostgresUrl> {
    let value = table.require("url", problems)?;
    let text = match value.text_or_secret("the URL of a database", problems)? {
        Text::Written(text) => text,
        Text::Secret { name, .. } => return Some(PostgresUrl::secret(name)),
    };
    match PostgresUrl::parse(&text) {
        Ok(url) => Some(url),
        Err(invalid) => {
            let help = match invalid {
                InvalidUrl::AtInHost => "write an @ of the user or the password as %40",
                InvalidUrl::Tls => {
                    "leave `sslmode` out, and go through a tunnel where the network is not yours"
                }
                InvalidUrl::Scheme | InvalidUrl::Unreadable(_) | InvalidUrl::NoHost => {
                    "write it as in url = \"postgres://user@host:5432/database\""
                }
            };
            value.is_bad(invalid, problems).help(help);
            None
        }
    }
}

#[derive(Clone, Copy)]
enum Dialect {
    Sqlite,
    Postgres,
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
        Dialect::Postgres => {
            let parts = name.schema().into_iter().chain([name.name()]);
            if let Some(long) = parts.map(str::len).find(|bytes| *bytes > POSTGRES_NAME) {
                let why = format!(
                    "has a name of {long} bytes, of which PostgreSQL keeps only {POSTGRES_NAME}"
                );
                value.is_bad(why, problems);
                return None;
            }
        }
    }
    Some(name)
}
