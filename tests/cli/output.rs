//! What a run puts out, where, and how lines that are none are counted.

use std::{fs, process::Stdio};

use serde_json::Value;

use super::{Ended, Folder, lines_topology};

const RUN: [&str; 3] = ["run", "-t", "topo.toml"];

fn lines(head: &str, input: &[u8]) -> Folder {
    let topology = lines_topology("", "", "lines").replace("batch-bytes = 1\n", head);
    let folder = Folder::new(&[("topo.toml", &topology)]);
    folder.write("in.txt", input);
    folder
}

#[test]
fn standard_output_carries_what_sinks_print_and_nothing_else() {
    let folder = lines("batch-bytes = 1\n", b"one\ntwo\n");
    let ended = folder.rsrt(&RUN);
    ended.says(0, &["2 records in 2 batches, 8 B in "]);
    assert_eq!(ended.printed(), [["one"], ["two"]]);
    assert!(ended.stdout.starts_with("-----"), "{}", ended.stdout);
}

#[test]
fn quiet_says_nothing_that_is_no_warning() {
    let folder = lines("", b"one\n");
    let ended = folder.rsrt(&[&RUN[..], &["--quiet"]].concat());
    ended.says(0, &[]);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_summary_for_programs_is_one_json_object() {
    let folder = lines("batch-bytes = 1\n", b"one\ntwo\n");
    let ended = folder.rsrt(&[&RUN[..], &["--format", "json"]].concat());
    let summary: Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(summary["outcome"], "exhausted");
    assert_eq!(summary["batches"], 2);
    assert_eq!(summary["records"], 2);
    assert_eq!(summary["bytes"], 8);
}

#[test]
fn values_of_the_topology_can_be_set() {
    let folder = lines("", b"one\n");
    folder.write("other.txt", b"other\n");
    let set = [
        "--set",
        "source.lines.path=other.txt",
        "--set",
        "sink.out.n=5",
    ];
    let ended = folder.rsrt(&[&RUN[..], &set].concat());
    assert_eq!(ended.says(0, &[]).printed(), [["other"]]);
}

#[test]
fn a_source_that_no_sink_depends_on_is_not_opened() {
    let spare = "[source.spare]\ntype = \"file\"\npath = \"missing.txt\"\n\
        [operator.unread]\ninput = \"spare\"\ncount = true\n\
        [source.far]\ntype = \"socket\"\naddress = \"127.0.0.1:9\"\n";
    let folder = Folder::new(&[("topo.toml", &lines_topology("", spare, "lines"))]);
    folder.write("in.txt", b"one\ntwo\n");
    // Nobody waits for the socket either: the run ends with the file.
    let ended = folder.rsrt(&RUN);
    ended.says(
        0,
        &[
            "source spare is not opened: no sink depends on it",
            "source far is not opened",
        ],
    );
    assert!(!ended.stderr.contains("at most once"), "{}", ended.stderr);
    assert_eq!(ended.printed(), [["one"], ["two"]]);
    let checked = folder
        .rsrt(&["check", "topo.toml"])
        .says(0, &[])
        .stdout
        .clone();
    let is_spare =
        |line: &&str| line.ends_with("-> value: utf8 (not opened: no sink depends on it)");
    assert_eq!(checked.lines().filter(is_spare).count(), 2, "{checked}");
}

#[test]
fn a_run_ends_after_so_many_batches() {
    let topology = "name = \"g\"\nbatch-interval = \"1s\"\n[source.g]\ntype = \"generator\"\n\
        rate = 3\npartitions = 1\n[sink.out]\ninput = \"g\"\ntype = \"print\"\n";
    let folder = Folder::new(&[("topo.toml", topology)]);
    let ended = folder.rsrt(&[&RUN[..], &["--batches", "2"]].concat());
    assert_eq!(
        ended.says(0, &[]).printed(),
        [["0", "1", "2"], ["3", "4", "5"]]
    );
}

#[test]
fn a_run_stops_gracefully_after_its_time() {
    let topology = "name = \"g\"\nbatch-interval = \"1ms\"\n[source.g]\ntype = \"generator\"\n\
        rate = 1\n[sink.out]\ninput = \"g\"\ntype = \"null\"\n";
    let folder = Folder::new(&[("topo.toml", topology)]);
    let arguments = ["--timeout", "1ms", "--format", "json"];
    let ended = folder.rsrt(&[&RUN[..], &arguments].concat());
    ended.says(0, &["\"outcome\":\"stopped\""]);
    let ended = folder.rsrt(&[&RUN[..], &["--timeout", "soon"]].concat());
    ended.says(2, &["it must be a duration such as"]);
}

#[test]
fn invalid_utf8_is_replaced_rejected_or_fails_the_batch() {
    let input = b"good\nb\xffd\nfine\n";
    let replaced = lines("on-invalid = \"replace\"\n", input).rsrt(&RUN);
    replaced.says(0, &["1 line was no UTF-8 and repaired"]);
    assert_eq!(replaced.printed(), [["good", "b\u{fffd}d", "fine"]]);

    let rejected = lines("on-invalid = \"reject\"\n", input).rsrt(&RUN);
    rejected.says(
        0,
        &[
            "lines: 1 row was rejected",
            "nothing reads `lines.rejected`",
        ],
    );
    assert_eq!(rejected.printed(), [["good", "fine"]]);

    let failed = lines("on-invalid = \"fail\"\n", input).rsrt(&RUN);
    failed.says(
        1,
        &[
            "error: batch ",
            "source lines",
            "in.txt",
            "line 2",
            "1 batch failed",
        ],
    );
    assert_eq!(failed.stdout, "");
}

#[test]
fn a_failed_batch_is_left_out_and_the_next_one_runs() {
    let head = "batch-bytes = 1\non-invalid = \"fail\"\n";
    let folder = lines(head, b"one\nb\xffd\nthree\n");
    let ended = folder.rsrt(&RUN);
    ended.says(1, &["1 batch failed"]);
    assert_eq!(ended.printed(), [["one"], ["three"]]);
    let stopping = folder.rsrt(&[&RUN[..], &["--set", "on-failed-batch=stop"]].concat());
    assert_eq!(stopping.says(1, &["1 batch failed"]).printed(), [["one"]]);
}

#[test]
fn malformed_json_is_rejected_and_counted() {
    let head = "format = \"json\"\nschema = { n = \"int64\" }\n";
    let folder = lines(head, b"{\"n\":1}\n{\"n\":}\n{\"n\":\"x\"}\n{\"n\":2}\n");
    let ended = folder.rsrt(&RUN);
    ended.says(
        0,
        &[
            "lines: 2 rows were rejected",
            "the first: not JSON",
            "2 rows were rejected and dropped",
        ],
    );
    assert_eq!(ended.printed(), [["{n: 1}", "{n: 2}"]]);
}

#[test]
fn a_line_over_the_limit_is_rejected() {
    let folder = lines("max-line = 5\n", b"short\nmuch too long\nfine\n");
    let ended = folder.rsrt(&RUN);
    ended.says(0, &["lines: 1 row was rejected"]);
    assert_eq!(ended.printed(), [["short", "fine"]]);
}

#[test]
fn rejected_lines_can_be_read() {
    let topology =
        fs::read_to_string(lines("max-line = 5\n", b"").path().join("topo.toml")).unwrap();
    let topology = format!(
        "{topology}[sink.bad]\ninput = \"lines.rejected\"\ntype = \"json-files\"\npath = \"bad\"\n"
    );
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "ok\nmuch too long\n")]);
    let ended = folder.rsrt(&RUN);
    ended.says(0, &[]);
    assert!(!ended.stderr.contains("rejected"), "{}", ended.stderr);
    let names = folder.names();
    let bad = names.iter().find(|name| name.starts_with("bad-")).unwrap();
    let written = fs::read_to_string(folder.path().join(bad).join("part-00000")).unwrap();
    let row: Value = serde_json::from_str(&written).unwrap();
    assert!(row["reason"].as_str().unwrap().contains("5 bytes"), "{row}");
}

