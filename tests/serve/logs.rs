//! What was logged about a topology, for those whose it is.

use std::io::{BufRead as _, BufReader};

use serde_json::Value;

use super::{Served, endless};
use crate::cli::Ended;

/// Lines of words, through a function that logs a thousand lines about each.
fn talkative() -> String {
    "name = \"talkative\"\nbatch-interval = \"20ms\"\n[limits]\nlog-lines = 3\n\
     [source.words]\ntype = \"generator\"\nrate = 50\nwords = 1\npartitions = 1\n\
     [operator.say]\ninput = \"words\"\nmap = \"floods-the-log\"\n\
     [sink.out]\ninput = \"say\"\ntype = \"null\"\n"
        .to_owned()
}

fn lines(logs: &Ended) -> Vec<Value> {
    logs.says(0, &[]);
    let lines = logs.stdout.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

#[test]
fn plugins_and_the_server_say_what_happens_where_and_to_nobody_else() {
    let served = Served::start();
    let (token, other) = (
        served.token(&["--namespace", "a"]),
        served.token(&["--namespace", "b"]),
    );
    let plugin = crate::guests::plugin("faulty");
    let plugin = plugin.to_str().unwrap();
    served.folder.write("topo.toml", talkative().as_bytes());
    let deploy = ["deploy", plugin, "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(0, &[]);
    served
        .folder
        .write("other.toml", endless("talkative").as_bytes());
    served
        .rsrt(&other, &["deploy", "-t", "other.toml"])
        .says(0, &[]);
    served.until(&token, "talkative", |s| s["batches"].as_u64() > Some(3));
    served.until(&other, "talkative", |s| s["batches"].as_u64() > Some(3));

    let all = lines(&served.rsrt(&token, &["logs", "talkative", "--format", "json"]));
    assert!(
        all[0]["message"]
            .as_str()
            .unwrap()
            .contains("running talkative"),
        "{all:?}"
    );
    assert_eq!(
        (&all[0]["from"], &all[0]["level"]),
        (&"host".into(), &"info".into())
    );
    let said = all.iter().find(|line| line["from"] == "plugin").unwrap();
    assert_eq!(said["operator"], "say");
    assert_eq!(said["partition"], 0);
    let batch = said["batch"].as_i64().unwrap();
    assert!(
        batch % 20 == 0 && said["at"].as_i64().unwrap() > 1_700_000_000_000,
        "{said}"
    );
    let dropped = all
        .iter()
        .find(|line| line["from"] == "host" && line["operator"] == "say");
    let dropped = dropped.unwrap()["message"].as_str().unwrap();
    assert!(dropped.contains("logged too much"), "{dropped}");
    for (at, line) in all.iter().enumerate() {
        assert_eq!(line["number"].as_u64(), Some(at as u64));
    }

    let theirs = lines(&served.rsrt(&other, &["logs", "talkative", "--format", "json"]));
    assert_eq!(theirs.len(), 1, "{theirs:?}");
    let text = served.rsrt(&token, &["logs", "talkative", "--lines", "1"]);
    assert_eq!(text.stdout.lines().count(), 1, "{}", text.stdout);
    assert!(
        text.stdout.contains("operator say, batch "),
        "{}",
        text.stdout
    );
    let path = "/v1/namespaces/a/topologies/talkative/logs?more=1";
    assert_eq!(served.http("GET", path, &token, "").0, 400);
}

#[test]
fn who_follows_hears_what_comes_and_the_end() {
    let mut served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    served
        .folder
        .write("topo.toml", endless("steady").as_bytes());
    let deploy = ["deploy", "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(0, &[]);
    let follow = |served: &Served| {
        let mut child = served.follow(&token, &["logs", "steady", "--follow", "--format", "json"]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines.map(Result::unwrap))
    };
    let (mut child, mut lines) = follow(&served);
    let first = lines.next().unwrap();
    assert!(first.contains("running steady"), "{first}");
    served.rsrt(&token, &["stop", "steady"]).says(0, &[]);
    served.rsrt(&token, &["start", "steady"]).says(0, &[]);
    let second = lines.next().unwrap();
    assert!(second.contains("running steady"), "{second}");
    served.rsrt(&token, &["undeploy", "steady"]).says(0, &[]);
    assert_eq!(lines.next(), None);
    assert!(child.wait().unwrap().success());

    // Places for followers are few, and free again when a follower has gone.
    served.rsrt(&token, &deploy).says(0, &[]);
    let mut followers: Vec<_> = (0..16).map(|_| follow(&served)).collect();
    for (_, lines) in &mut followers {
        lines.next().unwrap();
    }
    let refused = served.rsrt(&token, &["logs", "steady", "--follow"]);
    refused.says(2, &["followed already"]);
    let (mut gone, _) = followers.pop().unwrap();
    gone.kill().unwrap();
    gone.wait().unwrap();
    let mut again = loop {
        let (mut child, mut lines) = follow(&served);
        if lines.next().is_some() {
            break child;
        }
        child.wait().unwrap();
    };

    // The server's end is everyone's.
    served.kill();
    for (child, lines) in &mut followers {
        while lines.next().is_some() {}
        child.wait().unwrap();
    }
    again.wait().unwrap();
}

#[test]
fn a_watched_status_is_shown_when_it_changes() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    served
        .folder
        .write("topo.toml", endless("steady").as_bytes());
    served
        .rsrt(&token, &["deploy", "-t", "topo.toml"])
        .says(0, &[]);
    let mut child = served.follow(&token, &["status", "steady", "--watch", "--format", "json"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let (first, second) = (next(), next());
    assert_eq!(second["name"], "steady");
    assert_ne!(first, second);
    served.rsrt(&token, &["undeploy", "steady"]).says(0, &[]);
    while lines.next().is_some() {}
    assert_eq!(child.wait().unwrap().code(), Some(2));
}
