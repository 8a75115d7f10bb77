//! A disk that takes no more. A limit on the size of files stands for it: the system refuses a write
//! in the middle of a file, as when the disk is full.

use std::{fs, process::Command};

use super::{Ended, Folder, lines_topology};

/// Runs `rsrt run` where a file takes 4 or 8 KiB, as the shell counts. A write beyond is an error and
/// no signal.
const LIMITED: &str = "ulimit -f 8 && trap '' XFSZ && exec \"$0\" run -t topo.toml";

/// Writes three batches of a line each, of which the second does not fit, with this kind of sink.
fn run(sink: &str, head: &str) -> (Folder, Ended) {
    let files = format!("type = \"{sink}\"\npath = \"made/out\"");
    let topology = lines_topology(head, "", "lines").replace("type = \"print\"", &files);
    let lines = format!("good\n{}\nfine\n", "x".repeat(20_000));
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", &lines)]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", LIMITED, env!("CARGO_BIN_EXE_rsrt")])
        .current_dir(folder.path());
    let ended = Ended::of(shell.output().unwrap());
    (folder, ended)
}

/// What lies in the files of each directory that was made, hidden ones among them, by name.
fn made(folder: &Folder) -> Vec<String> {
    let made = fs::read_dir(folder.path().join("made")).unwrap();
    let mut paths: Vec<_> = made.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("out-"), "{name}");
    }
    let read = |path| fs::read_to_string(path).unwrap();
    paths.iter().map(|p| read(p.join("part-00000"))).collect()
}

#[test]
fn a_batch_that_does_not_fit_is_not_there_and_the_others_are() {
    for (sink, expected) in [
        ("text-files", ["good\n", "fine\n"]),
        ("json-files", ["\"good\"\n", "\"fine\"\n"]),
    ] {
        let (folder, ended) = run(sink, "");
        let path = "/part-00000: File too large";
        ended.says(
            1,
            &[
                "sink out: cannot write ",
                "made/.out-",
                path,
                "1 batch failed",
            ],
        );
        assert_eq!(made(&folder), expected, "{sink}");
    }
}

#[test]
fn a_run_that_stops_at_the_batch_that_does_not_fit_leaves_those_before() {
    let (folder, ended) = run("text-files", "on-failed-batch = \"stop\"");
    ended.says(1, &["sink out: cannot write ", "File too large"]);
    assert_eq!(made(&folder), ["good\n"]);
}
