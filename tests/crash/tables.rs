//! What lies in tables.

use std::{fs, path::Path};

use rusqlite::types::ValueRef;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::Failed;

/// Asks a copy: to open the file itself would tidy up what a dead process left.
pub(super) fn sqlite(file: &str, query: &str) -> Result<(), Failed> {
    if !Path::new(file).exists() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copy.db");
    fs::copy(file, &copy)?;
    if Path::new(&format!("{file}-wal")).exists() {
        fs::copy(format!("{file}-wal"), folder.path().join("copy.db-wal"))?;
    }
    let connection = rusqlite::Connection::open(&copy)?;
    let mut statement = match connection.prepare(query) {
        Ok(statement) => statement,
        // It died before there was a table.
        Err(error) if error.to_string().contains("no such table") => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|at| {
            Ok(match row.get_ref(at)? {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(value) => value.to_string(),
                ValueRef::Real(value) => value.to_string(),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                    String::from_utf8_lossy(bytes).into_owned()
                }
            })
        });
        let cells: Result<Vec<_>, rusqlite::Error> = cells.collect();
        println!("{}", cells?.join("\t"));
    }
    Ok(())
}

pub(super) fn postgres(url: &str, query: &str) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let messages = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::select! {
            messages = client.simple_query(query) => Ok::<_, Failed>(messages?),
            ended = connection => {
                ended?;
                Err("the server has hung up".into())
            }
        }
    })?;
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
            println!("{}", cells.collect::<Vec<_>>().join("\t"));
        }
    }
    Ok(())
}
