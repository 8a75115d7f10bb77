//! Secrets of real runs: nothing that is written has a value.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use super::{
    VALUE,
    stores::{everything_below, has},
};
use crate::{
    cli::{Ended, Folder, lines_topology},
    guests,
};

fn with_key(head: &str) -> String {
    let leaks = "[operator.it]\ninput = \"lines\"\nmap = \"leaks\"\nsettings = { key = { secret = \"api-key\" } }";
    lines_topology(head, leaks, "it")
}

/// `rsrt secret set NAME --secrets my.secrets`, with this on standard input.
fn set(folder: &Folder, name: &str, value: &str) -> Ended {
    let mut command = folder.command(&["secret", "set", name, "--secrets", "my.secrets"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(value.as_bytes())
        .unwrap();
    Ended::of(child.wait_with_output().unwrap())
}

#[test]
fn a_store_is_filled_from_standard_input_and_tells_names_only() {
    let folder = Folder::new(&[]);
    for (name, value) in [("database", "postgres://x\n"), ("api-key", VALUE)] {
        let ended = set(&folder, name, value);
        ended.says(0, &[]);
        assert_eq!(ended.stdout, "");
    }
    let list = ["secret", "list", "--secrets", "my.secrets"];
    assert_eq!(
        folder.rsrt(&list).says(0, &[]).stdout,
        "api-key\ndatabase\n"
    );
    let remove = ["secret", "remove", "database", "--secrets", "my.secrets"];
    folder.rsrt(&remove).says(0, &[]);
    folder
        .rsrt(&remove)
        .says(2, &["my.secrets has no secret `database`"]);
    assert_eq!(folder.rsrt(&list).stdout, "api-key\n");
    assert_eq!(folder.names(), ["my.secrets", "my.secrets.key"]);
    set(&folder, "Big", "x").says(2, &["secret name \"Big\" must be"]);
    set(&folder, "empty", "\n").says(2, &["the value of `empty` is empty"]);
    let typed = ["secret", "set", "a", VALUE, "--secrets", "my.secrets"];
    folder.rsrt(&typed).says(2, &["unexpected argument"]);
}

#[test]
fn a_run_writes_no_value_anywhere_and_its_functions_cannot_log_one() {
    let topology = with_key(
        "checkpoint = \"kept\"\ncheckpoint-interval = \"1s\"\non-failed-batch = \"continue\"",
    );
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "log\nreject\npanic\n")]);
    set(&folder, "api-key", &format!("{VALUE}\n")).says(0, &[]);
    let ended = folder.run_with("faulty", &["--secrets", "my.secrets", "--log", "trace"]);
    ended.says(
        1,
        &["the key is [secret]", "it last said", "1 row was rejected"],
    );
    assert!(!ended.stderr.contains(VALUE), "{}", ended.stderr);
    assert!(!ended.stdout.contains(VALUE));
    assert!(ended.stdout.contains("logged"));
    let written = everything_below(folder.path());
    assert!(
        has(&written, "secret = \"api-key\""),
        "the topology is kept as it is"
    );
    for hidden in [VALUE, &hex::encode(VALUE)] {
        assert!(!has(&written, hidden));
    }
    let show = folder.rsrt(&["checkpoint", "show", "kept", "--format", "json"]);
    assert!(!show.stdout.contains(VALUE) && !show.stderr.contains(VALUE));
}

#[test]
fn a_variable_gives_the_value_and_the_function_gets_it() {
    let folder = Folder::new(&[("topo.toml", &with_key("")), ("in.txt", "tell\n")]);
    let plugin = guests::plugin("faulty");
    let mut run = folder.command(&["run", plugin.to_str().unwrap(), "-t", "topo.toml"]);
    let output: Output = run.env("RSRT_SECRET_API_KEY", VALUE).output().unwrap();
    let ended = Ended::of(output);
    ended.says(0, &[]);
    // A function that puts it into its rows has published it: that is its business.
    assert_eq!(ended.printed()[0], [format!("the key is {VALUE}")]);
    assert!(!ended.stderr.contains(VALUE));
}

