//! Sinks, from outside.

use super::Folder;

#[test]
fn a_sink_that_fails_does_not_keep_later_batches_or_other_sinks_from_theirs() {
    let topology = r#"
name = "a"
batch-interval = "1s"
[source.in]
type = "queue"
schema = "int64"
path = "in.json"
[sink.bad]
input = "in"
type = "text-files"
path = "taken/out"
[sink.good]
input = "in"
type = "print"
"#;
    let files = [
        ("topo.toml", topology),
        ("in.json", "[[1], [2], [3]]"),
        ("taken", "a file"),
    ];
    let folder = Folder::new(&files);
    let ended = folder.rsrt(&["run", "--topology", "topo.toml"]);
    ended.says(1, &["sink bad: cannot make taken", "3 batches failed"]);
    assert_eq!(ended.printed(), [["1"], ["2"], ["3"]]);

    let stopped = topology.replace(
        "batch-interval",
        "on-failed-batch = \"stop\"\nbatch-interval",
    );
    folder.write("topo.toml", stopped.as_bytes());
    let ended = folder.rsrt(&["run", "--topology", "topo.toml"]);
    ended.says(1, &["sink bad: cannot make taken"]);
    assert_eq!(ended.printed(), [["1"]]);
}
