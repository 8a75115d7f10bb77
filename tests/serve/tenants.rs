//! Nobody reaches what is another's.

use super::{Served, endless};

#[test]
fn tenants_cannot_reach_each_other_through_any_route() {
    let served = Served::start();
    let (mine, theirs) = (
        served.token(&["--namespace", "a"]),
        served.token(&["--namespace", "b"]),
    );
    served
        .folder
        .write("topo.toml", endless("secret").as_bytes());
    served
        .rsrt(&mine, &["deploy", "-t", "topo.toml"])
        .says(0, &[]);
    let body = serde_json::json!({ "topology": endless("intruder") }).to_string();
    let topologies = "/v1/namespaces/a/topologies";
    for (method, path) in [
        ("GET", topologies.to_owned()),
        ("POST", topologies.to_owned()),
        ("GET", format!("{topologies}/secret")),
        ("DELETE", format!("{topologies}/secret")),
        ("POST", format!("{topologies}/secret/start")),
        ("POST", format!("{topologies}/secret/stop")),
        ("GET", format!("{topologies}/secret/output")),
        ("GET", format!("{topologies}/secret/logs")),
        ("GET", format!("{topologies}/secret/streams/numbers/tap")),
        ("GET", format!("{topologies}/secret/dead-letters")),
        ("DELETE", format!("{topologies}/secret/dead-letters")),
        ("POST", format!("{topologies}/secret/dead-letters/retry")),
        ("GET", format!("{topologies}/secret/operators/it/state")),
        ("GET", format!("{topologies}/secret/logs?follow=true")),
        (
            "GET",
            "/v1/namespaces/b/topologies/..%2f..%2fa/output".to_owned(),
        ),
        ("GET", "/v1/namespaces/b%2f..%2fa/topologies".to_owned()),
    ] {
        let forbidden = served.http(method, &path, &theirs, &body);
        // As if there were no such namespace at all.
        let unknown = path.replace("/a/", "/nobody/");
        let unknown = served.http(method, &unknown, &theirs, &body);
        assert_eq!(forbidden.0, 404, "{method} {path}: {}", forbidden.1);
        assert_eq!(forbidden, unknown, "{method} {path}");
    }
    let status = served.rsrt(&theirs, &["list", "--format", "json"]);
    assert_eq!(status.stdout, "[]\n");
    served.until(&mine, "secret", |status| status["phase"] == "running");

    // The same name is free elsewhere.
    served
        .rsrt(&theirs, &["deploy", "-t", "topo.toml"])
        .says(0, &[]);
    served.rsrt(&theirs, &["undeploy", "secret"]).says(0, &[]);
    assert_eq!(served.status(&mine, "secret")["phase"], "running");
    let admin = served.token(&["--admin"]);
    served.rsrt(&admin, &["list"]).says(2, &["--namespace"]);
    let seen = served.rsrt(&admin, &["list", "--namespace", "a"]);
    assert!(seen.stdout.contains("secret"), "{}", seen.stdout);
}

#[test]
fn without_a_token_that_is_known_nothing_is_answered() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let last = if token.ends_with('0') { '1' } else { '0' };
    let wrong = format!("{}{last}", &token[..token.len() - 1]);
    for token in ["", "x", "rsrt__", &wrong[..], &token[..token.len() - 1]] {
        for path in [
            "/v1/me",
            "/v1/namespaces/a/topologies",
            "/v1/namespaces/a/topologies/x",
        ] {
            assert_eq!(served.http("GET", path, token, "").0, 401, "{token} {path}");
        }
    }
    assert_eq!(served.http("GET", "/v1/me", &token, "").0, 200);
    assert_eq!(served.http("GET", "/openapi.json", "", "").0, 200);
}

#[test]
fn a_topology_grants_its_plugins_nothing_of_the_server() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let plugin = crate::guests::plugin("word-count");
    let topology = "name = \"words\"\nbatch-interval = \"50ms\"\n\
        [plugin.mine]\npath = \"PATH\"\ngrants = [\"env:HOME\"]\n\
        [source.lines]\ntype = \"socket\"\naddress = \"127.0.0.1:1\"\n\
        [operator.words]\ninput = \"lines\"\nflat-map = \"mine:split\"\n\
        [sink.out]\ninput = \"words\"\ntype = \"null\"\n";
    let topology = topology.replace("PATH", plugin.to_str().unwrap());
    served.folder.write("topo.toml", topology.as_bytes());
    let refused = served.rsrt(&token, &["deploy", "-t", "topo.toml"]);
    refused.says(2, &["are not granted that (what is: nothing)"]);
}
