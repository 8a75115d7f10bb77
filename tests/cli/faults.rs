//! Plugins that misbehave: caught, blamed, and the next batch is fine.

use super::{Ended, Folder, lines_topology};

/// Runs `function` over two lines, a batch each.
fn run(verb: &str, function: &str, head: &str) -> Ended {
    let operator = format!("[operator.it]\ninput = \"lines\"\n{verb} = \"{function}\"");
    let topology = lines_topology(head, &operator, "it");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "good\nbad!\nfine\n")]);
    folder.run_with("faulty", &[])
}

#[test]
fn a_trap_names_operator_function_and_batch_and_shows_the_guests_stack() {
    let ended = run("map", "panics-at-bang", "");
    ended.says(
        1,
        &[
            "error: batch ",
            "operator `it`, partition 0: function `panics-at-bang` of plugin `faulty`",
            "cannot handle \"bad!\"",
            "\n    ",
            "rsrt_sdk::functions::map::process",
            "1 batch failed",
        ],
    );
    assert_eq!(ended.printed(), [["good"], ["fine"]]);
}

#[test]
fn every_way_not_to_return_is_caught() {
    for (function, expected) in [
        ("aborts", "the function trapped"),
        ("indexes-past-the-end", "the function trapped"),
        ("recurses", "the function trapped"),
        ("eats-memory", "needs more than its 64 MiB of memory"),
        ("fails", "the function gave up: this function always fails"),
    ] {
        run("map", function, "").says(
            1,
            &[expected, "operator `it`", function, "3 batches failed"],
        );
    }
}

#[test]
fn a_function_that_spins_is_stopped_when_its_time_is_up() {
    let ended = run(
        "map",
        "spins",
        "on-failed-batch = \"stop\"\nlimits = { cpu-time = \"50ms\" }",
    );
    ended.says(
        1,
        &[
            "used up its 50ms of CPU time",
            "operator `it`",
            "1 batch failed",
        ],
    );
    let ended = run(
        "map",
        "spins",
        "on-failed-batch = \"stop\"\nlimits = { fuel = 1000000 }",
    );
    ended.says(1, &["used up its 1000000 units of fuel"]);
}

#[test]
fn memory_has_the_limit_that_the_topology_says() {
    let ended = run("map", "eats-memory", "limits = { memory = \"8MiB\" }");
    ended.says(1, &["needs more than its 8 MiB of memory"]);
}

#[test]
fn broken_columns_do_not_get_out_of_the_sandbox() {
    for function in [
        "falling-offsets",
        "invalid-utf8",
        "loses-a-row",
        "short-numbers",
    ] {
        let ended = run("map", function, "");
        ended.says(1, &["operator `it`", function, "3 batches failed"]);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_flood_of_log_lines_is_cut() {
    let ended = run("map", "floods-the-log", "limits = { log-lines = 5 }");
    ended.says(
        0,
        &[
            "info: operator it, batch ",
            "partition 0: good: 4",
            "lines were dropped",
        ],
    );
    assert!(!ended.stderr.contains("good: 5"), "{}", ended.stderr);
    let control = run("map", "logs-control-characters", "");
    control.says(0, &["warning: operator it"]);
    assert!(!control.stderr.contains('\x1b'), "{:?}", control.stderr);
}

#[test]
fn rejected_rows_are_counted_and_the_first_reason_is_shown() {
    let ended = run("map", "rejects-all", "");
    ended.says(
        0,
        &[
            "it: 1 row was rejected",
            "the first: \"good\" will not do",
            "3 rows were rejected and dropped",
        ],
    );
}

#[test]
fn what_all_calls_of_a_task_put_out_together_is_limited() {
    let topology = lines_topology(
        "limits = { output = \"64KiB\" }",
        "[operator.it]\ninput = \"lines\"\nmap = \"echo\"",
        "it",
    );
    let topology = topology.replace("batch-bytes = 1\n", "batch-bytes = \"10MB\"\n");
    let lines = "abc\n".repeat(200_000);
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", &lines)]);
    folder.run_with("faulty", &[]).says(
        1,
        &[
            "function `echo` of plugin `faulty` put out more than 1048576 bytes in one task",
            "raise `output`",
        ],
    );
}
