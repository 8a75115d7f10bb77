//! What names alone tell is told before anything runs, all of it at once.

use rsrt::{
    confine::Confinement,
    topology::{check_confined, confine},
};

use super::Yard;

const WRONG: &str = r#"
checkpoint = "s3://theirs/kept"
spill-directory = "/var/tmp"

[source.a]
type = "file"
path = "/etc/passwd"

[source.b]
type = "directory"
path = "../secret"

[source.c]
type = "socket"
address = "169.254.169.254:80"

[source.d]
type = "queue"
schema = "utf8"
path = "/proc/self/environ"

[source.e]
type = "file"
path = "in.txt"

[operator.w]
input = "c"
window = "2s"
persist = "disk"

[sink.to-a]
input = "a"
type = "text-files"
path = "../shared/out"

[sink.to-b]
input = "b"
type = "sqlite"
path = "sub/t.db"
table = "t"

[sink.to-c]
input = "w"
type = "postgres"
url = "postgres://a:pw@%2Frun%2Fpg/d"
table = "t"

[sink.to-d]
input = "d"
type = "null"

[sink.to-e]
input = "e"
type = "text-files"
path = "sub/out"
"#;

#[test]
fn every_name_that_leads_out_is_told_with_its_node_and_key() {
    let yard = Yard::new();
    let topology = yard.compiled(WRONG);
    let base = yard.path("data");
    let violations = check_confined(&topology, &base, &yard.confinement());
    let found: Vec<_> = violations
        .iter()
        .map(|it| (it.node.as_str(), it.key.as_str(), yard.told(&it.why)))
        .collect();
    let expected = [
        (
            "source `a`",
            "path",
            "it lies outside of what may be read (shared, data)",
        ),
        ("source `b`", "path", "its `..` lead out of `data`"),
        (
            "source `c`",
            "address",
            "169.254.169.254:80 is not allowed (what is: nothing)",
        ),
        ("source `d`", "path", "it lies outside"),
        ("sink `to-a`", "path", "its `..` lead out of `data`"),
        (
            "sink `to-b`",
            "path",
            "a database must lie in `data` itself",
        ),
        (
            "sink `to-c`",
            "url",
            "sockets of this machine are not allowed",
        ),
        (
            "the topology",
            "spill-directory",
            "it lies outside of what may be written (data)",
        ),
        (
            "the topology",
            "checkpoint",
            "s3://theirs/kept is not allowed (what is: nothing)",
        ),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((node, key, why), (of, under, expected)) in found.iter().zip(expected) {
        assert_eq!((*node, *key), (of, under));
        assert!(why.contains(expected), "{node} {key}: {why}");
    }
    assert!(check_confined(&topology, &base, &Confinement::everything()).is_empty());
    let same = confine(topology.clone(), &base, &Confinement::everything()).unwrap();
    assert_eq!(same, topology);
}

/// Absolute paths are the same as relative ones, where they lie in a root.
#[test]
fn what_may_be_written_is_less_than_what_may_be_read() {
    let yard = Yard::new();
    let shared = yard.path("shared");
    let text = |kind: &str, path: &str| {
        format!(
            "[source.a]\ntype = \"file\"\npath = \"{path}\"\n[sink.o]\ninput = \"a\"\ntype = {kind}"
        )
    };
    let shared = shared.to_str().unwrap();
    yard.confined(&text("\"null\"", &format!("{shared}/in.txt")))
        .unwrap();
    let write = format!("\"json-files\"\npath = \"{shared}/out\"");
    let error = yard.confined(&text(&write, "in.txt")).unwrap_err();
    assert_eq!(
        yard.told(&error),
        "sink `o`, `path`: it lies outside of what may be written (data); write a path in one of these"
    );
    // A name that only starts like a root's is none of its.
    let beside = format!("{}-x/in.txt", yard.path("data").display());
    assert!(yard.confined(&text("\"null\"", &beside)).is_err());
}

#[test]
fn a_bucket_is_allowed_with_its_folders() {
    let yard = Yard::new();
    let base = yard.path("data");
    for (allowed, checkpoint, expected) in [
        ("mine", "s3://mine/kept", true),
        ("mine/kept", "s3://mine/kept/a", true),
        ("mine/kept/", "s3://mine/kept", true),
        ("mine/kept", "s3://mine/kept-not", false),
        ("mine", "s3://mine-not/kept", false),
        ("mine", "kept", true),
        ("mine", "../kept", false),
        ("mine", "/kept", false),
    ] {
        let text = format!(
            "checkpoint = \"{checkpoint}\"\n[source.a]\ntype = \"generator\"\nrate = 1\n[sink.o]\ninput = \"a\"\ntype = \"null\"",
        );
        let confinement = yard.confinement().bucket(allowed);
        let violations = check_confined(&yard.compiled(&text), &base, &confinement);
        assert_eq!(
            violations.is_empty(),
            expected,
            "{allowed} {checkpoint}: {violations:?}"
        );
    }
}
