//! Dead letters of what is deployed.

use std::fs;

use serde_json::Value;

use super::Served;

/// Every row becomes a dead letter.
pub(super) const FAILING: &str = "name = \"failing\"\nbatch-interval = \"20ms\"\ncheckpoint = \"kept\"\n\
    [source.lines]\ntype = \"generator\"\nrate = 100\nwords = 1\npartitions = 1\n\
    [operator.it]\ninput = \"lines\"\nmap = \"panics\"\non-error = \"dead-letter\"\n\
    [sink.out]\ninput = \"it\"\ntype = \"null\"\n";

fn letters(served: &Served, token: &str, arguments: &[&str]) -> Vec<Value> {
    let show = [
        "dead-letters",
        "show",
        "--deployed",
        "failing",
        "--format",
        "json",
    ];
    let shown = served.rsrt(token, &[&show[..], arguments].concat());
    shown.says(0, &[]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    shown["dead-letters"].as_array().unwrap().clone()
}

#[test]
fn they_are_shown_written_out_and_dropped_while_it_runs_and_after() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let plugin = crate::guests::plugin("faulty");
    served.folder.write("topo.toml", FAILING.as_bytes());
    let deploy = ["deploy", plugin.to_str().unwrap(), "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(0, &[]);
    served.until(&token, "failing", |s| s["batches"].as_u64() > Some(3));
    let all = letters(&served, &token, &[]);
    let first = &all[0];
    assert_eq!(
        (&first["operator"], &first["function"]),
        (&"it".into(), &"panics".into())
    );
    assert!(first["rows"][0].is_string(), "{first}");
    assert!(
        first["reason"].as_str().unwrap().contains("panic"),
        "{first}"
    );
    let logs = served.rsrt(&token, &["logs", "failing"]);
    assert!(
        logs.stdout.contains("put with the dead letters"),
        "{}",
        logs.stdout
    );
    // They fail again, in a later batch.
    let retry = ["dead-letters", "retry", "--deployed", "failing"];
    let retried = served.rsrt(&token, &retry);
    retried.says(0, &[]);
    let said = " tried again with the next batches\n";
    assert!(
        retried.stdout.ends_with(said) && !retried.stdout.starts_with("0 "),
        "{}",
        retried.stdout
    );
    while letters(&served, &token, &[])[0]["batch"] == first["batch"] {}
    let logs = served.rsrt(&token, &["logs", "failing"]);
    assert!(
        logs.stdout.contains(" dead letters are tried again"),
        "{}",
        logs.stdout
    );
    let gone = served.rsrt(&token, &["dead-letters", "drop", "--deployed", "failing"]);
    gone.says(0, &[]);
    assert!(
        gone.stdout.ends_with(" removed\n") && !gone.stdout.starts_with("0 "),
        "{}",
        gone.stdout
    );
    let first_left = letters(&served, &token, &[]);
    let first_left = first_left.first().map(|letter| letter["batch"].as_i64());
    assert!(first_left.is_none_or(|batch| batch > first["batch"].as_i64()));

    let before = served.status(&token, "failing")["batches"].as_u64();
    served.until(&token, "failing", |s| {
        s["batches"].as_u64() > before.map(|b| b + 3)
    });
    served.rsrt(&token, &["stop", "failing"]).says(0, &[]);
    let left = letters(&served, &token, &[]).len();
    assert!(left > 0);
    assert_eq!(letters(&served, &token, &["--operator", "other"]).len(), 0);
    let text = served.rsrt(&token, &["dead-letters", "show", "--deployed", "failing"]);
    assert!(
        text.stdout.contains("\n  operator it, partition 0\n"),
        "{}",
        text.stdout
    );
    assert!(
        text.stdout.contains("  from lines: rows "),
        "{}",
        text.stdout
    );
    let export = ["dead-letters", "export", "--deployed", "failing"];
    let export = [&export[..], &["--operator", "it", "--to", "again.jsonl"]].concat();
    served.rsrt(&token, &export).says(0, &[]);
    let written = fs::read_to_string(served.folder.path().join("again.jsonl")).unwrap();
    assert!(written.lines().count() >= left, "{written}");
    let path = "/v1/namespaces/a/topologies/failing/dead-letters";
    let (code, page) = served.http("GET", &format!("{path}?limit=1&from=1"), &token, "");
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((code, page["all"].as_u64()), (200, Some(left as u64)));
    assert_eq!(page["dead-letters"].as_array().unwrap().len(), 1);

    let other = [
        "dead-letters",
        "drop",
        "--deployed",
        "failing",
        "--operator",
        "other",
    ];
    assert_eq!(
        served.rsrt(&token, &other).stdout,
        "0 dead letters removed\n"
    );
    let gone = served.http("DELETE", path, &token, "");
    assert_eq!(gone, (200, format!("{{\"dropped\":{left}}}")));
    assert_eq!(letters(&served, &token, &[]).len(), 0);
    let audit = served.audit();
    assert_eq!(audit.matches("\"drop-dead-letters\"").count(), 3, "{audit}");
    served
        .rsrt(&token, &retry)
        .says(2, &["`failing` does not run"]);
}

#[test]
fn one_must_say_whose_they_are() {
    let folder = crate::cli::Folder::new(&[]);
    for verb in ["show", "retry", "drop"] {
        folder
            .rsrt(&["dead-letters", verb])
            .says(2, &["--deployed"]);
    }
    let here = folder.rsrt(&["dead-letters", "retry", "kept"]);
    here.says(2, &["only a server can retry", "export"]);
}
