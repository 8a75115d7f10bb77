//! What a namespace may have, and how it is told that there is no more.

use std::{io::Write as _, net::TcpListener, thread};

use serde_json::Value;

use super::{Served, endless};

const TIGHT: &str = "[namespace.a.quota]\ntopologies = 2\nplugin-bytes = 400000\nplugins-total = 600000\n\
    memory-per-instance = 33554432\n";

fn usage(served: &Served, token: &str) -> Value {
    let (code, text) = served.http("GET", "/v1/namespaces/a/usage", token, "");
    assert_eq!(code, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn used(usage: &Value, quota: &str) -> u64 {
    let quotas = usage["quotas"].as_array().unwrap();
    let found = quotas.iter().find(|one| one["quota"] == quota).unwrap();
    found["used"].as_u64().unwrap()
}

#[test]
fn a_deploy_that_is_too_much_is_refused_and_leaves_nothing() {
    let served = Served::with(TIGHT);
    let (token, other) = (
        served.token(&["--namespace", "a"]),
        served.token(&["--namespace", "b"]),
    );
    let deploy = |token: &str, topology: &str, plugin: Option<&str>| {
        served.folder.write("topo.toml", topology.as_bytes());
        let mut arguments = vec!["deploy"];
        arguments.extend(plugin);
        arguments.extend(["-t", "topo.toml"]);
        served.rsrt(token, &arguments)
    };
    let greedy = format!("{}[limits]\nmemory = \"32MiB\"\n", endless("modest"));
    deploy(&token, &greedy, None).says(0, &[]);
    let greedy = format!("{}[limits]\nmemory = \"33MiB\"\n", endless("greedy"));
    let refused = deploy(&token, &greedy, None);
    refused.says(
        2,
        &[
            "`memory-per-instance`",
            "namespace `a`",
            "33554432",
            "[limits]",
        ],
    );
    // A topology that says nothing of memory has 64 MiB, which is too much here, too.
    deploy(&token, &endless("silent"), None).says(2, &["67108864 bytes"]);

    let too_large = served.folder.path().join("large.wasm");
    let plugin = std::fs::read(crate::guests::plugin("faulty")).unwrap();
    let mut large = plugin;
    large.resize(400_001, 0);
    std::fs::write(&too_large, large).unwrap();
    let calls = format!(
        "{}[operator.x]\ninput = \"numbers\"\nfilter = \"f\"\n",
        endless("large")
    );
    let refused = deploy(&token, &calls, too_large.to_str());
    refused.says(2, &["`plugin-bytes`", "400001 bytes"]);

    let modest = format!("{}[limits]\nmemory = \"1MiB\"\n", endless("second"));
    deploy(&token, &modest, None).says(0, &[]);
    let third = modest.replace("second", "third");
    let refused = deploy(&token, &third, None);
    refused.says(
        2,
        &["2 topologies are deployed", "`topologies`", "undeploy"],
    );
    assert_eq!(used(&usage(&served, &token), "topologies"), 2);
    let body = serde_json::json!({ "topology": third }).to_string();
    let path = "/v1/namespaces/a/topologies";
    assert_eq!(served.http("POST", path, &token, &body).0, 403);
    assert!(
        served.audit().contains("the quota `topologies`"),
        "{}",
        served.audit()
    );
    // Others have their own, and what is gone makes room.
    deploy(&other, &third, None).says(0, &[]);
    served.rsrt(&token, &["undeploy", "second"]).says(0, &[]);
    deploy(&token, &third, None).says(0, &[]);
    let left = served.folder.path().join("data/namespaces/a/topologies");
    let mut left: Vec<_> = std::fs::read_dir(left)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["modest", "third"]);
}

#[test]
fn all_plugins_of_a_namespace_have_a_limit_together() {
    let plugins = ["word-count", "sessions"].map(crate::guests::plugin);
    let sizes = plugins
        .each_ref()
        .map(|path| std::fs::metadata(path).unwrap().len());
    let quota = sizes[0] + sizes[1] - 1;
    let served = Served::with_local(&["a"], &format!("[quota]\nplugins-total = {quota}\n"));
    let token = served.token(&["--namespace", "a"]);
    let words = |name: &str| {
        format!(
            "{}[operator.words]\ninput = \"lines\"\nflat-map = \"split\"\n\
             [source.lines]\ntype = \"generator\"\nrate = 1\nwords = 2\n",
            endless(name)
        )
    };
    for name in ["one", "same-plugin"] {
        served.folder.write("topo.toml", words(name).as_bytes());
        let deploy = ["deploy", plugins[0].to_str().unwrap(), "-t", "topo.toml"];
        served.rsrt(&token, &deploy).says(0, &[]);
    }
    assert_eq!(used(&usage(&served, &token), "plugins-total"), sizes[0]);
    let sessions = "name = \"sessions\"\nbatch-interval = \"1s\"\ncheckpoint = \"kept\"\n\
        [source.clicks]\ntype = \"socket\"\naddress = \"127.0.0.1:1\"\nformat = \"json\"\n\
        schema = { user = \"utf8\", page = \"utf8\" }\n\
        [operator.sessions]\ninput = \"clicks\"\nkey = [\"user\"]\nmap-with-state = \"session\"\ntimeout = \"30s\"\n\
        [sink.out]\ninput = \"sessions\"\ntype = \"null\"\n";
    served.folder.write("topo.toml", sessions.as_bytes());
    let deploy = ["deploy", plugins[1].to_str().unwrap(), "-t", "topo.toml"];
    served
        .rsrt(&token, &deploy)
        .says(2, &["`plugins-total`", "would add"]);
}

#[test]
fn receivers_take_in_no_more_than_their_namespace_may() {
    // 500 lines come at once, then 500 a second: 1500 take more than a second and a half.
    let served = Served::with_local(&["a"], "[namespace.a.quota]\ningest-rate = 500\n");
    let token = served.token(&["--namespace", "a"]);
    let mut senders = Vec::new();
    for name in ["one", "two"] {
        let feed = TcpListener::bind("127.0.0.1:0").unwrap();
        let topology = format!(
            "name = \"{name}\"\nbatch-interval = \"50ms\"\n\
             [source.lines]\ntype = \"socket\"\naddress = \"{}\"\nformat = \"text\"\n\
             [sink.out]\ninput = \"lines\"\ntype = \"null\"\n",
            feed.local_addr().unwrap()
        );
        served.folder.write("topo.toml", topology.as_bytes());
        served
            .rsrt(&token, &["deploy", "-t", "topo.toml"])
            .says(0, &[]);
        senders.push(thread::spawn(move || {
            let (mut stream, _) = feed.accept().unwrap();
            stream.write_all("a line\n".repeat(750).as_bytes()).unwrap();
            stream
        }));
    }
    let open: Vec<_> = senders.into_iter().map(|s| s.join().unwrap()).collect();
    let clock = rsrt::clock::SystemClock::new();
    let now = || rsrt::clock::Clock::monotonic(&clock).as_millis();
    let mut seen = Vec::new();
    loop {
        let records = usage(&served, &token)["records"].as_u64().unwrap();
        seen.push((now(), records));
        if records == 1_500 {
            break;
        }
    }
    drop(open);
    // From any look to a later one came no more than the rate and what a second can save up.
    for (at, records) in &seen {
        let (last, all) = seen[seen.len() - 1];
        let most = 500 + (last - at) / 2 + 200;
        assert!(
            u128::from(all - records) <= most,
            "{at} {records} {last} {all}"
        );
    }
    assert!(seen[0].1 < 1_500, "they came at once");
}

#[test]
fn blocks_of_a_namespace_wait_for_room() {
    // A batch that never ends holds the first block, and what is left is little.
    let served = Served::with_local(&["a"], "[namespace.a.quota]\nblock-store-bytes = 2000000\n");
    let token = served.token(&["--namespace", "a"]);
    let plugin = crate::guests::plugin("faulty");
    let feed = TcpListener::bind("127.0.0.1:0").unwrap();
    let topology = format!(
        "name = \"stuck\"\nbatch-interval = \"20ms\"\n[limits]\ncpu-time = \"1h\"\n\
         [source.lines]\ntype = \"socket\"\naddress = \"{}\"\nformat = \"text\"\n\
         [operator.spin]\ninput = \"lines\"\nmap = \"spins\"\n\
         [sink.out]\ninput = \"spin\"\ntype = \"null\"\n",
        feed.local_addr().unwrap()
    );
    served.folder.write("topo.toml", topology.as_bytes());
    let deploy = ["deploy", plugin.to_str().unwrap(), "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(0, &[]);
    let (mut stream, _) = feed.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let line = "x".repeat(9_999) + "\n";
    // Until neither the system nor the server takes any more, for as long as a while of asking.
    let (mut sent, mut refused) = (0, 0);
    while refused < 300 {
        if let Ok(bytes) = stream.write(line.as_bytes()) {
            (sent, refused) = (sent + bytes, 0);
        } else {
            refused += 1;
            let taken = used(&usage(&served, &token), "block-store-bytes");
            assert!(taken <= 2_000_000, "{taken}");
        }
        assert!(sent < 200_000_000, "it takes everything");
    }
    let taken = used(&usage(&served, &token), "block-store-bytes");
    assert!(taken > 100_000, "{taken} of {sent} bytes");
}

#[test]
fn a_topology_whose_state_grows_over_the_quota_fails_and_says_so() {
    let served = Served::with("[namespace.a.quota]\nstate-bytes = 50000\n");
    let token = served.token(&["--namespace", "a"]);
    let topology = |name: &str, count: &str| {
        format!(
            "name = \"{name}\"\nbatch-interval = \"20ms\"\ncheckpoint = \"kept\"\ncheckpoint-interval = \"40ms\"\n\
             [source.numbers]\ntype = \"generator\"\nrate = 20000\n{count}\
             [operator.window]\ninput = \"numbers\"\nwindow = \"10s\"\n\
             [sink.out]\ninput = \"window\"\ntype = \"null\"\n"
        )
    };
    served
        .folder
        .write("topo.toml", topology("grows", "").as_bytes());
    let deploy = ["deploy", "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(0, &[]);
    let mut status = Value::Null;
    while status["phase"] != "failed" {
        status = served.status(&token, "grows");
    }
    let why = status["why"].as_str().unwrap();
    for word in ["`state-bytes`", "50000", "retain-batches"] {
        assert!(why.contains(word), "{why}");
    }
    // It cannot start again as long as that is so; others can.
    served.rsrt(&token, &["start", "grows"]).says(0, &[]);
    status = Value::Null;
    while status["phase"] != "failed" {
        status = served.status(&token, "grows");
    }
    assert!(
        status["why"].as_str().unwrap().contains("`state-bytes`"),
        "{status}"
    );
    let small = topology("small", "count = 100\n");
    served.folder.write("topo.toml", small.as_bytes());
    served.rsrt(&token, &deploy).says(0, &[]);
    served.until(&token, "small", |status| status["phase"] == "finished");
}
