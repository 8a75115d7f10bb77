//! Checkpoints on a real S3 server, which the tests start and stop. Without its program they say so
//! and test nothing.

mod server;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Stdio},
};

use crate::{
    cli::{Ended, Folder},
    guests,
};
use server::Bucket;

/// State over the lines of a file, a line a batch; `files` has each batch once, whatever happens.
fn finite(url: &str) -> String {
    format!(
        r#"
name = "counts"
batch-interval = "1s"
checkpoint = "{url}"
checkpoint-interval = "3s"
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
[sink.files]
input = "totals"
type = "text-files"
path = "out/t"
[sink.out]
input = "totals"
type = "print"
"#
    )
}

fn run(bucket: &Bucket, folder: &Folder, more: &[&str]) -> Ended {
    let plugin = guests::plugin("word-count");
    let run = ["run", plugin.to_str().unwrap(), "-t", "topo.toml", "-q"];
    let mut rsrt = bucket.command(folder, &[&run[..], more].concat());
    Ended::of(rsrt.output().unwrap())
}

fn rsrt(bucket: &Bucket, folder: &Folder, arguments: &[&str]) -> Ended {
    Ended::of(bucket.command(folder, arguments).output().unwrap())
}

/// What `files` has of each batch, in order; batch times are those of the wall clock.
fn written(folder: &Folder) -> Vec<Vec<String>> {
    let mut batches: Vec<_> = fs::read_dir(folder.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    batches.sort();
    let rows = batches.iter().map(|batch| {
        let parts = fs::read_dir(batch).unwrap();
        let parts = parts.map(|part| fs::read_to_string(part.unwrap().path()).unwrap());
        let mut rows: Vec<_> = parts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        rows.sort();
        rows
    });
    rows.collect()
}

#[test]
fn a_run_goes_on_from_a_bucket_and_can_begin_anew() {
    let Some(bucket) = Bucket::new() else { return };
    let url = bucket.url("some/kept");
    let files = [("topo.toml", &*finite(&url)), ("in.txt", "a b\na\nb b\n")];
    let folder = Folder::new(&files);
    let first = run(&bucket, &folder, &[]);
    assert_eq!(first.says(0, &[]).printed()[2], ["(a,2)", "(b,3)"]);
    let again = run(&bucket, &folder, &[]);
    assert!(again.says(0, &[]).printed().is_empty(), "it is done");

    let show = |url: &str| rsrt(&bucket, &folder, &["checkpoint", "show", url]);
    let shown = show(&url);
    shown.says(0, &[]);
    for line in ["state after batch 3", "operator totals", "a | 2", "b | 3"] {
        assert!(shown.stdout.contains(line), "{}", shown.stdout);
    }
    show(&bucket.url("other")).says(2, &["/other: it holds no checkpoint"]);

    let fresh = run(&bucket, &folder, &["--fresh", "--log", "info"]);
    assert_eq!(
        fresh
            .says(0, &["the old checkpoint is now s3://"])
            .printed(),
        first.printed()
    );
    let (_, aside) = fresh
        .stderr
        .split_once("the old checkpoint is now ")
        .unwrap();
    let aside = aside.split_whitespace().next().unwrap();
    assert!(show(aside).says(0, &[]).stdout == shown.stdout, "{aside}");
}

#[test]
fn what_is_wrong_with_the_store_is_told_before_anything_runs() {
    let Some(bucket) = Bucket::new() else { return };
    let topology = finite("s3://no-such-bucket/kept");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "a\n")]);
    let expected = [
        "checkpoint s3://no-such-bucket/kept",
        "check that the bucket is there",
    ];
    run(&bucket, &folder, &[]).says(2, &expected);
    run(&bucket, &folder, &["--fresh"]).says(2, &expected);
    assert_eq!(folder.names(), ["in.txt", "topo.toml"]);
}

/// A run that goes on until someone ends it.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it printed and was read.
    printed: String,
}

impl Running {
    fn start(bucket: &Bucket, folder: &Folder) -> Self {
        let plugin = guests::plugin("word-count");
        let run = ["run", plugin.to_str().unwrap(), "-t", "topo.toml", "-q"];
        let mut rsrt = bucket.command(folder, &run);
        let rsrt = rsrt.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = rsrt.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let printed = String::new();
        Self {
            child,
            stdout,
            printed,
        }
    }

