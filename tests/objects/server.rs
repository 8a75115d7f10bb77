//! An S3 server of its own, on a free port, gone at the end.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::cli::Folder;

/// A running server. Tests that run at the same time share one.
struct Server {
    child: Child,
    address: String,
}

static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static BUCKETS: AtomicUsize = AtomicUsize::new(0);

impl Server {
    /// None, said loudly, if this machine has no such server.
    fn shared() -> Option<Arc<Self>> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = running.upgrade() {
            return Some(server);
        }
        let Some(program) = program() else {
            eprintln!(
                "NOT TESTED: this machine has no moto_server (`cargo xtask test --all` gets it)"
            );
            return None;
        };
        let server = Arc::new(Self::start(&program));
        *running = Arc::downgrade(&server);
        Some(server)
    }

    fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the server ended");
            if let Some((_, address)) = line.split_once("Running on http://") {
                break address.trim().to_owned();
            }
        };
        // What it still says must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, address }
    }

    /// Asks it something; answers with the first line.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let address = &self.address;
        let head = "Connection: close\r\nContent-Length: 0";
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {address}\r\n{head}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// An empty bucket of a running server.
pub(super) struct Bucket {
    server: Arc<Server>,
    name: String,
}

impl Bucket {
    /// None if there is no server to be had, which was said.
    pub(super) fn new() -> Option<Self> {
        let server = Server::shared()?;
        let name = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        let made = server.ask(&format!("PUT /{name}"));
        assert!(made.contains("200"), "{made}");
        Some(Self { server, name })
    }

    pub(super) fn url(&self, folder: &str) -> String {
        format!("s3://{}/{folder}", self.name)
    }

    /// `rsrt` with these arguments, which finds the server.
    pub(super) fn command(&self, folder: &Folder, arguments: &[&str]) -> Command {
        let mut rsrt = folder.command(arguments);
        rsrt.env("AWS_ENDPOINT", format!("http://{}", self.server.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        rsrt
    }
}

/// Where the shell finds it, or where `cargo xtask test --all` puts it.
fn program() -> Option<PathBuf> {
    const NAME: &str = "moto_server";
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&paths).collect();
    let rsrt = Path::new(env!("CARGO_BIN_EXE_rsrt"));
    folders.push(rsrt.ancestors().nth(2).unwrap().join("s3-server/bin"));
    folders
        .into_iter()
        .map(|folder| folder.join(NAME))
        .find(|path| path.exists())
}
