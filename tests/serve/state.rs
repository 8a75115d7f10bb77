//! What operators remember.

use serde_json::Value;

use super::{Served, endless};

const TOPOLOGY: &str = "name = \"counts\"\nbatch-interval = \"20ms\"\nparallelism = 2\n\
    checkpoint = \"kept\"\ncheckpoint-interval = \"40ms\"\n\
    [source.lines]\ntype = \"generator\"\nrate = 100\nwords = 3\npartitions = 1\n\
    [operator.words]\ninput = \"lines\"\nflat-map = \"split\"\n\
    [operator.totals]\ninput = \"words\"\nupdate-state-by-key = \"running\"\n\
    [sink.out]\ninput = \"totals\"\ntype = \"null\"\n";

fn state(served: &Served, token: &str, arguments: &[&str]) -> Value {
    let state = ["state", "counts", "totals", "--format", "json"];
    let shown = served.rsrt(token, &[&state[..], arguments].concat());
    shown.says(0, &[]);
    serde_json::from_str(&shown.stdout).unwrap()
}

#[test]
fn keys_and_values_are_shown_as_they_were_last_written() {
    let mut served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let plugin = crate::guests::plugin("word-count");
    served.folder.write("topo.toml", TOPOLOGY.as_bytes());
    let deploy = ["deploy", plugin.to_str().unwrap(), "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(0, &[]);
    served.until(&token, "counts", |s| s["batches"].as_u64() > Some(10));
    // While it runs.
    let before = state(&served, &token, &["--limit", "2"]);
    assert!(before["after"]["number"].as_u64() > Some(0), "{before}");
    assert_eq!(before["rows"].as_array().unwrap().len(), 2);
    assert_eq!(before["next"], 2);
    served.rsrt(&token, &["stop", "counts"]).says(0, &[]);

    let (mut rows, mut from) = (Vec::new(), Value::from(0));
    while !from.is_null() {
        let arguments = ["--limit", "7", "--from", &from.to_string()];
        let page = state(&served, &token, &arguments);
        rows.extend(page["rows"].as_array().unwrap().clone());
        from = page["next"].clone();
    }
    let sum: i64 = rows
        .iter()
        .map(|r| r["columns"]["value"].as_i64().unwrap())
        .sum();
    let status = served.status(&token, "counts");
    assert_eq!(
        Some(sum),
        status["records"].as_i64().map(|records| records * 3)
    );
    let key = rows[3]["key"].as_str().unwrap();
    let one = state(&served, &token, &[key]);
    assert_eq!(one["rows"], Value::from(vec![rows[3].clone()]));
    let none = state(&served, &token, &["no such & key?"]);
    assert_eq!(
        (&none["rows"], &none["next"]),
        (&Value::from(Vec::<Value>::new()), &Value::Null)
    );

    let text = served.rsrt(&token, &["state", "counts", "totals", "--limit", "1"]);
    let mut lines = text.stdout.lines();
    assert!(
        lines.next().unwrap().starts_with("after batch "),
        "{}",
        text.stdout
    );
    let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["PARTITION", "key", "value"]);
    assert!(
        text.stdout.contains("there is more: --from 1"),
        "{}",
        text.stdout
    );
    let stateless = served.rsrt(&token, &["state", "counts", "words"]);
    stateless.says(2, &["`words` has no state; there is that of totals"]);

    served
        .folder
        .write("topo.toml", endless("plain").as_bytes());
    served
        .rsrt(&token, &["deploy", "-t", "topo.toml"])
        .says(0, &[]);
    served.until(&token, "plain", |s| s["batches"].as_u64() > Some(0));
    let plain = served.rsrt(&token, &["state", "plain", "numbers"]);
    plain.says(2, &["`plain` writes nothing down"]);
    served.kill();
    served.restart();
    let unknown = served.rsrt(&token, &["state", "counts", "totals"]);
    unknown.says(2, &["`counts` has not run since the server began"]);
}
