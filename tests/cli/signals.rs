//! Ctrl-C and SIGTERM.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::Folder;

/// A run over a socket, and the server's end of it.
struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    stderr: BufReader<std::process::ChildStderr>,
    server: TcpStream,
    _folder: Folder,
}

impl Running {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let topology = format!(
            "name = \"net\"\nbatch-interval = \"50ms\"\n[source.lines]\ntype = \"socket\"\n\
             address = \"{address}\"\n[sink.out]\ninput = \"lines\"\ntype = \"print\"\n"
        );
        let folder = Folder::new(&[("topo.toml", &topology)]);
        let mut rsrt = folder.command(&["run", "-t", "topo.toml"]);
        let rsrt = rsrt.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = rsrt.spawn().unwrap();
        let (server, _) = listener.accept().unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
            server,
            _folder: folder,
        }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

/// Reads up to the line that holds `word`.
pub(super) fn wait_for(word: &str, from: &mut impl BufRead) -> String {
    let mut seen = String::new();
    loop {
        let before = seen.len();
        assert!(
            from.read_line(&mut seen).unwrap() > 0,
            "no {word:?} in\n{seen}"
        );
        if seen[before..].contains(word) {
            return seen;
        }
    }
}

#[test]
fn a_graceful_stop_processes_what_was_received() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut running = Running::start();
        let warned = wait_for("connected", &mut running.stderr);
        assert!(warned.contains("at most once"), "{warned}");
        running.server.write_all(b"first\n").unwrap();
        wait_for("first", &mut running.stdout);
        running.signal(signal);
        wait_for("stopping after the batches in flight", &mut running.stderr);
        wait_for("1 record in", &mut running.stderr);
        assert_eq!(running.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_source_that_is_never_reached_ends_the_run_with_1() {
    // A port that was free a moment ago, and that nobody listens on.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let topology = format!(
        "name = \"net\"\nbatch-interval = \"20ms\"\n[source.lines]\ntype = \"socket\"\n\
         address = \"{address}\"\nconnect-attempts = 1\n[sink.out]\ninput = \"lines\"\ntype = \"print\"\n"
    );
    let folder = Folder::new(&[("topo.toml", &topology)]);
    let ended = folder.rsrt(&["run", "-t", "topo.toml"]);
    ended.says(
        1,
        &["source lines: gave up after 1 failed attempts: cannot reach"],
    );
}

#[test]
fn a_second_signal_aborts_a_function_that_does_not_return() {
    let topology = super::lines_topology(
        "limits = { cpu-time = \"1h\" }",
        "[operator.it]\ninput = \"lines\"\nmap = \"spins\"",
        "it",
    );
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "a\n")]);
    let plugin = crate::guests::plugin("faulty");
    let mut rsrt = folder.command(&["run", plugin.to_str().unwrap(), "-t", "topo.toml"]);
    let mut child = rsrt
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for("running", &mut stderr);
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
    wait_for("Ctrl-C again aborts", &mut stderr);
    kill_process(id, Signal::INT).unwrap();
    wait_for("aborting", &mut stderr);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