#[test]
fn a_full_disk_fails_the_batch_and_names_the_sink() {
    let folder = lines("batch-bytes = 1\n", b"one\ntwo\n");
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = folder
        .command(&RUN)
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    Ended::of(output).says(
        1,
        &[
            "sink out: cannot print: No space left on device",
            "2 batches failed",
        ],
    );
}

#[test]
fn a_directory_that_takes_no_files_gets_nothing_half_written() {
    let topology = lines_topology("", "", "lines")
        .replace("\"print\"", "\"text-files\"\npath = \"in.txt/out\"");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "one\n")]);
    let ended = folder.rsrt(&RUN);
    ended.says(1, &["error: batch ", "sink out: cannot make", "in.txt"]);
    assert_eq!(folder.names(), ["in.txt", "topo.toml"]);
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let many = "a line of text\n".repeat(20_000);
    let folder = lines("batch-bytes = 1\n", many.as_bytes());
    let mut rsrt = folder.command(&[&RUN[..], &["--quiet"]].concat());
    let mut child = rsrt
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = Ended::of(child.wait_with_output().unwrap());
    ended.says(0, &[]);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_cache_that_cannot_be_used_is_a_warning() {
    let topology = lines_topology(
        "",
        "[operator.words]\ninput = \"lines\"\nflat-map = \"split\"",
        "words",
    );
    let folder = Folder::new(&[
        ("topo.toml", &topology),
        ("in.txt", "to be\n"),
        ("file", ""),
    ]);
    let plugin = crate::guests::plugin("word-count");
    let run = ["run", plugin.to_str().unwrap(), "-t", "topo.toml"];
    let output = folder
        .command(&run)
        .env("RSRT_CACHE", "file/cache")
        .output()
        .unwrap();
    let ended = Ended::of(output);
    ended.says(
        0,
        &[
            "warning: the cache of compiled plugins in file/cache/code cannot be used",
            "compiled each time",
        ],
    );
    assert_eq!(ended.printed(), [["(to,1)", "(be,1)"]]);
}