#[test]
fn a_missing_secret_is_told_before_anything_runs() {
    let topology = with_key("checkpoint = \"kept\"");
    let more = "[sink.db]\ninput = \"lines\"\ntype = \"postgres\"\ntable = \"t\"\nurl = { secret = \"database\" }\n";
    let folder = Folder::new(&[
        ("topo.toml", &format!("{topology}{more}")),
        ("in.txt", "a\n"),
    ]);
    let ended = folder.run_with("faulty", &[]);
    ended.says(
        2,
        &[
            "2 secrets have no usable value:",
            "`api-key` (setting \"key\" of it) has no value: set RSRT_SECRET_API_KEY, or run with --secrets FILE",
            "`database` (`url` of sink db) has no value: set RSRT_SECRET_DATABASE",
        ],
    );
    assert_eq!(folder.names(), ["in.txt", "topo.toml"]);
    let ended = folder.run_with("faulty", &["--secrets", "none"]);
    ended.says(
        2,
        &[
            "there are no secrets at none",
            "rsrt secret set NAME --secrets none",
        ],
    );
    // It is checked without them.
    let plugin = guests::plugin("faulty");
    let check = ["check", "topo.toml", "--plugin", plugin.to_str().unwrap()];
    let checked = folder.rsrt(&check);
    checked.says(0, &[]);
    let told = "secret api-key: setting \"key\" of it\nsecret database: `url` of sink db\n";
    assert!(checked.stdout.ends_with(told), "{}", checked.stdout);
    assert!(checked.stdout.contains("table t of secret:database"));
}

#[test]
fn a_damaged_store_is_told_before_anything_runs() {
    let folder = Folder::new(&[("topo.toml", &with_key("")), ("in.txt", "a\n")]);
    set(&folder, "api-key", VALUE).says(0, &[]);
    folder.write("my.secrets.key", &[1; 32]);
    let ended = folder.run_with("faulty", &["--secrets", "my.secrets"]);
    ended.says(
        2,
        &[
            "`api-key` (setting \"key\" of it) cannot be read",
            "cannot be decrypted",
        ],
    );
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_database_that_is_out_of_reach_is_told_without_a_word_of_its_url() {
    let sink = "[sink.db]\ninput = \"lines\"\ntype = \"postgres\"\ntable = \"t\"\nurl = { secret = \"database\" }\n";
    let topology = format!("{}{sink}", lines_topology("", "", "lines"));
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "a\n")]);
    let url = "postgres://annabel:zq7hunter22@nowhere.invalid:1/shopdb?connect_timeout=1";
    set(&folder, "database", url).says(0, &[]);
    let ended = folder.rsrt(&[
        "run",
        "-t",
        "topo.toml",
        "--secrets",
        "my.secrets",
        "--log",
        "trace",
    ]);
    ended.says(1, &["secret:database"]);
    for hidden in ["annabel", "zq7hunter22", "nowhere.invalid", "shopdb"] {
        assert!(!ended.stderr.contains(hidden), "{hidden}: {}", ended.stderr);
        assert!(!has(&everything_below(folder.path()), hidden));
    }
}

#[test]
fn an_address_can_be_a_secret() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let topology = "name = \"a\"\nbatch-interval = \"100ms\"\n[source.feed]\ntype = \"socket\"\n\
         connect-attempts = 1\naddress = { secret = \"feed\" }\n\
         [sink.out]\ninput = \"feed\"\ntype = \"print\"\n";
    let folder = Folder::new(&[("topo.toml", topology)]);
    let lines = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        stream.write_all(b"hello\n").unwrap();
    });
    let mut run = folder.command(&["run", "-t", "topo.toml", "--log", "trace"]);
    let ended = Ended::of(run.env("RSRT_SECRET_FEED", &address).output().unwrap());
    lines.join().unwrap();
    assert!(ended.stdout.contains("hello"), "{}", ended.stderr);
    assert!(ended.stderr.contains("secret:feed"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(&address), "{}", ended.stderr);
}

#[test]
fn cases_give_values_to_the_secrets_of_operators() {
    let folder = Folder::new(&[("topo.toml", &with_key("")), ("in.txt", "")]);
    let cases = |secrets: &str| {
        let text = format!(
            "{{{secrets}\"cases\": [{{\"name\": \"a\", \"sources\": {{\"lines\": [[\"tell\"]]}}, \
             \"expect\": {{\"out\": [[\"the key is k\"]]}}}}]}}"
        );
        folder.write("cases.json", text.as_bytes());
        let plugin = guests::plugin("faulty");
        let plugin = plugin.to_str().unwrap();
        folder.rsrt(&[
            "test",
            "topo.toml",
            "--plugin",
            plugin,
            "--cases",
            "cases.json",
        ])
    };
    cases("\"secrets\": {\"api-key\": \"k\"}, ").says(0, &[]);
    cases("").says(
        2,
        &[
            "`api-key` (setting \"key\" of it) has no value",
            "give it in the file of cases",
        ],
    );
}
