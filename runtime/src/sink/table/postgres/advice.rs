//! What to make of an error of the server.

use std::error::Error as _;

use tokio_postgres::{Error, error::SqlState};

use super::column_type;
use crate::sink::table::{TableSpec, sql};

pub(super) const REACH: &str = "start the server, or correct host, port, user or password of `url`";

/// While this failed: the table of identities.
pub(super) const MAKE_IDENTITIES: &str = "make `rsrt_batches` beside";

/// What the server says, in one line.
pub(super) fn why(error: &Error) -> String {
    let text = match error.as_db_error() {
        Some(error) => {
            let more = [error.detail(), error.where_()].into_iter().flatten();
            let parts = std::iter::once(error.message()).chain(more);
            parts.collect::<Vec<_>>().join(": ")
        }
        None => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether another try, on another connection, may go better.
pub(super) fn may_pass(error: &Error) -> bool {
    let Some(code) = error.code() else {
        // Not the server's word: the connection, most likely.
        return true;
    };
    // Of connections, transactions that met another, resources, interventions, the system.
    let classes = ["08", "40", "53", "58"];
    let codes = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    classes.iter().any(|class| code.code().starts_with(class)) || codes.contains(code)
}

/// What to do.
pub(super) fn advice(spec: &TableSpec, action: &'static str, error: &Error) -> String {
    let Some(code) = error.code() else {
        return REACH.to_owned();
    };
    let class = code.code().get(..2).unwrap_or_default();
    match (code, class) {
        (&SqlState::INSUFFICIENT_PRIVILEGE, _) => {
            let make = match action {
                MAKE_IDENTITIES => sql::create_identities(&spec.table),
                _ => sql::create_table(spec, column_type),
            };
            format!(
                "give the user the right (INSERT on the table; SELECT, INSERT and DELETE on `rsrt_batches`), \
                 or make the table yourself: {make}"
            )
        }
        (&SqlState::CHARACTER_NOT_IN_REPERTOIRE | &SqlState::UNTRANSLATABLE_CHARACTER, _) => {
            "a text of PostgreSQL has no zero bytes: take them out with a `map`".to_owned()
        }
        (_, "22" | "23") => {
            "a row breaks a type or rule of the table: change the table, or keep such rows out with a `filter`".to_owned()
        }
        (_, "28" | "3D") => "correct user, password or database of `url`".to_owned(),
        (_, "3F") => "make the schema, or correct `table`".to_owned(),
        (_, "53") => "make room on the server: disk, memory or connections".to_owned(),
        (_, "08" | "40" | "55" | "57" | "58") => "look at the server and its log".to_owned(),
        _ => format!(
            "the table must have the columns {}: correct `table`, or alter the table",
            spec.columns()
        ),
    }
}
