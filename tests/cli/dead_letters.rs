//! `on-error`, the dead-letter store and `rsrt dead-letters`, from outside.

use std::process::Command;

use serde_json::Value;

use super::{Ended, Folder, lines_topology};

const OPERATOR: &str = "[operator.it]\ninput = \"lines\"\nmap = \"panics-at-bang\"\non-error = ";

fn folder(on_error: &str, head: &str) -> Folder {
    let operator = format!("{OPERATOR}\"{on_error}\"");
    let topology = lines_topology(head, &operator, "it").replace("batch-bytes = 1\n", "");
    let lines = "good\nbad!\nfine\nworse!\n";
    Folder::new(&[("topo.toml", &topology), ("in.txt", lines)])
}

fn shown(folder: &Folder) -> Vec<Value> {
    let show = ["dead-letters", "show", "kept", "--format", "json"];
    let ended = folder.rsrt(&show);
    ended.says(0, &[]);
    let shown: Value = serde_json::from_str(&ended.stdout).unwrap();
    shown["dead-letters"].as_array().unwrap().clone()
}

#[test]
fn what_is_skipped_is_counted_and_the_rest_is_printed() {
    let ended = folder("skip", "").run_with("faulty", &[]);
    ended.says(
        0,
        &[
            "it: 2 rows were skipped; the first: function `panics-at-bang`",
            "2 rows were skipped after a fault",
        ],
    );
    assert_eq!(ended.printed(), [["good", "fine"]]);
    let ended = folder("skip", "").run_with("faulty", &["--format", "json"]);
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(all.contains("\"skipped\":2"), "{all}");
}

#[test]
fn fuel_that_is_used_up_is_a_fault_of_the_row_and_time_is_not() {
    for (limits, code, said) in [
        ("{ fuel = 1000000 }", 0, "4 rows were skipped after a fault"),
        ("{ cpu-time = \"50ms\" }", 1, "used up its 50ms of CPU time"),
    ] {
        let folder = folder("skip", &format!("limits = {limits}"));
        let topology = std::fs::read_to_string(folder.path().join("topo.toml")).unwrap();
        let spins = topology.replace("panics-at-bang", "spins");
        folder.write("topo.toml", spins.as_bytes());
        folder.run_with("faulty", &[]).says(code, &[said]);
    }
}

#[test]
fn dead_letters_need_a_checkpoint_and_say_so() {
    let ended = folder("dead-letter", "").run_with("faulty", &[]);
    ended.says(
        2,
        &[
            "needs a checkpoint directory",
            "dead letters are kept there",
        ],
    );
    let operator = "[operator.it]\ninput = \"lines\"\nreduce = \"std:count\"\non-error = \"skip\"";
    let topology = lines_topology("", operator, "it");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "a\n")]);
    folder
        .run_with("faulty", &[])
        .says(2, &["must be \"fail\" for a function of std"]);
}

