//! Why a sink failed.

use std::path::PathBuf;

use crate::{
    format::WrongColumns,
    model::{BatchTime, NodeName},
    plugin::PluginFault,
    topology::TableName,
};

/// A batch that did not get where it belongs. Nothing of it is there.
#[derive(Debug, thiserror::Error)]
#[error("sink {name}, batch {batch}: {problem}")]
pub struct SinkError {
    name: NodeName,
    batch: BatchTime,
    #[source]
    problem: SinkProblem,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum SinkProblem {
    /// Standard output takes no more.
    #[error("cannot print: {0}")]
    Print(std::io::Error),
    /// A file or directory could not be made, written or put in place.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    File {
        /// As in "cannot write".
        action: &'static str,
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A function of a plugin failed.
    #[error("partition {partition}: function `{function}` of plugin `{plugin}`: {fault}")]
    Plugin {
        /// The plugin's own name.
        plugin: String,
        /// The function.
        function: String,
        /// Of the batch.
        partition: usize,
        /// What happened.
        fault: Box<PluginFault>,
    },
    /// A table of a database did not take the batch.
    #[error(transparent)]
    Table(Box<TableProblem>),
    /// A function of the embedding program failed.
    #[error("{0}")]
    Function(String),
    /// A chunk that the sink's schema does not describe.
    #[error("internal error: {0}")]
    Columns(#[from] WrongColumns),
}

/// Why a table did not take a batch, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action} table {table} of {database}: {why}{}; {advice}", how_often(*tries))]
pub struct TableProblem {
    /// As in "cannot insert into".
    pub action: &'static str,
    /// The table.
    pub table: TableName,
    /// The file or the server, without a password.
    pub database: String,
    /// What the database says.
    pub why: String,
    /// How often it was tried.
    pub tries: u32,
    /// What to do.
    pub advice: String,
}

fn how_often(count: u32) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" (tried {count} times)"),
    }
}

impl From<TableProblem> for SinkProblem {
    fn from(problem: TableProblem) -> Self {
        Self::Table(Box::new(problem))
    }
}

impl SinkError {
    /// A problem of the sink of this name with the batch at `batch`.
    pub fn new(name: &NodeName, batch: BatchTime, problem: SinkProblem) -> Self {
        Self {
            name: name.clone(),
            batch,
            problem,
        }
    }

    /// The sink.
    pub fn sink(&self) -> &NodeName {
        &self.name
    }

    /// What went wrong.
    pub fn problem(&self) -> &SinkProblem {
        &self.problem
    }
}
