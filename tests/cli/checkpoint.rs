//! Runs that end, die and go on.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStderr, ChildStdout, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::Folder;
use crate::guests;

const FINITE: &str = r#"
name = "counts"
batch-interval = "1s"
checkpoint = "kept"
checkpoint-interval = "2s"
[source.lines]
type = "file"
path = "in.txt"
batch-bytes = "1B"
[operator.words]
input = "lines"
flat-map = "split"
[operator.totals]
input = "words"
update-state-by-key = "running"
[sink.out]
input = "totals"
type = "print"
"#;

fn run(folder: &Folder, more: &[&str]) -> super::Ended {
    folder.run_with("word-count", &[&["--quiet"], more].concat())
}

#[test]
fn a_run_that_is_done_is_not_made_again_unless_it_is_told_to() {
    let folder = Folder::new(&[("topo.toml", FINITE), ("in.txt", "a b\na\nb b\n")]);
    let first = run(&folder, &[]);
    first.says(0, &[]);
    assert_eq!(first.printed().len(), 3);
    assert_eq!(first.printed()[2], ["(a,2)", "(b,3)"]);
    assert!(run(&folder, &[]).says(0, &[]).printed().is_empty());

    let shown = folder.rsrt(&["checkpoint", "show", "kept"]);
    shown.says(0, &[]);
    for line in ["state after batch 3", "operator totals", "a | 2", "b | 3"] {
        assert!(shown.stdout.contains(line), "{}", shown.stdout);
    }
    let one = [
        "checkpoint",
        "show",
        "kept",
        "--operator",
        "nobody",
        "--format",
        "json",
    ];
    folder
        .rsrt(&one)
        .says(2, &["operator `nobody` has no state"]);
    folder
        .rsrt(&["checkpoint", "show", "nowhere"])
        .says(2, &["no such directory"]);

    let fresh = run(&folder, &["--fresh"]);
    assert_eq!(fresh.says(0, &[]).printed(), first.printed());
    let aside = folder
        .names()
        .into_iter()
        .filter(|name| name.starts_with("kept.before-"));
    assert_eq!(aside.count(), 1);
}

#[test]
fn a_batch_that_failed_is_made_again_by_the_next_run() {
    let files = "type = \"text-files\"\npath = \"taken/out\"";
    let topology = FINITE.replace("type = \"print\"", files);
    let files = [
        ("topo.toml", &*topology),
        ("in.txt", "a\nb\nc\n"),
        ("taken", "a file"),
    ];
    let folder = Folder::new(&files);
    run(&folder, &[]).says(1, &["sink out: cannot make taken"]);
    run(&folder, &[]).says(1, &["sink out: cannot make taken"]);
    std::fs::remove_file(folder.path().join("taken")).unwrap();
    run(&folder, &[]).says(0, &[]);
    let made = std::fs::read_dir(folder.path().join("taken")).unwrap();
    assert_eq!(made.count(), 3);
}

#[test]
fn rows_of_a_batch_that_is_made_again_are_in_a_table_once() {
    let table = r#"type = "sqlite"
path = "totals.db"
table = "totals"

[sink.other]
input = "totals"
type = "text-files"
path = "taken/out"
"#;
    let topology = FINITE.replace("type = \"print\"\n", table);
    let files = [
        ("topo.toml", &*topology),
        ("in.txt", "a\nb\nc\n"),
        ("taken", "a file"),
    ];
    let folder = Folder::new(&files);
    // The table has the first batch, the other sink fails: it is made again, twice.
    for _ in 0..2 {
        run(&folder, &[]).says(1, &["sink other: cannot make taken"]);
    }
    std::fs::remove_file(folder.path().join("taken")).unwrap();
    run(&folder, &[]).says(0, &[]);
    let database = rusqlite::Connection::open(folder.path().join("totals.db")).unwrap();
    let count = |what: &str| -> i64 {
        let query = format!("SELECT count(*) FROM {what}");
        database.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("totals"), 1 + 2 + 3);
    assert_eq!(count("rsrt_batches"), 3);
}

