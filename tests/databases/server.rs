//! A server of its own: in a temporary folder, on a Unix socket, gone at the end.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::cluster::{Cluster, programs};

/// A running server. Tests that run at the same time share one.
pub(super) struct Server {
    // Stopped before its folder goes.
    _cluster: Cluster,
    folder: tempfile::TempDir,
}

static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static DATABASES: AtomicUsize = AtomicUsize::new(0);

impl Server {
    /// None, said loudly, if this machine has no PostgreSQL.
    fn shared() -> Option<Arc<Self>> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = running.upgrade() {
            return Some(server);
        }
        let Some(programs) = programs() else {
            eprintln!("NOT TESTED: this machine has no initdb, pg_ctl and postgres");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(folder.path(), programs).unwrap();
        let server = Arc::new(Self {
            _cluster: cluster,
            folder,
        });
        *running = Arc::downgrade(&server);
        Some(server)
    }
}

/// An empty database of a running server.
pub(super) struct Database {
    server: Arc<Server>,
    name: String,
}

impl Database {
    /// None if there is no server to be had, which was said.
    pub(super) fn new() -> Option<Self> {
        let server = Server::shared()?;
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let postgres = Self {
            server: server.clone(),
            name: "postgres".to_owned(),
        };
        postgres.query(&format!("CREATE DATABASE {name}"));
        Some(Self { server, name })
    }

    /// Where the server listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.server.folder.path().join(".s.PGSQL.5432")
    }

    pub(super) fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub(super) fn url_of(&self, user: &str) -> String {
        let folder = self.server.folder.path().to_str().unwrap();
        format!(
            "postgres://{user}@{}/{}",
            folder.replace('/', "%2F"),
            self.name
        )
    }

    /// The same database, through someone who listens on this port.
    pub(super) fn url_through(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{}", self.name)
    }

    /// Rows as text; nulls as `NULL`.
    #[track_caller]
    pub(super) fn query(&self, query: &str) -> Vec<Vec<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let messages = runtime.block_on(async {
            let connected = tokio_postgres::connect(&self.url(), NoTls).await;
            let (client, connection) = connected.unwrap();
            tokio::select! {
                messages = client.simple_query(query) => messages.unwrap(),
                ended = connection => panic!("{ended:?}"),
            }
        });
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let cell = |cell: Option<&str>| cell.unwrap_or("NULL").to_owned();
        rows.map(|row| (0..row.len()).map(|at| cell(row.get(at))).collect())
            .collect()
    }

    #[track_caller]
    pub(super) fn count(&self, table: &str) -> u64 {
        let rows = self.query(&format!("SELECT count(*) FROM {table}"));
        rows[0][0].parse().unwrap()
    }
}
