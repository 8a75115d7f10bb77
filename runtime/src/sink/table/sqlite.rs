//! A file of SQLite.

use std::{io::ErrorKind, path::PathBuf, time::Duration};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Statement, ToSql, TransactionBehavior,
    config::DbConfig,
    params,
    types::{ToSqlOutput, ValueRef},
};

use super::{Database, Failed, Identity, Put, Size, TableSpec, Transaction, sql};
use crate::{
    confine::Place,
    crash_points::around,
    format::{Cell, Cells},
    model::{Batch, Kind},
    sink::{
        TableProblem,
        files::{make_durable_directories, sync_directory},
    },
};

/// How long a write waits for another one's end.
const BUSY: Duration = Duration::from_secs(10);

/// A table in a file.
pub(super) struct Sqlite {
    path: Place,
    spec: TableSpec,
    open: Option<Open>,
}

/// The file, open.
struct Open {
    connection: Connection,
    /// Device and inode: whether it is still the file of this name.
    file: (u64, u64),
}

impl Sqlite {
    pub(super) fn new(path: Place, spec: TableSpec) -> Self {
        Self {
            path,
            spec,
            open: None,
        }
    }

    /// Opens the file, which is made if it is missing, and makes the tables.
    fn open(&self, with_identities: bool) -> Result<Open, Failed> {
        let reach = |error| self.failed("reach", error);
        // SQLite knows names of files that mean something else, but none that starts with a slash.
        let path = self.path.absolute().map_err(|error| self.no_file(error))?;
        if let Some(parent) = path.parent() {
            make_durable_directories(&parent).map_err(|error| self.no_file(error))?;
        }
        let (name, flags) = self.by_name(&path)?;
        let connection = Connection::open_with_flags(name, flags).map_err(reach)?;
        if path.is_confined() {
            distrust(&connection).map_err(reach)?;
        }
        connection.busy_timeout(BUSY).map_err(reach)?;
        let journal: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(reach)?;
        // Without a write-ahead log, FULL may lose the last commit in a power failure.
        let synchronous = match journal.as_str() {
            "wal" => "FULL",
            _ => "EXTRA",
        };
        connection
            .execute_batch(&format!("PRAGMA synchronous = {synchronous}"))
            .map_err(reach)?;
        if self.spec.create {
            let make = sql::create_table(&self.spec, column_type);
            let made = connection.execute_batch(&make);
            made.map_err(|error| self.failed("make", error))?;
        }
        if with_identities {
            let make = sql::create_identities(&self.spec.table);
            let made = connection.execute_batch(&make);
            made.map_err(|error| self.failed("make `rsrt_batches` beside", error))?;
        }
        // Also of a file that was there: who made it may have been killed before this.
        self.sync_names(&path)?;
        let file = identity_of(&path).map_err(|error| self.no_file(error))?;
        Ok(Open { connection, file })
    }

