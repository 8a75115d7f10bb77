//! What a plugin is given besides its input, from the topology and from the command line.

use std::fs;

use super::{Ended, Folder, lines_topology};
use crate::guests;

/// Lines go to the function `keep` of the plugin `sink`, which has these grants.
fn keeping(grants: &str) -> Folder {
    let path = guests::plugin("outside");
    let path = path.display();
    let topology = lines_topology("", "", "lines").replace(
        "type = \"print\"",
        "type = \"foreach\"\nfunction = \"sink:keep\"",
    );
    let topology = format!("{topology}[plugin.sink]\npath = '{path}'\ngrants = [{grants}]\n");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "a\nb\n")]);
    fs::create_dir(folder.path().join("out")).unwrap();
    folder
}

/// What function `name` of the default plugin makes of lines.
fn asking(name: &str, lines: &str, arguments: &[&str]) -> Ended {
    let operator = format!("[operator.asked]\ninput = \"lines\"\nmap = \"{name}\"");
    let topology = lines_topology("", &operator, "asked");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", lines)]);
    folder.run_with("outside", arguments)
}

#[test]
fn a_sink_writes_into_a_directory_that_it_is_granted() {
    let folder = keeping("\"write:out\"");
    folder.rsrt(&["run", "-t", "topo.toml"]).says(0, &[]);
    let rows = fs::read_to_string(folder.path().join("out/rows-0.txt")).unwrap();
    assert_eq!(rows, "a\nb\n");
}

#[test]
fn without_the_grant_it_fails_and_says_so() {
    let folder = keeping("");
    let words = ["no place for rows: no directory is granted"];
    folder.rsrt(&["run", "-t", "topo.toml"]).says(1, &words);
    let folder = keeping("\"read:out\"");
    let words = ["no place for rows: read-only"];
    folder.rsrt(&["run", "-t", "topo.toml"]).says(1, &words);
}

#[test]
fn the_command_line_grants_more() {
    let folder = keeping("\"env:HOME\"");
    let run = ["run", "-t", "topo.toml", "--grant", "sink=write:out"];
    folder.rsrt(&run).says(0, &[]);
    assert!(folder.path().join("out/rows-0.txt").exists());

    let check = ["check", "topo.toml", "--grant", "sink=write:out"];
    let checked = folder.rsrt(&check);
    checked.says(0, &[]);
    let line = "plugin `sink` is granted env:HOME, write:out\n";
    assert!(checked.stdout.ends_with(line), "{}", checked.stdout);
}

#[test]
fn a_grant_that_cannot_be_given_is_refused() {
    let folder = keeping("\"write:nowhere\"");
    let words = ["the directory nowhere cannot be granted: No such file"];
    folder.rsrt(&["check", "topo.toml"]).says(2, &words);
    let check = |grant| folder.rsrt(&["check", "topo.toml", "--grant", grant]);
    check("sink=net").says(2, &["\"net\" is not a grant; a grant is one of: env:NAME"]);
    check("sink=tcp:host:80").says(2, &["the network is not supported by this version yet"]);
    let words = ["stdout is granted to plugin `other`, but no operator or sink calls it"];
    check("other=stdout").says(2, &words);
    check("stdout").says(2, &["stdout is granted to the default plugin"]);
}

#[test]
fn a_variable_is_that_of_the_program() {
    let granted = asking(
        "variable",
        "CARGO_MANIFEST_DIR\n",
        &["--grant", "env:CARGO_MANIFEST_DIR"],
    );
    granted.says(0, &[]);
    assert_eq!(granted.printed(), [[env!("CARGO_MANIFEST_DIR")]]);
    let other = asking("variable", "PATH\n", &["--grant", "env:CARGO_MANIFEST_DIR"]);
    assert_eq!(other.printed(), [["null"]]);
}

#[test]
fn what_a_plugin_prints_is_logged_unless_it_is_granted_standard_output() {
    let logged = asking("say", "hello\n", &[]);
    logged.says(0, &["hello", "!hello"]);
    assert_eq!(logged.printed(), [["hello"]]);
    let printed = asking("say", "hello\n", &["--grant", "stdout"]);
    printed.says(0, &["!hello"]);
    assert!(
        printed.stdout.starts_with("hello\n---"),
        "{}",
        printed.stdout
    );
}

#[test]
fn grants_are_nothing_to_a_plugin_that_imports_no_wasi() {
    let operator = "[operator.trimmed]\ninput = \"lines\"\nmap = \"trim\"";
    let topology = lines_topology("", operator, "trimmed");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "a\n")]);
    let ended = folder.run_with("text-tools", &["--grant", "stdout"]);
    ended.says(
        0,
        &["imports nothing of WASI, so its grants give it nothing"],
    );
}

#[test]
fn what_is_linked_to_nothing_is_shown() {
    let plugin = guests::plugin("outside");
    let folder = Folder::new(&[]);
    let shown = folder.rsrt(&["inspect", plugin.to_str().unwrap()]).stdout;
    let nothing = "linked to nothing, unless a topology grants more:\n              wasi:";
    assert!(shown.contains(nothing), "{shown}");
    assert!(shown.contains("takes back the last two"), "{shown}");
    let plugin = guests::plugin("text-tools");
    let shown = folder.rsrt(&["inspect", plugin.to_str().unwrap()]).stdout;
    assert!(!shown.contains("linked to nothing"), "{shown}");
}
