//! Every folder of `examples/`: its topology is right, and its cases pass.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::guests;

/// The plugin that an example is started with; the folder's README says the same.
pub(crate) fn plugin(example: &Path) -> &'static str {
    match example.file_name().and_then(|name| name.to_str()) {
        Some("click-sessions") => "sessions",
        Some("spam-filter") => "text-tools",
        _ => "word-count",
    }
}

pub(crate) fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut examples: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    examples.sort();
    assert!(!examples.is_empty());
    examples
}

fn rsrt(arguments: &[&str], example: &Path) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_rsrt"))
        .args(arguments)
        .arg("--plugin")
        .arg(guests::plugin(plugin(example)))
        .current_dir(example)
        .output()
        .unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    let example = example.display();
    assert!(
        status.success(),
        "{example}: {arguments:?}\n{said}{complained}"
    );
}

#[test]
fn every_example_has_a_topology_that_is_right() {
    for example in examples() {
        rsrt(&["check", "topo.toml"], &example);
    }
}

#[test]
fn the_cases_of_every_example_pass() {
    for example in examples() {
        assert!(
            example.join("cases.json").is_file(),
            "{}",
            example.display()
        );
        rsrt(&["test", "topo.toml", "--cases", "cases.json"], &example);
    }
}

#[test]
fn the_cases_pass_without_combining_in_plugins_and_with_other_parallelism() {
    for example in examples() {
        let test = ["test", "topo.toml", "--cases", "cases.json"];
        rsrt(&[&test[..], &["--no-fusion"]].concat(), &example);
        rsrt(&[&test[..], &["--parallelism", "5"]].concat(), &example);
    }
}