    /// SQLite opens files by name. A confined one lies where the name of the directory is not the
    /// topology's to change, and SQLite follows no link at its end.
    fn by_name(&self, path: &Place) -> Result<(PathBuf, OpenFlags), Failed> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match path.by_name().map_err(|error| self.no_file(error))? {
            None => Ok((path.path().to_owned(), flags)),
            Some(name) => Ok((name, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)),
        }
    }

    fn sync_names(&self, path: &Place) -> Result<(), Failed> {
        let synced = path.parent().as_ref().map_or(Ok(()), sync_directory);
        synced.map_err(|error| self.no_file(error))
    }

    /// Makes durable what is read: who committed it may have been killed between the write and its
    /// sync, and the batch is about to be committed because it is there.
    fn keep(&self) -> Result<(), Failed> {
        let path = self.path.absolute().map_err(|error| self.no_file(error))?;
        let log = path.with_suffix("-wal");
        let synced = around("sqlite-keep-before", "sqlite-keep-after", || log.sync());
        match synced {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.no_file(error)),
            _ => self.sync_names(&path),
        }
    }

    fn transact(&self, open: &mut Open, given: &Transaction<'_>) -> Result<Put, Failed> {
        let begun = around("sqlite-begin-before", "sqlite-begin-after", || {
            let connection = &mut open.connection;
            connection.transaction_with_behavior(TransactionBehavior::Immediate)
        });
        let transaction = begun.map_err(|error| self.failed("insert into", error))?;
        if let Some(identity) = &given.identity {
            let noted = self.note(&transaction, identity);
            let noted = noted.map_err(|error| self.failed("note the batch beside", error))?;
            if let Some(size) = noted {
                self.keep()?;
                return Ok(Put::Known(size));
            }
        }
        self.insert(&transaction, given.batch)?;
        let committed = around("sqlite-commit-before", "sqlite-commit-after", || {
            transaction.commit()
        });
        committed.map_err(|error| self.failed("commit to", error))?;
        Ok(Put::Inserted)
    }

    /// Writes the identity, or answers with the one that is there.
    fn note(
        &self,
        connection: &Connection,
        identity: &Identity<'_>,
    ) -> rusqlite::Result<Option<Size>> {
        let table = &self.spec.table;
        let Identity {
            uid, sink, size, ..
        } = identity;
        let time = identity.time.as_millis();
        if let Some(before) = identity.forget {
            let mut delete = connection.prepare_cached(&sql::delete_identities(table))?;
            delete.execute(params![uid, sink, before.as_millis()])?;
        }
        let mut insert = connection.prepare_cached(&sql::insert_identity(table))?;
        let values = params![uid, sink, time, size.partitions, size.rows];
        let is_new: Option<i64> = insert.query_row(values, |row| row.get(0)).optional()?;
        if is_new.is_some() {
            return Ok(None);
        }
        let mut select = connection.prepare_cached(&sql::select_identity(table))?;
        let there = select.query_row(params![uid, sink, time], |row| {
            Ok(Size {
                partitions: row.get(0)?,
                rows: row.get(1)?,
            })
        })?;
        Ok(Some(there))
    }

    fn insert(&self, connection: &Connection, batch: &Batch) -> Result<(), Failed> {
        let failed = |error| self.failed("insert into", error);
        let mut insert = connection
            .prepare_cached(&sql::insert(&self.spec))
            .map_err(failed)?;
        for chunk in batch.chunks() {
            let columns = Cells::of(&self.spec.schema, chunk)?;
            for row in 0..chunk.num_rows() {
                insert_row(&mut insert, &columns, row).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn failed(&self, action: &'static str, error: rusqlite::Error) -> Failed {
        let code = error.sqlite_error_code();
        let columns = self.spec.columns();
        let advice = match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another program holds the file: end its transaction".to_owned()
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                "the file and its folder must be there and writable: correct `path` or their permissions".to_owned()
            }
            Some(ErrorCode::DiskFull) => "make room on the disk".to_owned(),
            Some(ErrorCode::SystemIoFailure) => "look at the disk".to_owned(),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                "correct `path`, or restore the file".to_owned()
            }
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
                "a row breaks a rule of the table: change the rule, or keep such rows out with a `filter`".to_owned()
            }
            _ => format!("the table must have the columns {columns}: correct `table`, or alter the table"),
        };
        let again = matches!(
            code,
            Some(
                ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::CannotOpen
                    | ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::FileLockingProtocolFailed
            )
        );
        let why = match error {
            rusqlite::Error::SqlInputError { msg, .. } => msg,
            other => other.to_string(),
        };
        // SQLite says which file it cannot open; where a confined one lies is nobody's business.
        let why = match self.path.is_confined().then(|| self.path.by_name()) {
            Some(Ok(Some(name))) => {
                let shown = self.path.shown().display().to_string();
                why.replace(&name.display().to_string(), &shown)
            }
            _ => why,
        };
        let problem = self.problem(action, why, advice);
        Failed {
            problem: problem.into(),
            again,
        }
    }

    fn no_file(&self, error: impl std::fmt::Display) -> Failed {
        let advice = "correct `path`, or what is wrong with the folder".to_owned();
        let problem = self.problem("reach", error.to_string(), advice);
        Failed {
            problem: problem.into(),
            again: true,
        }
    }

    fn problem(&self, action: &'static str, why: String, advice: String) -> TableProblem {
        TableProblem {
            action,
            table: self.spec.table.clone(),
            database: self.path.display().to_string(),
            why,
            tries: 1,
            advice,
        }
    }
}

impl Database for Sqlite {
    fn put(&mut self, transaction: &Transaction<'_>) -> Result<Put, Failed> {
        if let Some((why, advice)) = self.spec.refuses() {
            return Err(self.problem("insert into", why, advice).into());
        }
        // A file that was removed or replaced would take rows that nobody finds.
        let is_there = |open: &Open| identity_of(&self.path).is_ok_and(|file| file == open.file);
        let mut open = match self.open.take().filter(is_there) {
            Some(open) => open,
            None => self.open(transaction.identity.is_some())?,
        };
        let put = self.transact(&mut open, transaction)?;
        self.open = Some(open);
        Ok(put)
    }

    fn disconnect(&mut self) {
        self.open = None;
    }

    /// SQLite waits by itself for what another one holds; for the rest time does nothing.
    fn wait(&mut self, _: u32) {}
}

/// Whoever may write the file may write into its schema what others then run.
fn distrust(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    Ok(())
}

fn identity_of(path: &Place) -> std::io::Result<(u64, u64)> {
    Ok(path.look()?.identity)
}

fn column_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int64 | Kind::Timestamp => "integer",
        Kind::Float64 => "real",
        Kind::Utf8 => "text",
        Kind::Binary => "blob",
    }
}

fn insert_row(
    insert: &mut Statement<'_>,
    columns: &[Cells<'_>],
    row: usize,
) -> rusqlite::Result<()> {
    for (at, column) in columns.iter().enumerate() {
        insert.raw_bind_parameter(at + 1, column.get(row))?;
    }
    insert.raw_execute()?;
    Ok(())
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Cell::Null => ValueRef::Null,
            Cell::Boolean(value) => ValueRef::Integer(value.into()),
            Cell::Int64(value) | Cell::Timestamp(value) => ValueRef::Integer(value),
            Cell::Float64(value) => ValueRef::Real(value),
            Cell::Utf8(text) => ValueRef::Text(text.as_bytes()),
            Cell::Binary(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

#[cfg(test)]
impl Sqlite {
    /// What the open connection says of itself.
    pub(super) fn pragma(&self, name: &str) -> rusqlite::types::Value {
        let open = self.open.as_ref().unwrap();
        let query = format!("PRAGMA {name}");
        let value = open.connection.query_row(&query, [], |row| row.get(0));
        value.unwrap()
    }
}
