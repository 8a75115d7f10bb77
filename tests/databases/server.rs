//! A server of its own: in a temporary folder, on a Unix socket, gone at the end.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio_postgres::{NoTls, SimpleQueryMessage};

/// A running server. Tests that run at the same time share one.
pub(super) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    /// Who runs it: the server does not run as root.
    user: Option<(u32, u32)>,
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
        let server = Arc::new(Self::start(programs));
        *running = Arc::downgrade(&server);
        Some(server)
    }

    fn start(programs: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let user = rustix::process::geteuid().is_root().then(unprivileged);
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let server = Self {
            folder,
            programs,
            user,
        };
        let data = server.data();
        let data = data.to_str().unwrap();
        server.program(
            "initdb",
            &[
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
            ],
        );
        let options = format!(
            "-k {} -c listen_addresses='' -c fsync=off -c max_connections=50",
            server.folder.path().display()
        );
        let log = server.folder.path().join("log");
        let log = log.to_str().unwrap();
        let start = ["-D", data, "-w", "-l", log, "-o", &options, "start"];
        server.program("pg_ctl", &start);
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str, arguments: &[&str]) {
        let mut command = Command::new(self.programs.join(name));
        command.args(arguments).current_dir(self.folder.path());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        // A server that pg_ctl starts would hold a pipe open: its words go to a file.
        let said = self.folder.path().join(format!("{name}.txt"));
        let out = fs::File::create(&said).unwrap();
        command.stdout(out.try_clone().unwrap()).stderr(out);
        let status = command.status().unwrap();
        let said = fs::read_to_string(&said).unwrap_or_default();
        assert!(status.success(), "{name}: {said}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        let stop = ["-D", data.to_str().unwrap(), "-m", "immediate", "stop"];
        self.program("pg_ctl", &stop);
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

/// The folder with the server's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<_> = versions
        .map(|entry| entry.unwrap().path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    folders.push("/usr/local/bin".into());
    folders.push("/usr/bin".into());
    let has_all = |folder: &PathBuf| {
        let names = ["initdb", "pg_ctl", "postgres"];
        names.iter().all(|name| folder.join(name).exists())
    };
    folders.into_iter().find(has_all)
}

/// Someone on this machine with no rights.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    let find = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(|id| id.parse().unwrap());
        Some((ids.next()?, ids.next()?))
    };
    find("postgres").or_else(|| find("nobody")).unwrap()
}
