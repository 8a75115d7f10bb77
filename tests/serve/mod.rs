//! `rsrt serve` from outside: a server in a process of its own, and clients of it.

mod accounting;
mod api;
mod durable;
mod letters;
mod logs;
mod numbers;
mod quotas;
mod routes;
mod secrets;
mod state;
mod swaps;
mod tap;
mod tenants;
mod turns;
mod uploads;
mod verbs;
mod walls;

pub(crate) use turns::spinning;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};

use serde_json::Value;

use crate::cli::{Ended, Folder};

/// A server with its folder, in which it can be killed and started again.
pub(crate) struct Served {
    pub(crate) folder: Folder,
    child: Child,
    pub(crate) url: String,
}

/// What lets a topology connect to this machine.
const ALLOWED: &str = "addresses = [\"127.0.0.1:*\"]\n";

impl Served {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// With more lines of configuration.
    pub(crate) fn with(config: &str) -> Self {
        let config = format!("listen = \"127.0.0.1:0\"\ndata = \"data\"\ncores = 2\n{config}");
        let folder = Folder::new(&[("server.toml", &config)]);
        let (child, url) = spawn(&folder);
        Self { folder, child, url }
    }

    /// The same, and topologies of these namespaces may connect to this machine.
    pub(crate) fn with_local(namespaces: &[&str], config: &str) -> Self {
        let allowed = namespaces.iter();
        let allowed = allowed.map(|namespace| format!("[namespace.{namespace}]\n{ALLOWED}"));
        Self::with(&format!("{config}{}", allowed.collect::<Vec<_>>().concat()))
    }

    /// Kills it in the middle of whatever it is at.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        (self.child, self.url) = spawn(&self.folder);
    }

    pub(crate) fn token(&self, arguments: &[&str]) -> String {
        let new = ["token", "new", "--config", "server.toml"];
        let made = self.folder.rsrt(&[&new[..], arguments].concat());
        made.says(0, &[]);
        made.stdout.trim().to_owned()
    }

    /// `rsrt` with these arguments as the holder of a token.
    pub(crate) fn rsrt(&self, token: &str, arguments: &[&str]) -> Ended {
        let mut command = self.folder.command(arguments);
        command
            .env("RSRT_SERVER", &self.url)
            .env("RSRT_TOKEN", token)
            .env("XDG_CONFIG_HOME", self.folder.path());
        Ended::of(command.output().unwrap())
    }

    /// The same, while it goes on.
    pub(super) fn follow(&self, token: &str, arguments: &[&str]) -> Child {
        let mut command = self.folder.command(arguments);
        command
            .env("RSRT_SERVER", &self.url)
            .env("RSRT_TOKEN", token)
            .env("XDG_CONFIG_HOME", self.folder.path());
        command.stdout(Stdio::piped()).spawn().unwrap()
    }

    /// The status of a topology.
    pub(crate) fn status(&self, token: &str, name: &str) -> Value {
        let status = self.rsrt(token, &["status", name, "--format", "json"]);
        status.says(0, &[]);
        serde_json::from_str(&status.stdout).unwrap()
    }

    /// Asks for the status until it is as it should be.
    pub(crate) fn until(&self, token: &str, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2_000 {
            let status = self.status(token, name);
            if is(&status) {
                return status;
            }
            assert_ne!(status["phase"], "failed", "{status}");
        }
        panic!("{name} never gets there: {}", self.status(token, name));
    }

    /// One request: the status code and the body.
    pub(crate) fn http(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        ask(&mut self.connect(), (method, path, token), body.as_bytes())
    }

    /// Deploys a topology by itself.
    pub(crate) fn deploy(&self, namespace: &str, token: &str, topology: &str) -> (u16, String) {
        let path = format!("/v1/namespaces/{namespace}/topologies");
        let body = serde_json::json!({ "topology": topology });
        self.http("POST", &path, token, &body.to_string())
    }

    /// What `print` sinks put out, once it is as it should be.
    pub(crate) fn printed(&self, token: &str, name: &str, is: impl Fn(&str) -> bool) -> String {
        let me = self.http("GET", "/v1/me", token, "").1;
        let me: Value = serde_json::from_str(&me).unwrap();
        let namespace = me["namespace"].as_str().unwrap();
        let path = format!("/v1/namespaces/{namespace}/topologies/{name}/output");
        let mut output = String::new();
        for _ in 0..20_000 {
            output = self.http("GET", &path, token, "").1;
            if is(&output) {
                return output;
            }
        }
        panic!("{output}\n{}", self.status(token, name));
    }

    /// Asks until it has failed, and answers why.
    pub(crate) fn failure(&self, token: &str, name: &str) -> String {
        loop {
            let status = self.status(token, name);
            if status["phase"] == "failed" {
                return status["why"].as_str().unwrap().to_owned();
            }
            assert_ne!(status["phase"], "finished", "{status}");
        }
    }

    /// No answer says where the server's files lie.
    #[track_caller]
    pub(crate) fn tells_no_path(&self, text: &str) {
        let place = self.folder.path().to_str().unwrap();
        assert!(!text.contains(place), "{text}");
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(self.url.split("://").nth(1).unwrap()).unwrap()
    }

    /// What all have used, and the process.
    pub(crate) fn usage(&self, admin: &str) -> Value {
        let (code, text) = self.http("GET", "/v1/usage", admin, "");
        assert_eq!(code, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// CPU time of the server's process as the system counts it, in ticks of 10 ms.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = fields.split(' ').collect();
        let [user, system] = [11, 12].map(|at: usize| fields[at].parse::<u64>().unwrap());
        user + system
    }

    /// The most memory that the server's process ever had, in KiB.
    pub(crate) fn memory_peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
        let peak = peak.unwrap().split_whitespace().nth(1).unwrap();
        peak.parse().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn audit(&self) -> String {
        fs::read_to_string(self.folder.path().join("data/audit.jsonl")).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own.
pub(crate) fn ask(
    stream: &mut TcpStream,
    (method, path, token): (&str, &str, &str),
    body: &[u8],
) -> (u16, String) {
    let bearer = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\n{bearer}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
    // It may have been refused by its head already.
    let _ = stream.write_all(body);
    answer(stream)
}

pub(crate) fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes); // what was refused may be reset
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (code.unwrap_or(0), body.to_owned())
}

fn spawn(folder: &Folder) -> (Child, String) {
    let mut serve = folder.command(&["serve", "--config", "server.toml"]);
    let mut child = serve
        .stdout(Stdio::piped())
        .stderr(Stdio::from(
            fs::File::create(folder.path().join("log")).unwrap(),
        ))
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ");
    let url =
        url.unwrap_or_else(|| panic!("{}", fs::read_to_string(folder.path().join("log")).unwrap()));
    (child, url.to_owned())
}

/// A topology that counts and never ends.
pub(crate) fn endless(name: &str) -> String {
    format!(
        "name = \"{name}\"\nbatch-interval = \"20ms\"\n\
         [source.numbers]\ntype = \"generator\"\nrate = 1000\n\
         [sink.out]\ninput = \"numbers\"\ntype = \"print\"\n"
    )
}
