//! A run goes on with another version of the topology.

use super::Folder;

fn run(folder: &Folder, more: &[&str]) -> super::Ended {
    folder.run_with("word-count", &[&["--quiet"], more].concat())
}

const OVERFLOWING: &str = r#"
name = "sums"
batch-interval = "1s"
checkpoint = "kept"
[source.numbers]
type = "queue"
path = "numbers.json"
schema = { key = "utf8", value = "int64" }
[operator.sums]
input = "numbers"
reduce-by-key = "std:sum"
[operator.totals]
input = "sums"
update-state-by-key = "running"
[sink.out]
input = "totals"
type = "text-files"
path = "out/totals"
"#;

const TOO_LARGE: &str =
    r#"[[["a", 1]], [["a", 9223372036854775807], ["a", 7]], [["a", 3], ["b", 4]]]"#;

#[test]
fn a_topology_that_failed_is_mended_and_goes_on_where_it_failed() {
    let files = [("topo.toml", OVERFLOWING), ("numbers.json", TOO_LARGE)];
    let folder = Folder::new(&files);
    for _ in 0..2 {
        run(&folder, &[]).says(1, &["operator `sums`", "overflows"]);
    }
    let shown = folder.rsrt(&["checkpoint", "show", "kept"]);
    let failed = "claimed, an operator failed on it";
    assert!(shown.stdout.contains(failed), "{}", shown.stdout);
    folder.write(
        "topo.toml",
        OVERFLOWING.replace("std:sum", "std:min").as_bytes(),
    );
    let mended = folder.run_with("word-count", &[]);
    mended.says(0, &["1 batches were claimed by another version"]);
    let totals = |part: &str| {
        let mut out: Vec<_> = std::fs::read_dir(folder.path().join("out"))
            .unwrap()
            .collect();
        out.sort_by_key(|entry| entry.as_ref().unwrap().path());
        let parts = out.into_iter().map(|batch| {
            let file = batch.unwrap().path().join(part);
            std::fs::read_to_string(file).unwrap_or_default()
        });
        parts.collect::<String>()
    };
    let all = ["part-00000", "part-00001"].map(totals).concat();
    let mut lines: Vec<&str> = all.lines().collect();
    lines.sort_unstable();
    // The first batch is the old topology's, and was not made anew.
    assert_eq!(lines, ["(a,1)", "(a,11)", "(a,8)", "(b,4)"]);
}

#[test]
fn what_sinks_may_have_is_made_by_the_version_that_claimed_it() {
    let numbers = r#"[[["a", 1], ["a", 2]], [["a", 3], ["a", 4]]]"#;
    let topology = OVERFLOWING.replace("out/totals", "taken/totals");
    let files = [
        ("topo.toml", &*topology),
        ("numbers.json", numbers),
        ("taken", "a file"),
    ];
    let folder = Folder::new(&files);
    run(&folder, &[]).says(1, &["sink out: cannot make taken"]);
    folder.write(
        "topo.toml",
        topology.replace("std:sum", "std:max").as_bytes(),
    );
    run(&folder, &[]).says(1, &["sink out: cannot make taken"]);
    std::fs::remove_file(folder.path().join("taken")).unwrap();
    run(&folder, &[]).says(0, &[]);
    let shown = folder.rsrt(&["checkpoint", "show", "kept", "--operator", "totals"]);
    // 1 + 2 by the first version, then the larger of 3 and 4.
    assert!(shown.stdout.contains("a | 7"), "{}", shown.stdout);
    // With what it was made of, gone, it cannot be made again.
    let folder = Folder::new(&files);
    run(&folder, &[]).says(1, &["sink out: cannot make taken"]);
    for name in std::fs::read_dir(folder.path().join("kept")).unwrap() {
        let path = name.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("program-")
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    folder.write(
        "topo.toml",
        topology.replace("std:sum", "std:max").as_bytes(),
    );
    run(&folder, &[]).says(
        2,
        &["1 batches", "claimed by another version of the topology"],
    );
}

const REMEMBERING: &str = r#"
name = "words"
batch-interval = "1s"
parallelism = 3
checkpoint = "kept"
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
[operator.recent]
input = "words"
reduce-by-key-and-window = "std:sum"
length = "4s"
[operator.sliding]
input = "words"
reduce-by-key-and-window = "std:sum"
length = "3s"
inverse = true
[operator.all]
input = ["totals", "recent", "sliding"]
union = true
[operator.sorted]
input = "all"
sort = true
by = ["key", "value"]
[sink.out]
input = "sorted"
type = "print"
n = 1000
"#;

#[test]
fn a_run_goes_on_with_other_partitions_and_other_names() {
    let words = |line: i32| (0..9).map(move |word| format!("w{}", line * word % 11));
    let lines = (0..12).map(|line| words(line).collect::<Vec<_>>().join(" "));
    let lines = lines.collect::<Vec<_>>().join("\n");
    let files = [("topo.toml", REMEMBERING), ("in.txt", &*lines)];
    let undisturbed = run(&Folder::new(&files), &[]);
    undisturbed.says(0, &[]);

    let folder = Folder::new(&files);
    let mut printed = Vec::new();
    let parts = [(1, 5, "totals"), (4, 3, "counts"), (2, 0, "words-so-far")];
    let mut before = String::new();
    for (partitions, batches, name) in parts {
        let renamed = match before.as_str() {
            "" => String::new(),
            before => format!("renamed-from = \"{before}\"\n"),
        };
        let topology = REMEMBERING
            .replace("parallelism = 3", &format!("parallelism = {partitions}"))
            .replace("\"totals\"", &format!("\"{name}\""))
            .replace(
                "[operator.totals]\n",
                &format!("[operator.{name}]\n{renamed}"),
            );
        folder.write("topo.toml", topology.as_bytes());
        let limit = format!("--batches={batches}");
        let limits: Vec<&str> = (batches > 0).then_some(&*limit).into_iter().collect();
        let ended = run(&folder, &limits);
        ended.says(0, &[]);
        printed.extend(ended.printed().into_iter().map(|batch| batch.join("\n")));
        name.clone_into(&mut before);
    }
    let expected: Vec<String> = undisturbed.printed().iter().map(|b| b.join("\n")).collect();
    assert!(printed == expected, "{printed:#?}");

    let vanished = REMEMBERING.replace("[operator.totals]", "[operator.other]");
    let vanished = vanished.replace("\"totals\"", "\"other\"");
    folder.write("topo.toml", vanished.as_bytes());
    run(&folder, &[]).says(1, &["`words-so-far`", "renamed-from = \"words-so-far\""]);
}
