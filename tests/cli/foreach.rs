//! A function of a plugin as a sink.

use super::{Folder, lines_topology};
use crate::guests;

const QUEUE: &str = r#"
name = "said"
batch-interval = "1s"
[source.lines]
type = "queue"
schema = "utf8"
path = "lines.json"
partitions = 2
[sink.first]
input = "lines"
type = "print"
[sink.out]
input = "lines"
type = "foreach"
function = "FUNCTION"
"#;

fn run(function: &str, lines: &str) -> super::Ended {
    let topology = QUEUE.replace("FUNCTION", function);
    let folder = Folder::new(&[("topo.toml", &topology), ("lines.json", lines)]);
    let plugin = guests::plugin("text-tools");
    folder.rsrt(&["run", "--topology", "topo.toml", plugin.to_str().unwrap()])
}

#[test]
fn each_partition_is_given_to_the_function_and_ended_also_an_empty_one() {
    let ended = run("announce", r#"[["a", "b", "c"], ["d"], []]"#);
    ended.says(0, &[]);
    let said = ended.stderr.lines().filter_map(|line| {
        let at = line.find("said")?;
        line.contains("out").then(|| line[at..].trim_end())
    });
    let said: Vec<&str> = said
        .filter(|line| !line.starts_with("said until"))
        .collect();
    assert_eq!(
        said,
        [
            "said: a",
            "said 1 lines",
            "said: b",
            "said: c",
            "said 2 lines",
            "said 0 lines",
            "said: d",
            "said 1 lines",
            "said 0 lines",
            "said 0 lines"
        ],
        "{}",
        ended.stderr
    );
}

#[test]
fn rejected_rows_are_counted_and_the_batch_goes_on() {
    let ended = run("announce", r#"[["", "b"], ["c"]]"#);
    let words = ["sink out, partition 0: 1 rows rejected, the first: there is nothing to say"];
    ended.says(0, &words);
}

#[test]
fn only_a_foreach_function_is_a_sink() {
    let ended = run("trim", "[]");
    ended.says(
        2,
        &["`trim` is a map function, so `foreach` cannot call it"],
    );
    let ended = run("announce-all", "[]");
    ended.says(2, &["has no function `announce-all`"]);
    let topology = lines_topology("", "", "lines").replace(
        "type = \"print\"",
        "type = \"foreach\"\nfunction = \"std:sum\"",
    );
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "a\n")]);
    let ended = folder.rsrt(&["check", "topo.toml"]);
    ended.says(2, &["`std:sum` cannot be called by `foreach`"]);
}