#[test]
fn a_state_to_begin_with_that_is_none_is_told_before_anything_runs() {
    let topology = FINITE.replace("\"running\"", "\"running\"\ninitial = \"begin.json\"");
    let files = [
        ("topo.toml", &*topology),
        ("in.txt", "a\n"),
        ("begin.json", "[\"a\", \"many\"]\n"),
        (
            "cases.json",
            r#"{"cases": [{"name": "a", "expect-error": "operator `totals`, initial"}]}"#,
        ),
    ];
    let folder = Folder::new(&files);
    run(&folder, &[]).says(2, &["operator `totals`, initial", "begin.json", "line 1"]);
    assert!(!folder.names().contains(&"kept".to_owned()));
    let plugin = guests::plugin("word-count");
    let test = ["test", "topo.toml", "--cases", "cases.json", "--plugin"];
    let ended = folder.rsrt(&[&test[..], &[plugin.to_str().unwrap()]].concat());
    ended.says(0, &[]);
    folder.write("begin.json", b"[\"a\", 4]\n");
    assert_eq!(run(&folder, &[]).printed()[0], ["(a,5)"]);
}

#[test]
fn a_batch_is_made_again_with_the_reference_data_that_it_was_claimed_with() {
    let topology = r#"
name = "clean"
batch-interval = "1s"
checkpoint = "kept"
checkpoint-interval = "1s"
retain-batches = 1
[source.lines]
type = "file"
path = "in.txt"
batch-bytes = "1B"
[operator.clean]
input = "lines"
transform = "without"
reference = { unwanted = "unwanted.txt" }
[sink.out]
input = "clean"
type = "text-files"
path = "taken/out"
"#;
    let files = [
        ("topo.toml", topology),
        ("in.txt", "a\na\nb\n"),
        ("unwanted.txt", "a\n"),
        ("taken", "a file"),
    ];
    let folder = Folder::new(&files);
    let run = || folder.run_with("text-tools", &["--quiet"]);
    run().says(1, &["sink out: cannot make taken"]);
    std::fs::remove_file(folder.path().join("taken")).unwrap();
    folder.write("unwanted.txt", b"b\nc\n");
    run().says(0, &[]);
    let made = std::fs::read_dir(folder.path().join("taken")).unwrap();
    let mut made: Vec<_> = made.map(|entry| entry.unwrap().path()).collect();
    made.sort();
    let read =
        |path: &std::path::PathBuf| std::fs::read_to_string(path.join("part-00000")).unwrap();
    let rows: Vec<_> = made.iter().map(read).collect();
    assert_eq!(rows, ["", "a\n", ""]);
    let data = std::fs::read_dir(folder.path().join("kept")).unwrap();
    let data = data.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().starts_with("data-")
    });
    assert_eq!(data.count(), 1, "what nothing names any more is gone");
}

#[test]
fn a_checkpoint_in_a_store_that_nobody_knows_is_refused() {
    for (url, why) in [
        (
            "gs://bucket/kept",
            "cannot be a gs:// URL: write a directory, or s3://bucket/folder",
        ),
        (
            "s3://bucket",
            "names no folder in the bucket: write s3://bucket/folder",
        ),
    ] {
        let topology = FINITE.replace("\"kept\"", &format!("\"{url}\""));
        let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "a\n")]);
        run(&folder, &[]).says(2, &["`checkpoint`", why]);
        folder.rsrt(&["checkpoint", "show", url]).says(2, &[why]);
    }
}

/// A run over a socket, and the server's end of it.
struct Live {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    server: TcpStream,
}

impl Live {
    fn start(folder: &Folder, listener: &TcpListener) -> Self {
        let plugin = guests::plugin("word-count");
        let mut rsrt = folder.command(&["run", plugin.to_str().unwrap(), "-t", "topo.toml"]);
        let mut child = rsrt
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (server, _) = listener.accept().unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
            server,
        }
    }

    fn wait_for(&mut self, row: &str) {
        let mut line = String::new();
        while line.trim_end() != row {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "no {row}");
        }
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
        // What it still says must not fill the pipes.
        std::io::copy(&mut self.stdout, &mut std::io::sink()).unwrap();
        std::io::copy(&mut self.stderr, &mut std::io::sink()).unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn state_over_a_socket_outlives_the_process_and_nobody_else_may_have_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = format!("type = \"socket\"\naddress = \"{address}\"");
    let topology = FINITE
        .replace(
            "type = \"file\"\npath = \"in.txt\"\nbatch-bytes = \"1B\"",
            &socket,
        )
        .replace("batch-interval = \"1s\"", "batch-interval = \"20ms\"");
    let folder = Folder::new(&[("topo.toml", &topology)]);

    let mut first = Live::start(&folder, &listener);
    first.server.write_all(b"a a\nb\n").unwrap();
    first.wait_for("(b,1)");
    let second = run(&folder, &[]);
    let pid = format!("by process {}", first.child.id());
    second.says(2, &["is in use", &pid]);
    assert_eq!(first.end(Signal::KILL), None);

    let mut second = Live::start(&folder, &listener);
    second.server.write_all(b"a\n").unwrap();
    second.wait_for("(a,3)");
    assert_eq!(second.end(Signal::TERM), Some(0));

    let mut third = Live::start(&folder, &listener);
    third.server.write_all(b"b\n").unwrap();
    third.wait_for("(b,2)");
    assert_eq!(third.end(Signal::TERM), Some(0));
}