    fn wait_for(&mut self, line: &str) {
        loop {
            let before = self.printed.len();
            let read = self.stdout.read_line(&mut self.printed).unwrap();
            assert!(read > 0, "no {line} in {}", self.printed);
            if self.printed[before..].starts_with(line) {
                return;
            }
        }
    }

    /// Waits for its end; answers with all that it printed and said.
    fn end(mut self) -> Ended {
        self.stdout.read_to_string(&mut self.printed).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let mut ended = Ended::of(output);
        ended.stdout = self.printed;
        ended
    }
}

/// What was printed, by batch time.
fn by_time(printed: &str) -> BTreeMap<i64, Vec<String>> {
    let mut batches: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let mut time = 0;
    for line in printed.lines() {
        if let Some(rest) = line.strip_prefix("Time: ") {
            time = rest.split(' ').next().unwrap().parse().unwrap();
            batches.entry(time).or_default();
        } else if line.starts_with('(') {
            batches.entry(time).or_default().push(line.to_owned());
        }
    }
    batches
}

#[test]
fn a_run_that_is_killed_goes_on_and_its_results_are_those_of_one_that_was_not() {
    let Some(bucket) = Bucket::new() else { return };
    let lines = (0..24).map(|at| format!("w{} w{}\n", at % 5, at % 3));
    let text = lines.collect::<Vec<_>>().concat();
    let files = |url: &str| Folder::new(&[("topo.toml", &*finite(url)), ("in.txt", &*text)]);
    let undisturbed = files(&bucket.url("undisturbed"));
    run(&bucket, &undisturbed, &[]).says(0, &[]);
    let expected = written(&undisturbed);
    assert_eq!(expected.len(), 24);

    let folder = files(&bucket.url("killed"));
    // The counts of w0 rise line by line: each is waited for in another batch.
    for row in ["(w0,2)", "(w0,5)", "(w0,8)"] {
        let mut running = Running::start(&bucket, &folder);
        running.wait_for(row);
        running.child.kill().unwrap();
        assert_eq!(running.end().code, -1);
    }
    run(&bucket, &folder, &[]).says(0, &[]);
    assert_eq!(written(&folder), expected);
    let shown = rsrt(
        &bucket,
        &folder,
        &["checkpoint", "show", &bucket.url("killed")],
    );
    assert!(
        shown.stdout.contains("state after batch 24"),
        "{}",
        shown.stdout
    );
}

#[test]
fn a_second_process_takes_a_live_one_over_and_no_batch_is_committed_twice() {
    let Some(bucket) = Bucket::new() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = format!("type = \"socket\"\naddress = \"{address}\"");
    let topology = finite(&bucket.url("kept"))
        .replace(
            "type = \"file\"\npath = \"in.txt\"\nbatch-bytes = \"1B\"",
            &socket,
        )
        .replace("batch-interval = \"1s\"", "batch-interval = \"50ms\"")
        .replace(
            "checkpoint-interval = \"3s\"",
            "checkpoint-interval = \"200ms\"",
        );
    let folder = Folder::new(&[("topo.toml", &topology)]);
    let start = || -> (Running, TcpStream) {
        let running = Running::start(&bucket, &folder);
        (running, listener.accept().unwrap().0)
    };
    let (mut first, mut to_first) = start();
    to_first.write_all(b"a a\n").unwrap();
    first.wait_for("(a,2)");

    let (mut second, mut to_second) = start();
    let pid = second.child.id();
    // Nobody tells it to end: it finds out.
    let first = first.end();
    let expected = format!("another process has taken this checkpoint over: process {pid} on ");
    first.says(1, &[&expected]);

    to_second.write_all(b"a b\n").unwrap();
    second.wait_for("(a,3)");
    second.wait_for("(b,1)");
    second.child.kill().unwrap();
    let second = second.end();

    let (before, after) = (by_time(&first.stdout), by_time(&second.stdout));
    let twice: Vec<_> = before
        .keys()
        .filter(|time| after.contains_key(time))
        .collect();
    // Only the one whose commit was refused is made again, and it is the same.
    assert!(twice.len() <= 1, "{twice:?}");
    for time in twice {
        assert_eq!(before[time], after[time]);
        assert_eq!(Some(time), before.keys().last());
    }
    assert!(
        before
            .keys()
            .all(|time| *time <= *after.keys().next().unwrap())
    );
}
