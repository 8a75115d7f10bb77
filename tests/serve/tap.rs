//! Rows of a stream as they pass.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use serde_json::Value;

use super::Served;

const TOPOLOGY: &str = "name = \"counts\"\nbatch-interval = \"20ms\"\n\
    [source.numbers]\ntype = \"generator\"\nrate = RATE\npartitions = 1\n\
    [operator.some]\ninput = \"numbers\"\nlimit = 2\n\
    [operator.unread]\ninput = \"numbers\"\ncount = true\n\
    [sink.out]\ninput = \"some\"\ntype = \"null\"\n";

fn served(rate: &str) -> (Served, String) {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let topology = TOPOLOGY.replace("RATE", rate);
    served.folder.write("topo.toml", topology.as_bytes());
    served
        .rsrt(&token, &["deploy", "-t", "topo.toml"])
        .says(0, &[]);
    served.until(&token, "counts", |s| s["batches"].as_u64() > Some(0));
    (served, token)
}

#[test]
fn rows_are_shown_as_they_pass() {
    let (served, token) = served("1000");
    let json = ["tap", "counts", "some", "--rows", "4", "--format", "json"];
    let tapped = served.rsrt(&token, &json);
    tapped.says(0, &[]);
    let rows: Vec<Value> = tapped
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 4);
    for pair in rows.chunks(2) {
        assert_eq!(pair[0]["batch"], pair[1]["batch"]);
        let number = |row: &Value| row["row"].as_i64().unwrap();
        assert_eq!(number(&pair[0]) + 1, number(&pair[1]));
        assert_eq!(pair[0]["partition"], 0);
    }
    let text = served.rsrt(&token, &["tap", "counts", "numbers", "--rows", "1"]);
    assert!(
        text.stdout.contains(" ms, partition 0: "),
        "{}",
        text.stdout
    );

    let unknown = served.rsrt(&token, &["tap", "counts", "so/me ?"]);
    unknown.says(
        2,
        &["no stream `so/me ?`", "numbers, numbers.rejected, some"],
    );
    let unread = served.rsrt(&token, &["tap", "counts", "unread"]);
    unread.says(2, &["no sink depends on it"]);
    let nobody = served.rsrt(&token, &["tap", "nobody", "some"]);
    nobody.says(2, &["there is nothing here"]);

    let mut child = served.follow(&token, &["tap", "counts", "some"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().is_some());
    served.rsrt(&token, &["stop", "counts"]).says(0, &[]);
    while lines.next().is_some() {}
    assert!(child.wait().unwrap().success());
    let stopped = served.rsrt(&token, &["tap", "counts", "some"]);
    stopped.says(2, &["`counts` does not run"]);
}

#[test]
fn a_slow_reader_holds_nobody_up_and_is_told_what_it_lost() {
    let (served, token) = served("2000000");
    let mut slow = served.connect();
    let head = format!(
        "GET /v1/namespaces/a/topologies/counts/streams/numbers/tap HTTP/1.1\r\nHost: a\r\n\
         Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 1];
    slow.read_exact(&mut first).unwrap();
    let before = served.status(&token, "counts")["batches"].as_u64().unwrap();
    served.until(&token, "counts", |s| {
        s["batches"].as_u64() > Some(before + 20) && s["failed-batches"] == 0
    });
    let mut lines = BufReader::new(slow).lines();
    let lost = lines.find(|line| line.as_ref().unwrap().contains("{\"lost\":"));
    let lost: Value = serde_json::from_str(&lost.unwrap().unwrap()).unwrap();
    assert!(lost["lost"].as_u64() > Some(0), "{lost}");
}