#[test]
fn a_disk_that_is_full_ends_the_run_and_the_next_one_goes_on() {
    // Without a plugin, whose memory counts as a file, too.
    let topology = r#"
name = "sums"
batch-interval = "1s"
checkpoint = "kept"
[source.numbers]
type = "queue"
path = "in.json"
schema = { key = "utf8", value = "int64" }
[operator.sums]
input = "numbers"
reduce-by-key-and-window = "std:sum"
length = "1h"
inverse = true
[sink.out]
input = "sums"
type = "print"
"#;
    let batches = format!("[{}]", ["[[\"a\", 1]]"; 20].join(","));
    let folder = Folder::new(&[("topo.toml", topology), ("in.json", &batches)]);
    // Files take 1,024 bytes, as the shell counts: the journal is longer.
    let limited = "ulimit -f 2 && trap '' XFSZ && exec \"$0\" run -q -t topo.toml";
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", limited, env!("CARGO_BIN_EXE_rsrt")])
        .current_dir(folder.path());
    let ended = super::Ended::of(shell.output().unwrap());
    ended.says(1, &["File too large", "journal-000000000001"]);
    let before = ended.printed().len();
    assert!(before > 0);
    let after = folder.rsrt(&["run", "--quiet", "-t", "topo.toml"]);
    let rows = after.says(0, &[]).printed();
    assert_eq!(rows.last().unwrap(), &["(a,20)"]);
    // A batch whose commit did not fit was printed by both.
    assert!((20..=21).contains(&(before + rows.len())), "{before}");
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_anything_runs() {
    let files = [("topo.toml", FINITE), ("in.txt", "a\n"), ("kept", "a file")];
    let folder = Folder::new(&files);
    run(&folder, &[]).says(2, &["checkpoint", "kept: "]);
}

#[test]
fn a_checkpoint_that_is_taken_away_ends_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = format!("type = \"socket\"\naddress = \"{address}\"");
    let topology = FINITE
        .replace(
            "type = \"file\"\npath = \"in.txt\"\nbatch-bytes = \"1B\"",
            &socket,
        )
        .replace("batch-interval = \"1s\"", "batch-interval = \"20ms\"")
        .replace(
            "checkpoint-interval = \"2s\"",
            "checkpoint-interval = \"40ms\"",
        );
    let folder = Folder::new(&[("topo.toml", &topology)]);
    let mut live = Live::start(&folder, &listener);
    live.server.write_all(b"a\n").unwrap();
    live.wait_for("(a,1)");
    // At once: a removal file by file would race with the run's own files.
    std::fs::rename(folder.path().join("kept"), folder.path().join("taken")).unwrap();
    std::io::copy(&mut live.stdout, &mut std::io::sink()).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut live.stderr, &mut said).unwrap();
    assert_eq!(live.child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("No such file or directory"), "{said}");
}

#[test]
fn a_run_that_is_killed_leaves_what_the_next_one_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = format!("type = \"socket\"\naddress = \"{address}\"");
    let topology = FINITE
        .replace(
            "type = \"file\"\npath = \"in.txt\"\nbatch-bytes = \"1B\"",
            &socket,
        )
        .replace("batch-interval = \"1s\"", "batch-interval = \"20ms\"")
        .replace(
            "checkpoint-interval = \"2s\"",
            "checkpoint-interval = \"1h\"",
        );
    let folder = Folder::new(&[("topo.toml", &topology)]);
    let mut live = Live::start(&folder, &listener);
    live.server.write_all(b"a\n").unwrap();
    live.wait_for("(a,1)");
    live.wait_for("(a,1)"); // the batch after, so the first is committed
    assert_eq!(live.end(Signal::KILL), None);
    let shown = folder.rsrt(&["checkpoint", "show", "kept"]);
    shown.says(0, &[]);
    assert!(
        shown.stdout.contains("no state yet\nbatch 1 ("),
        "{}",
        shown.stdout
    );
    assert!(shown.stdout.contains("): committed\n"), "{}", shown.stdout);
}
