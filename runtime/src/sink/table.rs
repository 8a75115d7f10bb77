//! Tables of databases (spec 13.4): a batch is one transaction.

mod copy;
mod postgres;
mod sql;
mod sqlite;

use super::{Sink, SinkError, SinkProblem, TableProblem};
use crate::{
    confine::Place,
    model::{Batch, BatchTime, NodeName, Schema},
    topology::{PostgresUrl, TableName},
};
use postgres::Postgres;
use sqlite::Sqlite;

/// How often a batch is tried when the database is out of reach, or busy.
const TRIES: u32 = 3;

/// Which table, and its columns.
#[derive(Debug, Clone)]
pub struct TableSpec {
    table: TableName,
    schema: Schema,
    create: bool,
}

impl TableSpec {
    /// A table for rows of this schema, made if it is missing.
    pub fn new(schema: &Schema, table: &TableName) -> Self {
        Self {
            table: table.clone(),
            schema: schema.clone(),
            create: true,
        }
    }

    /// The same; `create` says whether the table is made if it is missing.
    #[must_use]
    pub fn with_create(self, create: bool) -> Self {
        Self { create, ..self }
    }

    /// Why the table can have no row, and what to do.
    fn refuses(&self) -> Option<(String, String)> {
        let list = self.schema.fields().iter().find(|field| field.listed)?;
        let why = format!("the column {} is a list ({})", list.name, list.type_text());
        Some((why, "make text or rows of it".to_owned()))
    }

    /// The columns, for people.
    fn columns(&self) -> String {
        let fields = self.schema.fields().iter();
        let names: Vec<_> = fields.map(|field| field.name.as_str()).collect();
        names.join(", ")
    }
}

/// Inserts the rows of each batch into a table, in one transaction. With a uid the transaction also
/// notes the batch in the table `rsrt_batches`, and a batch that is noted there is not written
/// again: exactly once. Without one it is at least once.
///
/// The connection is opened for the first batch, kept, and opened anew after an error.
pub struct TableSink {
    name: NodeName,
    uid: Option<String>,
    forget: Option<BatchTime>,
    database: Box<dyn Database>,
}

impl TableSink {
    /// A table in a file of SQLite, which is made if it is missing.
    pub fn sqlite(name: &NodeName, path: impl Into<Place>, spec: TableSpec) -> Self {
        Self::new(name, Box::new(Sqlite::new(path.into(), spec)))
    }

    /// A table of a PostgreSQL server. Must be written on a thread that may block.
    pub fn postgres(name: &NodeName, url: &PostgresUrl, spec: TableSpec) -> Self {
        Self::new(name, Box::new(Postgres::new(url, spec)))
    }

    fn new(name: &NodeName, database: Box<dyn Database>) -> Self {
        Self {
            name: name.clone(),
            uid: None,
            forget: None,
            database,
        }
    }

    /// The same, for the stream with this uid.
    #[must_use]
    pub fn with_uid(self, uid: Option<&str>) -> Self {
        let uid = uid.map(str::to_owned);
        Self { uid, ..self }
    }

    fn put(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkProblem> {
        let mut tries = 0;
        loop {
            tries += 1;
            let transaction = Transaction {
                batch,
                identity: self.uid.as_deref().map(|uid| Identity {
                    uid,
                    sink: self.name.as_str(),
                    time,
                    size: Size::of(batch),
                    forget: self.forget,
                }),
            };
            let failed = match self.database.put(&transaction) {
                Ok(Put::Inserted) => {
                    self.forget = None;
                    return Ok(());
                }
                Ok(Put::Known(size)) => {
                    self.warn_of_difference(time, Size::of(batch), size);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            // What is half done goes with the connection. If the COMMIT was, the next try finds the
            // identity.
            self.database.disconnect();
            if !failed.again || tries == TRIES {
                return Err(failed.into_problem(tries));
            }
            tracing::warn!(
                "batch {time}, sink {}: {}; trying again",
                self.name,
                failed.problem
            );
            self.database.wait(tries);
        }
    }

    /// A batch that is made again is the same again, else something in it is not deterministic.
    fn warn_of_difference(&self, time: BatchTime, now: Size, before: Size) {
        if now == before {
            tracing::debug!("batch {time}, sink {}: written already", self.name);
            return;
        }
        tracing::warn!(
            "batch {time}, sink {}: written already, then with {before} and now with {now}; what was written stays",
            self.name
        );
    }
}

impl Sink for TableSink {
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError> {
        self.put(time, batch)
            .map_err(|problem| SinkError::new(&self.name, time, problem))
    }

    /// The identities of those batches go with the next one that is written.
    fn forget_before(&mut self, time: BatchTime) {
        self.forget = self.forget.max(Some(time));
    }
}

/// Somewhere with transactions.
trait Database: Send {
    /// Inserts the rows and the identity, all or nothing; only looks if the identity is there.
    /// Connects if there is no connection.
    fn put(&mut self, transaction: &Transaction<'_>) -> Result<Put, Failed>;

    /// Drops the connection and what is open on it.
    fn disconnect(&mut self);

    /// Waits before the try after this many.
    fn wait(&mut self, tries: u32);
}

/// What belongs together.
struct Transaction<'a> {
    batch: &'a Batch,
    identity: Option<Identity<'a>>,
}

/// What tells one batch of one sink from every other.
struct Identity<'a> {
    uid: &'a str,
    sink: &'a str,
    time: BatchTime,
    size: Size,
    /// Those of the same sink before this time are not needed any more.
    forget: Option<BatchTime>,
}

/// How much a batch holds; noted with its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    partitions: i64,
    rows: i64,
}

impl Size {
    fn of(batch: &Batch) -> Self {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            partitions: count(batch.partitions.len()),
            rows: count(batch.rows()),
        }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows in {} partitions", self.rows, self.partitions)
    }
}

/// What came of a transaction.
enum Put {
    Inserted,
    /// The identity was there, with this size.
    Known(Size),
}

/// What did not come of it.
struct Failed {
    problem: SinkProblem,
    /// Another try may go better.
    again: bool,
}

impl Failed {
    fn into_problem(self, tries: u32) -> SinkProblem {
        match self.problem {
            SinkProblem::Table(problem) => TableProblem { tries, ..*problem }.into(),
            other => other,
        }
    }
}

impl<P: Into<SinkProblem>> From<P> for Failed {
    /// For good.
    fn from(problem: P) -> Self {
        Self {
            problem: problem.into(),
            again: false,
        }
    }
}

#[cfg(test)]
mod tests;
