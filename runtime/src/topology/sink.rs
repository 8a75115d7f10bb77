//! Where rows go.

use std::collections::BTreeMap;

use super::{Call, PostgresUrl, StreamRef, TableName};
use crate::{
    confine::Place,
    model::{NodeName, Text},
};

/// A sink, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// Its name.
    pub name: NodeName,
    /// What it takes.
    pub input: StreamRef,
    /// What it does with it.
    pub kind: SinkKind,
}

/// What a sink does with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// The first rows on standard output (spec 13.1).
    Print {
        /// How many rows.
        n: usize,
    },
    /// `<path>-<batch ms>[.<suffix>]/part-00000` and on, one file per partition (spec 13.2).
    Files {
        /// The prefix.
        path: Place,
        /// What the directory's name ends with, behind a dot.
        suffix: Option<String>,
        /// What a file holds.
        format: FileFormat,
    },
    /// A function of a plugin for each partition (spec 13.3). What it does is outside of what rsrt
    /// can repeat or take back.
    Foreach {
        /// The function.
        call: Call,
        /// Text for it.
        settings: BTreeMap<String, Text>,
    },
    /// Rows of a table in a file of SQLite, a transaction a batch.
    Sqlite {
        /// The file.
        path: Place,
        /// The table.
        table: TableName,
        /// Make the table if it is missing.
        create: bool,
    },
    /// Rows of a table of a PostgreSQL server, a transaction a batch.
    Postgres {
        /// The database.
        url: PostgresUrl,
        /// The table.
        table: TableName,
        /// Make the table if it is missing.
        create: bool,
    },
    /// Rows are computed and dropped.
    Null,
}

/// What a file of a sink holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// One line per row, as text.
    Text,
    /// One JSON object or value per line.
    Json,
    /// The rows with their columns and types: an Arrow IPC file.
    Objects,
}
