//! What a plugin that imports WASI finds: nothing, unless it is granted, and nothing outside of that.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{Arc, LazyLock},
};

use rsrt::{
    model::BatchTime,
    plugin::{Access, Grants, Plugin, PluginFault, Task, Unhurried},
};

use super::{Answer, ENGINE, FAULTY, call, limits, lines};
use crate::guests;

static OUTSIDE: LazyLock<Plugin> = LazyLock::new(|| guests::load(&ENGINE, "outside"));

fn ask_in(partition: u32, plugin: &Plugin, function: &str, given: &[&str]) -> Answer {
    let task = Task {
        topology: "topology".into(),
        operator: "operator".into(),
        batch_time: BatchTime::from_millis(7_500),
        partition,
        settings: Arc::new([]),
    };
    let mut instance = plugin.instantiate(task, &limits(), Arc::new(Unhurried))?;
    call(&mut instance, plugin, function, given)
}

fn ask(plugin: &Plugin, function: &str, given: &[&str]) -> Vec<String> {
    ask_in(0, plugin, function, given).unwrap()
}

fn trap(function: &str) -> String {
    match ask_in(0, &OUTSIDE, function, &["a"]) {
        Err(PluginFault::Trapped { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// The plugin with this directory, which it calls `data`.
fn with(directory: &Path, access: Access) -> Plugin {
    let grants = Grants::default().directory("data", directory, access);
    OUTSIDE.clone().granted(grants.unwrap())
}

#[test]
fn only_a_plugin_that_imports_it_has_a_world() {
    assert!(OUTSIDE.imports_wasi());
    assert!(!FAULTY.imports_wasi());
}

#[test]
fn clocks_show_the_batch_time_and_random_numbers_are_those_of_the_task() {
    let first = ask_in(1, &OUTSIDE, "tell-all", &["a", "b"]).unwrap();
    assert!(
        first[0].starts_with("a 7.500000000 7500000000 "),
        "{first:?}"
    );
    assert_ne!(first[0][1..], first[1][1..], "random numbers go on");
    let again = ask_in(1, &OUTSIDE, "tell-all", &["a", "b"]).unwrap();
    assert_eq!(first, again);
    let other = ask_in(2, &OUTSIDE, "tell-all", &["a", "b"]).unwrap();
    assert_ne!(first, other);
}

#[test]
fn who_sleeps_is_woken_at_once_and_finds_that_time_has_passed() {
    assert_eq!(ask(&OUTSIDE, "sleep", &["36000"]), ["false 36000 36000"]);
    assert_eq!(ask(&OUTSIDE, "sleep", &["0"]), ["true 0 0"]);
}

#[test]
fn without_a_grant_there_is_nothing() {
    assert_eq!(ask(&OUTSIDE, "variable", &["PATH"]), Vec::<String>::new());
    assert_eq!(ask(&OUTSIDE, "read", &["a"]), ["no directory is granted"]);
    assert_eq!(ask(&OUTSIDE, "socket", &[""]), ["access-denied"]);
    assert_eq!(
        trap("offset"),
        "it called `wasi:clocks/timezone@0.2.0#utc-offset`, which is not granted"
    );
    assert_eq!(trap("exit"), "it ended itself with wasi:cli/exit");
}

#[test]
fn a_variable_is_granted_by_name() {
    let grants = Grants::default().variable("REGION", "north");
    let plugin = OUTSIDE.clone().granted(grants);
    assert_eq!(ask(&plugin, "variable", &["REGION"]), ["north"]);
    assert_eq!(ask(&plugin, "variable", &["PATH"]), Vec::<String>::new());
}

#[test]
fn a_directory_to_read_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b.txt"), "some text").unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    let plugin = with(folder.path(), Access::Read);
    assert_eq!(ask(&plugin, "read", &["b.txt"]), ["some text"]);
    assert_eq!(ask(&plugin, "read", &["c.txt"]), ["no-entry"]);
    assert_eq!(ask(&plugin, "read", &["a"]), ["is-directory"]);
    assert_eq!(ask(&plugin, "list", &[""]), ["a b.txt"]);
    assert_eq!(ask(&plugin, "create", &["new"]), ["read-only"]);
    assert!(!folder.path().join("new").exists());
}

#[test]
fn no_path_leads_out_of_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.txt");
    fs::write(&secret, "secret").unwrap();
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("own.txt"), "own").unwrap();
    symlink("own.txt", inside.join("to-own")).unwrap();
    symlink("../secret.txt", inside.join("to-secret")).unwrap();
    symlink(&secret, inside.join("to-secret-by-root")).unwrap();
    symlink("..", inside.join("up")).unwrap();

    let plugin = with(&inside, Access::Write);
    assert_eq!(ask(&plugin, "read", &["to-own"]), ["own"]);
    let secret = secret.to_str().unwrap();
    for path in [
        "../secret.txt",
        "./../inside/own.txt",
        "./../inside/../secret.txt",
        secret,
        "to-secret",
        "to-secret-by-root",
        "up/secret.txt",
        "/proc/self/root/etc/passwd",
    ] {
        let refused = ask(&plugin, "read", &[path]);
        assert_eq!(refused, ["not-permitted"], "{path}");
    }
    for path in ["../new.txt", "up/new.txt"] {
        let refused = ask(&plugin, "create", &[path]);
        assert_eq!(refused, ["not-permitted"], "{path}");
    }
    let refused = ask(&plugin, "create", &["to-secret"]);
    assert_eq!(refused, ["loop"], "a link is not followed");
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret");
}

#[test]
fn only_data_is_opened_and_a_pipe_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let plugin = with(folder.path(), Access::Read);
    assert_eq!(ask(&plugin, "read", &["pipe"]), ["not-permitted"]);
}

#[test]
fn a_directory_to_write_takes_rows() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = with(folder.path(), Access::Write);
    for _ in 0..2 {
        let mut instance = super::instance(&plugin, &limits()).unwrap();
        let rejected = instance.accept("keep", &lines(&["a", "b"]), &[0]).unwrap();
        assert!(rejected.is_empty());
        instance.finish_foreach("keep").unwrap();
    }
    let rows = fs::read_to_string(folder.path().join("rows-3.txt")).unwrap();
    assert_eq!(rows, "a\nb\na\nb\n");
    assert_eq!(ask(&plugin, "create", &["new"]), ["done"]);
    assert_eq!(ask(&plugin, "list", &[""]), ["rows-3.txt"]);
}
