//! `rsrt test`, from outside.

use serde_json::Value;

use super::Folder;

const TOPOLOGY: &str = r#"
name = "sums"
batch-interval = "1s"
[source.numbers]
type = "queue"
schema = { key = "utf8", value = "float64" }
[operator.sums]
input = "numbers"
reduce-by-key = "std:sum"
[sink.out]
input = "sums"
type = "print"
"#;

fn test(cases: &str, arguments: &[&str]) -> super::Ended {
    let folder = Folder::new(&[("topo.toml", TOPOLOGY), ("cases.json", cases)]);
    let test = ["test", "topo.toml", "--cases", "cases.json"];
    folder.rsrt(&[&test[..], arguments].concat())
}

const GOOD: &str = r#"{"name":"good","sources":{"numbers":[[["a",1],["a",2]],[],null]},"batches":4,
    "expect":{"out":[[["a",3]],[],null,[]]}}"#;
const BAD: &str =
    r#"{"name":"bad","sources":{"numbers":[[["a",1]]]},"expect":{"out":[[["a",2]]]}}"#;

#[test]
fn cases_pass_or_show_what_differs() {
    let ended = test(&format!("{{\"cases\":[{GOOD},{BAD}]}}"), &[]);
    ended.says(1, &[]);
    insta::assert_snapshot!(ended.stdout, @r#"
    passed  good (4 batches)
    FAILED  bad (1 batch)
      sink out, batch 1 (1000 ms)
        expected ["a",2.0]
        got      ["a",1.0]

    1 passed, 1 failed
    "#);
    let one = test(
        &format!("{{\"cases\":[{GOOD},{BAD}]}}"),
        &["--case", "good"],
    );
    one.says(0, &[]);
    assert!(
        one.stdout.ends_with("\n1 passed, 0 failed\n"),
        "{}",
        one.stdout
    );
}

#[test]
fn programs_read_the_result_as_json() {
    let ended = test(&format!("{{\"cases\":[{BAD}]}}"), &["--format", "json"]);
    ended.says(1, &[]);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result["failed"], 1);
    assert_eq!(result["cases"][0]["differences"][0]["sink"], "out");
}

#[test]
fn cases_that_are_none_are_wrong_input() {
    let cases = [
        (
            r#"{"cases":[{"name":"a","source":{}}]}"#,
            "cases.json: unknown field `source`",
        ),
        (
            r#"{"cases":[{"name":"a","sources":{"nubers":[]}}]}"#,
            "did you mean `numbers`?",
        ),
        (
            r#"{"cases":[{"name":"a","batches":1,"expect":{"numbers":[]}}]}"#,
            "no sink `numbers`",
        ),
        (
            r#"{"cases":[{"name":"a","sources":{"numbers":[[1]]}}]}"#,
            "batch 1: row 1: expected a list of 2",
        ),
        ("", "cases.json: EOF"),
    ];
    for (text, expected) in cases {
        test(text, &[]).says(2, &["error: ", expected]);
    }
    let none = test(&format!("{{\"cases\":[{GOOD}]}}"), &["--case", "god"]);
    none.says(2, &["cases.json has no case \"god\"", "\"good\""]);
}

#[test]
fn an_error_at_load_can_be_expected() {
    let cases = r#"{"cases":[{"name":"a","expect-error":"no key `paralelism`"}]}"#;
    test(cases, &["--set", "paralelism=1"]).says(0, &[]);
    let unexpected = format!("{{\"cases\":[{GOOD}]}}");
    test(&unexpected, &["--set", "paralelism=1"]).says(2, &["did you mean `parallelism`?"]);
}

#[test]
fn a_fault_of_a_plugin_can_be_expected() {
    let topology = super::lines_topology(
        "",
        "[operator.it]\ninput = \"lines\"\nmap = \"panics-at-bang\"",
        "it",
    );
    let cases = r#"{"cases":[{"name":"a","sources":{"lines":[["a"],["b!"],["c"]]},
        "expect":{"out":[["a"],null,["c"]]},"expect-error":"cannot handle \"b!\""}]}"#;
    let folder = Folder::new(&[("topo.toml", &topology), ("cases.json", cases)]);
    let plugin = crate::guests::plugin("faulty");
    let plugin = plugin.to_str().unwrap();
    let test = [
        "test",
        "topo.toml",
        "--cases",
        "cases.json",
        "--plugin",
        plugin,
    ];
    let ended = folder.rsrt(&test);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "passed  a (3 batches)\n\n1 passed, 0 failed\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_new_plugin_is_built_and_passes_its_cases() {
    let folder = Folder::new(&[]);
    let new = folder.rsrt(&["new", "room-heat"]);
    new.says(0, &[]);
    assert!(new.stdout.contains("cd room-heat"), "{}", new.stdout);
    let built = folder.command(&["build", "room-heat"]);
    let built = super::Ended::of({ built }.env_remove("CARGO_TARGET_DIR").output().unwrap());
    assert_eq!(built.says(0, &[]).stdout, "room-heat/room-heat.wasm\n");
    let test = [
        "test",
        "room-heat/topo.toml",
        "--cases",
        "room-heat/cases.json",
    ];
    let plugin = ["--plugin", "room-heat/room-heat.wasm"];
    let ended = folder.rsrt(&[&test[..], &plugin].concat());
    ended.says(0, &[]);
    assert!(
        ended.stdout.ends_with("\n2 passed, 0 failed\n"),
        "{}",
        ended.stdout
    );
    folder
        .rsrt(&["new", "room-heat"])
        .says(2, &["is there and not empty"]);
}