#[test]
fn dead_letters_are_shown_exported_and_dropped() {
    let folder = folder("dead-letter", "checkpoint = \"kept\"");
    let ended = folder.run_with("faulty", &[]);
    ended.says(
        0,
        &[
            "it: 2 rows were put with the dead letters",
            "2 rows became dead letters",
        ],
    );
    assert_eq!(ended.printed(), [["good", "fine"]]);

    let letters = shown(&folder);
    assert_eq!(letters.len(), 2);
    let first = &letters[0];
    assert_eq!(first["operator"], "it");
    assert_eq!(first["function"], "panics-at-bang");
    assert_eq!(first["partition"], 0);
    assert_eq!(first["rows"], serde_json::json!(["bad!"]));
    assert_eq!(first["sources"][0]["source"], "lines");
    assert_eq!(first["sources"][0]["range"], "bytes 0 to 22");
    assert!(
        first["reason"]
            .as_str()
            .unwrap()
            .contains("cannot handle \"bad!\"")
    );
    assert!(!first["backtrace"].as_array().unwrap().is_empty());
    folder
        .rsrt(&["dead-letters", "show", "kept", "--operator", "it"])
        .says(0, &[]);
    let text = folder.rsrt(&["dead-letters", "show", "kept"]).stdout;
    assert!(text.contains("from lines: bytes 0 to 22"), "{text}");
    assert!(text.ends_with("2 dead letters\n"), "{text}");

    let export = [
        "dead-letters",
        "export",
        "kept",
        "--operator",
        "it",
        "--to",
        "again.jsonl",
    ];
    folder.rsrt(&export).says(0, &[]);
    let rows = std::fs::read_to_string(folder.path().join("again.jsonl")).unwrap();
    assert_eq!(rows, "\"bad!\"\n\"worse!\"\n");
    folder.rsrt(&export).says(1, &["cannot write again.jsonl"]);

    let none = folder.rsrt(&["dead-letters", "drop", "kept", "--operator", "other"]);
    assert_eq!(none.stdout, "0 dead letters removed\n");
    assert_eq!(shown(&folder).len(), 2);
    let all = folder.rsrt(&["dead-letters", "drop", "kept"]);
    assert_eq!(all.stdout, "2 dead letters removed\n");
    assert!(shown(&folder).is_empty());
    folder
        .rsrt(&["dead-letters", "show", "nowhere"])
        .says(2, &["nowhere"]);
}

#[test]
fn what_was_exported_can_be_read_again() {
    let folder = folder("dead-letter", "checkpoint = \"kept\"");
    folder.run_with("faulty", &[]).says(0, &[]);
    let export = [
        "dead-letters",
        "export",
        "kept",
        "--operator",
        "it",
        "--to",
        "again.jsonl",
    ];
    folder.rsrt(&export).says(0, &[]);
    let again = "name = \"again\"\nbatch-interval = \"1s\"\n\
        [source.letters]\ntype = \"file\"\npath = \"again.jsonl\"\nformat = \"json\"\n\
        schema = { value = \"utf8\" }\n[sink.out]\ninput = \"letters\"\ntype = \"print\"\n";
    folder.write("topo.toml", again.as_bytes());
    let ended = folder.run_with("faulty", &[]);
    ended.says(0, &[]);
    assert_eq!(ended.printed(), [["bad!", "worse!"]]);
}

#[test]
fn a_full_store_ends_the_run_before_any_sink_has_the_batch_and_nothing_is_lost() {
    let limits = "checkpoint = \"kept\"\nlimits = { dead-letters = \"100B\" }";
    let folder = folder("dead-letter", limits);
    let ended = folder.run_with("faulty", &[]);
    ended.says(
        1,
        &[
            "cannot keep its dead letters",
            "rsrt dead-letters show",
            "more than 100",
        ],
    );
    assert!(ended.printed().is_empty());
    assert!(shown(&folder).is_empty());
    let raise = ["--set", "limits.dead-letters=1MB"];
    let ended = folder.run_with("faulty", &raise);
    assert_eq!(
        ended.printed().len() + usize::from(ended.stderr.contains("another version")),
        1
    );
}

#[test]
fn a_full_disk_ends_the_run_and_the_next_one_goes_on() {
    let folder = folder("dead-letter", "checkpoint = \"kept\"");
    let long = "x".repeat(40_000);
    let lines: Vec<String> = (0..60).map(|at| format!("{long}!{at}\n")).collect();
    let lines = lines.concat();
    folder.write("in.txt", format!("good\n{lines}").as_bytes());
    let plugin = crate::guests::plugin("faulty");
    let run = "exec \"$0\" run \"$1\" -t topo.toml";
    let start = |script: String| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_rsrt")]);
        shell.arg(&plugin).current_dir(folder.path());
        Ended::of(shell.output().unwrap())
    };
    let ended = start(format!("ulimit -f 4000 && trap '' XFSZ && {run}"));
    ended.says(1, &["cannot keep its dead letters", "File too large"]);
    assert!(ended.printed().is_empty());
    let ended = start(run.to_owned());
    ended.says(0, &["60 rows became dead letters"]);
    assert_eq!(ended.printed(), [["good"]]);
    assert_eq!(shown(&folder).len(), 60);
}
