//! What a request may be, and where the server may listen.

use std::{
    fs,
    io::{Read as _, Write as _},
};

use serde_json::Value;

use super::{Served, answer, endless};
use crate::cli::Folder;

#[test]
fn the_description_lists_every_route() {
    let served = Served::start();
    let (code, text) = served.http("GET", "/openapi.json", "", "");
    assert_eq!(code, 200);
    let description: Value = serde_json::from_str(&text).unwrap();
    let mut listed = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            listed.push(format!("{method} {path}"));
        }
    }
    listed.sort();
    insta::assert_snapshot!(listed.join("\n"), @r"
    delete /v1/namespaces/{namespace}/secrets/{name}
    delete /v1/namespaces/{namespace}/topologies/{name}
    delete /v1/namespaces/{namespace}/topologies/{name}/dead-letters
    get /openapi.json
    get /v1/me
    get /v1/namespaces/{namespace}/secrets
    get /v1/namespaces/{namespace}/secrets/{name}
    get /v1/namespaces/{namespace}/topologies
    get /v1/namespaces/{namespace}/topologies/{name}
    get /v1/namespaces/{namespace}/topologies/{name}/dead-letters
    get /v1/namespaces/{namespace}/topologies/{name}/logs
    get /v1/namespaces/{namespace}/topologies/{name}/operators/{part}/state
    get /v1/namespaces/{namespace}/topologies/{name}/output
    get /v1/namespaces/{namespace}/topologies/{name}/streams/{part}/tap
    get /v1/namespaces/{namespace}/topologies/{name}/versions
    get /v1/namespaces/{namespace}/usage
    get /v1/usage
    post /v1/namespaces/{namespace}/topologies
    post /v1/namespaces/{namespace}/topologies/{name}/dead-letters/retry
    post /v1/namespaces/{namespace}/topologies/{name}/diff
    post /v1/namespaces/{namespace}/topologies/{name}/replay
    post /v1/namespaces/{namespace}/topologies/{name}/rollback
    post /v1/namespaces/{namespace}/topologies/{name}/start
    post /v1/namespaces/{namespace}/topologies/{name}/stop
    post /v1/namespaces/{namespace}/topologies/{name}/swap
    put /v1/namespaces/{namespace}/secrets/{name}
    ");
    // What routes the program has, it has from this file; none may be missing above.
    let api = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/api.rs");
    let api = fs::read_to_string(api).unwrap();
    let routes = api.split("Router::new()").nth(1).unwrap();
    let routes = routes.split(".fallback").next().unwrap();
    let handlers = ["get(", "post(", "delete(", "put(", "patch("];
    let count: usize = handlers.iter().map(|h| routes.matches(h).count()).sum();
    assert_eq!(count, listed.len(), "{routes}");
}

#[test]
fn bodies_have_bounds_and_must_be_what_they_should() {
    let served = Served::with("[limits]\nbody-bytes = 10000\n");
    let token = served.token(&["--namespace", "a"]);
    let path = "/v1/namespaces/a/topologies";
    let long = "x".repeat(10_001);
    assert_eq!(served.http("POST", path, &token, &long).0, 413);
    // Who may not ask is told so before the body is read.
    assert_eq!(served.http("POST", path, "", &long).0, 401);
    let nested = "[".repeat(9_000);
    for body in ["", "{", "[]", "{\"topology\": 1}", &nested] {
        assert_eq!(served.http("POST", path, &token, body).0, 400, "{body}");
    }
    let bytes = serde_json::json!({
        "topology": endless("a"), "plugins": [{ "bytes": "?" }]
    });
    let (code, text) = served.http("POST", path, &token, &bytes.to_string());
    assert!(code == 400 && text.contains("base64"), "{text}");
    assert_eq!(served.http("PUT", path, &token, "").0, 405);
    assert_eq!(served.http("GET", "/elsewhere", &token, "").0, 404);
}

#[test]
fn who_takes_their_time_is_left() {
    let served = Served::with("[limits]\nheader-timeout = \"50ms\"\nrequest-timeout = \"50ms\"\n");
    let token = served.token(&["--namespace", "a"]);
    let mut silent = served.connect();
    let mut text = String::new();
    silent.write_all(b"GET /v1/me HTTP/1.1\r\nHo").unwrap();
    silent.read_to_string(&mut text).unwrap();
    assert!(text.is_empty() || text.contains("408"), "{text}");
    let mut slow = served.connect();
    let head = format!(
        "POST /v1/namespaces/a/topologies HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 1000\r\nConnection: close\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).unwrap();
    assert_eq!(answer(&mut slow).0, 504);
}

#[test]
fn other_addresses_need_tls() {
    let folder = Folder::new(&[("server.toml", "listen = \"0.0.0.0:0\"\ndata = \"data\"\n")]);
    let refused = folder.rsrt(&["serve", "--config", "server.toml"]);
    refused.says(2, &["can be reached from other machines", "--insecure"]);
    let folder = Folder::new(&[("server.toml", "data = \"data\"\nport = 1\n")]);
    let refused = folder.rsrt(&["serve", "--config", "server.toml"]);
    refused.says(2, &["unknown field `port`", "server.toml:2:1"]);
}

#[test]
fn a_certificate_makes_it_speak_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = Folder::new(&[
        ("cert.pem", &made.cert.pem()),
        ("key.pem", &made.signing_key.serialize_pem()),
    ]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let served = Served::with(&format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        path("cert.pem"),
        path("key.pem")
    ));
    assert!(served.url.starts_with("https://"), "{}", served.url);
    let token = served.token(&["--namespace", "a"]);
    let list = |trusted: Option<String>| {
        let mut command = served.folder.command(&["list", "--format", "json"]);
        command
            .env("RSRT_SERVER", &served.url)
            .env("RSRT_TOKEN", &token);
        if let Some(trusted) = trusted {
            command.env("RSRT_CERTIFICATE", trusted);
        }
        crate::cli::Ended::of(command.output().unwrap())
    };
    assert_eq!(list(Some(path("cert.pem"))).says(0, &[]).stdout, "[]\n");
    list(None).says(1, &["does not answer"]);
}
