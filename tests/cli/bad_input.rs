//! Input that is wrong: a clear error that names the thing, exit code 2, nothing half-written.

use super::{Folder, lines_topology};

const NUMBERS: &str = r#"
name = "numbers"
batch-interval = "1s"
[source.numbers]
type = "queue"
schema = "int64"
path = "numbers.json"
[sink.out]
input = "numbers"
type = "print"
"#;

fn numbers(topology: &str) -> Folder {
    Folder::new(&[("topo.toml", topology), ("numbers.json", "[[1],[2]]")])
}

#[test]
fn a_topology_that_is_not_there_is_named() {
    let folder = Folder::new(&[]);
    for arguments in [
        &["run", "-t", "no.toml"][..],
        &["check", "no.toml"],
        &["test", "no.toml", "--cases", "cases.json"],
    ] {
        let ended = folder.rsrt(arguments);
        ended.says(2, &["error: cannot read", "No such file or directory"]);
    }
}

#[test]
fn every_problem_of_a_topology_is_reported_with_its_place() {
    let wrong = NUMBERS
        .replace("\"1s\"", "\"0s\"")
        .replace("schema", "shema");
    let ended = numbers(&wrong).rsrt(&["run", "-t", "topo.toml"]);
    ended.says(
        2,
        &["topo.toml:3:18", "topo.toml:6:1", "did you mean `schema`?"],
    );
    assert_eq!(ended.stdout, "");
    let negative = NUMBERS.replace("\"1s\"", "\"-1s\"");
    let ended = numbers(&negative).rsrt(&["check", "topo.toml"]);
    ended.says(2, &["topo.toml:3:18"]);
}

#[test]
fn a_cycle_is_shown() {
    let cycle = "[operator.a]\ninput = \"b\"\ndistinct = true\n[operator.b]\ninput = \"a\"\ndistinct = true\n";
    let topology = format!("{NUMBERS}{cycle}").replace("input = \"numbers\"", "input = \"a\"");
    numbers(&topology)
        .rsrt(&["run", "-t", "topo.toml"])
        .says(2, &["in a circle", "a", "b"]);
}

#[test]
fn a_plugin_that_is_none_is_named() {
    let topology = lines_topology("", "[operator.up]\ninput = \"lines\"\nmap = \"up\"", "up");
    let folder = Folder::new(&[
        ("topo.toml", &topology),
        ("in.txt", "a\n"),
        ("text.wasm", "not wasm at all"),
    ]);
    // A component that exports nothing, a core module without an interface.
    folder.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    folder.write("core.wasm", b"\0asm\x01\0\0\0");
    let cases = [
        (
            "missing.wasm",
            "cannot load plugin missing.wasm: No such file",
        ),
        (
            "text.wasm",
            "cannot load plugin text.wasm: this is not a WebAssembly file",
        ),
        (
            "empty.wasm",
            "cannot load plugin empty.wasm: this component is no rsrt plugin",
        ),
        (
            "core.wasm",
            "cannot load plugin core.wasm: this is a core WebAssembly module without",
        ),
    ];
    for (plugin, expected) in cases {
        let ended = folder.rsrt(&["run", plugin, "-t", "topo.toml"]);
        ended.says(2, &[expected]);
        folder.rsrt(&["inspect", plugin]).says(2, &[expected]);
        assert_eq!(ended.stdout, "");
    }
    let ended = folder.rsrt(&["run", "-t", "topo.toml"]);
    ended.says(
        2,
        &[
            "`up` is to come from the default plugin, but there is none",
            "topo.toml:",
        ],
    );
}

#[test]
fn a_plugin_without_the_function_or_with_other_types_is_refused_with_its_place() {
    let plugin = crate::guests::plugin("word-count");
    let check = |operator: &str| {
        let operator = format!("[operator.it]\ninput = \"lines\"\n{operator}");
        let topology = lines_topology("", &operator, "it");
        let folder = Folder::new(&[("topo.toml", &topology)]);
        folder.rsrt(&["check", "topo.toml", "--plugin", plugin.to_str().unwrap()])
    };
    check("flat-map = \"spilt\"").says(2, &["no function `spilt`", "did you mean `split`?"]);
    check("map = \"split\"").says(2, &["`map` cannot call it"]);
    check("reduce = \"sum\"").says(2, &["`sum` takes (value: int64)", "value: utf8"]);
    let settings = "flat-map = \"split\"\nsettings = { no-such = \"1\" }";
    check(settings).says(2, &["no-such", "topo.toml:"]);
}

#[test]
fn a_source_that_cannot_be_read_is_named() {
    let topology = lines_topology("", "", "lines");
    let folder = Folder::new(&[("topo.toml", &topology)]);
    let run = ["run", "-t", "topo.toml"];
    let path = folder.path().join("in.txt");
    let path = path.file_name().unwrap().to_str().unwrap();
    folder
        .rsrt(&run)
        .says(2, &["source lines: cannot read", path, "No such file"]);
    std::fs::create_dir(folder.path().join("in.txt")).unwrap();
    folder
        .rsrt(&run)
        .says(2, &["source lines: cannot read", path]);

    let folder = numbers(&NUMBERS.replace("path", "# path"));
    folder
        .rsrt(&run)
        .says(2, &["source numbers: a queue needs `path`"]);
    let folder = Folder::new(&[("topo.toml", NUMBERS), ("numbers.json", "[[1,\"x\"]]")]);
    folder.rsrt(&run).says(
        2,
        &["source numbers: batch 1: row 2: expected int64, got \"x\""],
    );
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let folder = numbers(NUMBERS);
    let cases: [(&[&str], &str); 8] = [
        (&["run"], "--topology"),
        (&["walk"], "unrecognized subcommand 'walk'"),
        (
            &["run", "-t", "topo.toml", "--set", "parallelism"],
            "is no assignment",
        ),
        (
            &["run", "-t", "topo.toml", "--set", "paralelism=3"],
            "did you mean `parallelism`?",
        ),
        (
            &["run", "-t", "topo.toml", "--log", "guest=loud"],
            "is no log filter",
        ),
        (
            &["run", "-t", "topo.toml", "--cores", "0"],
            "invalid value '0'",
        ),
        (
            &["run", "a.wasm", "--plugin", "b.wasm", "-t", "topo.toml"],
            "one default plugin",
        ),
        (&["inspect", "topo.toml"], "rsrt check topo.toml"),
    ];
    for (arguments, expected) in cases {
        folder.rsrt(arguments).says(2, &[expected]);
    }
}

#[test]
fn a_directory_that_is_no_plugin_is_not_built() {
    let folder = Folder::new(&[]);
    folder
        .rsrt(&["build", "."])
        .says(2, &["holds no Cargo.toml"]);
    folder
        .rsrt(&["new", "Not A Name"])
        .says(2, &["plugin name \"Not A Name\" must be"]);
    assert_eq!(folder.names(), [""; 0]);
}