#[test]
fn a_plugin_shows_what_it_offers_and_what_it_may_do() {
    let plugin = crate::guests::plugin("word-count");
    let folder = Folder::new(&[]);
    let text = folder.rsrt(&["inspect", plugin.to_str().unwrap()]);
    text.says(0, &[]);
    for expected in [
        "word-count 0.1.0: Splits text into words and counts them.",
        "flat-map split: (value: utf8) -> (key: utf8, value: int64)",
        "digest      blake3:",
        "imports     rsrt:plugin/host@0.1.0",
        "no files, network",
    ] {
        assert!(text.stdout.contains(expected), "{}", text.stdout);
    }
    let json = folder.rsrt(&["inspect", plugin.to_str().unwrap(), "--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["functions"][0]["input"]["value"], "utf8");
}

#[test]
fn a_checked_topology_shows_its_flow() {
    let ended = lines("", b"").rsrt(&["check", "topo.toml"]);
    ended.says(0, &[]);
    assert!(
        ended.stdout.starts_with("ok\n\nlines: a batch every 1s"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("print the first 10 of lines"),
        "{}",
        ended.stdout
    );
}

#[test]
fn the_program_says_which_it_is() {
    let folder = Folder::new(&[]);
    let version = folder.rsrt(&["--version"]);
    assert_eq!(
        version.stdout,
        format!("rsrt {}\n", env!("CARGO_PKG_VERSION"))
    );
    for subcommand in ["run", "test", "check", "inspect", "new", "build"] {
        let help = folder.rsrt(&[subcommand, "--help"]);
        assert!(help.stdout.contains("Examples:"), "{subcommand}");
        assert_eq!(help.code, 0);
    }
}
