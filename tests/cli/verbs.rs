//! Golden cases of the verbs over pairs, windows and state, in `tests/cases/`.

use std::path::Path;

use super::Folder;
use crate::guests;

/// Runs the cases that lie beside the topology, with the plugins it may name.
fn passes(name: &str, cases: usize) {
    let folder = Folder::new(&[]);
    let cases_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let topology = cases_dir.join(format!("{name}.toml"));
    let golden = cases_dir.join(format!("{name}.json"));
    let default = guests::plugin("text-tools");
    let counting = format!("wc={}", guests::plugin("word-count").display());
    let ended = folder.rsrt(&[
        "test",
        topology.to_str().unwrap(),
        "--plugin",
        default.to_str().unwrap(),
        "--plugin",
        &counting,
        "--cases",
        golden.to_str().unwrap(),
    ]);
    let wanted = format!("\n{cases} passed, 0 failed\n");
    assert!(ended.stdout.ends_with(&wanted), "{}", ended.stdout);
}

#[test]
fn pairs_are_joined_grouped_and_combined() {
    passes("pairs", 1);
}

#[test]
fn a_stream_has_the_partitions_of_its_verb_also_when_they_are_empty() {
    passes("partitions", 1);
}

#[test]
fn state_and_windows_go_on_from_batch_to_batch() {
    passes("state", 1);
}

#[test]
fn by_default_every_tenth_batch_of_a_stream_forgets_idle_keys() {
    passes("idle", 2);
}

#[test]
fn a_whole_batch_is_transformed_with_another_stream_or_a_file() {
    passes("transform", 2);
}

#[test]
fn a_window_lacks_a_batch_that_failed_and_state_beside_it_goes_on() {
    passes("failing", 1);
}
