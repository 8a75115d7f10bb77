//! `rsrt run --watch`, `rsrt diff` and `rsrt history`: another version, before, while and after it
//! takes over.

use std::{fs, io::BufReader, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Folder, signals::wait_for};
use crate::guests;

const NUMBERS: &str = r#"
name = "numbers"
batch-interval = "100ms"
checkpoint = "kept"
checkpoint-interval = "1s"
[source.numbers]
type = "generator"
rate = 2000
[operator.window]
input = "numbers"
reduce-by-window = "std:sum"
length = "300ms"
[operator.total]
input = "window"
reduce = "std:sum"
[sink.all]
input = "numbers"
type = "text-files"
path = "out/all"
[sink.totals]
input = "total"
type = "null"
"#;

/// All lines of all files of the sink.
fn lines(folder: &Folder) -> Vec<u64> {
    let mut lines = Vec::new();
    for batch in fs::read_dir(folder.path().join("out")).unwrap() {
        for part in fs::read_dir(batch.unwrap().path()).unwrap() {
            let text = fs::read_to_string(part.unwrap().path()).unwrap();
            lines.extend(text.lines().map(|line| line.parse::<u64>().unwrap()));
        }
    }
    lines.sort_unstable();
    lines
}

#[test]
fn what_changes_while_a_run_watches_takes_over_and_no_record_is_lost() {
    let folder = Folder::new(&[("topo.toml", NUMBERS)]);
    let mut rsrt = folder.command(&["run", "-t", "topo.toml", "--watch"]);
    let mut child = rsrt.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for("running numbers", &mut stderr);
    let changed = NUMBERS.replace("reduce = \"std:sum\"", "reduce = \"std:max\"");
    folder.write("topo.toml", changed.as_bytes());
    wait_for("another version makes the batches", &mut stderr);
    // What loses state does not take over, and what is no topology does not either.
    let losing = changed.replace("300ms", "400ms");
    folder.write("topo.toml", losing.as_bytes());
    let said = wait_for("the running version goes on", &mut stderr);
    assert!(
        said.contains("would lose state: operator `window`"),
        "{said}"
    );
    folder.write("topo.toml", b"name = ");
    wait_for("the running version goes on", &mut stderr);
    folder.write("topo.toml", NUMBERS.as_bytes());
    wait_for("another version makes the batches", &mut stderr);
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::INT).unwrap();
    wait_for("records in", &mut stderr);
    assert!(child.wait().unwrap().success());

    let lines = lines(&folder);
    assert!(lines.len() > 200, "{}", lines.len());
    let expected: Vec<u64> = (0..).take(lines.len()).collect();
    assert!(
        lines == expected,
        "of {} lines some are lost or there twice",
        lines.len()
    );
    let history = folder.rsrt(&["history", "kept"]);
    let history: Vec<_> = history.stdout.lines().collect();
    assert_eq!(history.len(), 3, "{history:?}");
    let program = |line: &str| line.split("topology ").nth(1).map(str::to_owned);
    assert_eq!(program(history[0]), program(history[2]));
    assert_ne!(program(history[0]), program(history[1]));
}

#[test]
fn what_fails_when_it_has_taken_over_gives_way() {
    let folder = Folder::new(&[("topo.toml", NUMBERS)]);
    let mut rsrt = folder.command(&["run", "-t", "topo.toml", "--watch"]);
    let mut child = rsrt.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for("running numbers", &mut stderr);
    let plugin = guests::plugin("faulty");
    let fails = format!(
        r#"
[plugin.faulty]
path = {plugin:?}
[operator.doubled]
input = "numbers"
map = "faulty:poison-map"
[sink.doubles]
input = "doubled"
type = "null"
[limits]
output = "8B"
"#
    );
    folder.write("topo.toml", format!("{NUMBERS}{fails}").as_bytes());
    wait_for("another version makes the batches", &mut stderr);
    let said = wait_for("the version before makes the batches from", &mut stderr);
    assert!(said.contains("operator `doubled`"), "{said}");
    // It goes on, and takes another one.
    let fine = NUMBERS.replace("reduce = \"std:sum\"", "reduce = \"std:max\"");
    folder.write("topo.toml", fine.as_bytes());
    wait_for("another version makes the batches", &mut stderr);
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::INT).unwrap();
    wait_for("records in", &mut stderr);
    assert!(child.wait().unwrap().success());

    let lines = lines(&folder);
    let expected: Vec<u64> = (0..).take(lines.len()).collect();
    assert!(
        lines == expected,
        "of {} lines some are lost or there twice",
        lines.len()
    );
    let history = folder.rsrt(&["history", "kept"]);
    let history: Vec<_> = history.stdout.lines().collect();
    assert_eq!(history.len(), 4, "{history:?}");
    assert!(
        history[2].contains("the way back from the version before it: batch"),
        "{}",
        history[2]
    );
}

#[test]
fn what_changes_is_tried_beside_what_runs_before_it_takes_over() {
    let folder = Folder::new(&[("topo.toml", NUMBERS)]);
    let shadow = ["run", "-t", "topo.toml", "--watch", "--shadow", "2"];
    let mut rsrt = folder.command(&shadow);
    let mut child = rsrt.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for("running numbers", &mut stderr);
    // Each window has one sum, so that its least one is the same.
    let same = NUMBERS.replace("reduce = \"std:sum\"", "reduce = \"std:min\"");
    folder.write("topo.toml", same.as_bytes());
    wait_for("runs beside this one", &mut stderr);
    wait_for("another version makes the batches", &mut stderr);
    wait_for("shadow: 2 batches, ", &mut stderr);
    let other = same.replace("\"std:min\"", "\"std:count\"");
    folder.write("topo.toml", other.as_bytes());
    let said = wait_for("the running version goes on", &mut stderr);
    let rows = "are only in what one of both versions puts out, and 0 may be (--max-diff); batch ";
    assert!(said.contains(rows), "{said}");
    wait_for("  batch ", &mut stderr);
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::INT).unwrap();
    wait_for("records in", &mut stderr);
    assert!(child.wait().unwrap().success());

    let lines = lines(&folder);
    let expected: Vec<u64> = (0..).take(lines.len()).collect();
    assert!(lines == expected, "some of {} are lost", lines.len());
    let history = folder.rsrt(&["history", "kept"]);
    assert_eq!(history.stdout.lines().count(), 2, "{}", history.stdout);
}

#[test]
fn a_difference_is_told_before_anything_is_changed() {
    let files = [("topo.toml", NUMBERS), ("old.toml", NUMBERS)];
    let folder = Folder::new(&files);
    let run = folder.rsrt(&["run", "-t", "topo.toml", "--batches", "3", "--quiet"]);
    run.says(0, &[]);
    let same = folder.rsrt(&["diff", "kept"]);
    same.says(0, &[]);
    assert_eq!(same.stdout, "nothing would change\n");
    folder.write("topo.toml", NUMBERS.replace("300ms", "400ms").as_bytes());
    for old in ["kept", "old.toml"] {
        let told = folder.rsrt(&["diff", old, "-t", "topo.toml"]);
        told.says(1, &[]);
        let expected =
            "operator window: loses state: window length in batches was `3` and is `4`\n";
        assert!(told.stdout.contains(expected), "{}", told.stdout);
    }
    let told = folder.rsrt(&["diff", "kept", "-t", "topo.toml", "--format", "json"]);
    let changes: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    let window = changes.as_array().unwrap();
    let window = window.iter().find(|change| change["name"] == "window");
    assert_eq!(window.unwrap()["fate"], "loses-state");
}
