//! Any request: an answer that is documented, and a server that goes on.

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use serde_json::json;

use super::victim::Victim;
use crate::{
    fuzz::{cases, changed, changes},
    serve::{answer, endless},
};

/// What the server may answer: nothing else of what is wrong with it is documented.
const DOCUMENTED: [u16; 14] = [
    200, 201, 204, 400, 401, 404, 405, 408, 409, 413, 414, 422, 429, 431,
];

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => select(vec!["own", "victim", "attacker", "counting", "x", "..", "%00", "%2f"]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}".prop_map(|text| text.replace(' ', "+")),
    ];
    let routes = [
        "/openapi.json",
        "/v1/me",
        "/v1/namespaces/N/topologies",
        "/v1/namespaces/attacker/topologies",
        "/v1/namespaces/attacker/topologies/N",
        "/v1/namespaces/attacker/topologies/N/start",
        "/v1/namespaces/attacker/topologies/N/stop",
        "/v1/namespaces/attacker/topologies/N/output",
        "/v1/namespaces/attacker/secrets",
        "/v1/namespaces/attacker/secrets/N",
        "/v1/namespaces/N/secrets/N",
        "N",
    ];
    (select(routes.to_vec()), name).prop_map(|(route, name)| route.replace('N', &name))
}

fn header() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "Content-Type: application/json",
            "Content-Encoding: gzip",
            "Expect: 100-continue",
            "Transfer-Encoding: chunked",
            "Upgrade: websocket",
            "Connection: upgrade",
            "Range: bytes=0-",
            "Authorization: Basic eDp4",
            "Content-Length: 3",
            "Host: b",
        ])
        .prop_map(str::to_owned),
        ("[A-Za-z-]{1,8}", "[ -~]{0,20}").prop_map(|(name, value)| format!("{name}: {value}")),
        "[ -~]{0,20}",
    ]
}

/// Bodies that are right, and changed at random.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let file = json!([{ "path": "in.txt", "bytes": "eA==" }]);
    let reading = endless("own").replace("generator\"\nrate = 1000", "file\"\npath = \"in.txt\"");
    let plugin = json!([{ "name": null, "bytes": "AGFzbQ0AAQA=" }]);
    let calling = endless("own").replace(
        "[sink",
        "[operator.o]\ninput = \"numbers\"\nmap = \"f\"\n[sink",
    );
    let right = vec![
        json!({ "topology": endless("own") }).to_string(),
        json!({ "topology": reading, "files": file, "file": "x.toml" }).to_string(),
        json!({ "topology": calling, "plugins": plugin }).to_string(),
        json!({ "value": "secret" }).to_string(),
        String::new(),
    ];
    prop_oneof![
        4 => (select(right), changes(3)).prop_map(|(body, changes)| changed(body.into_bytes(), &changes)),
        1 => vec(any::<u8>(), 0..200),
    ]
}

#[test]
fn any_request_is_answered_as_it_is_written_down() {
    let mut victim = Victim::start("[limits]\nchanges-per-minute = 100000\n");
    victim.feed(1_000);
    let own = victim.served.token(&["--namespace", "attacker"]);
    let request = (
        select(vec![
            "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "X",
        ]),
        path(),
        any::<bool>(),
        vec(header(), 0..3),
        body(),
    );
    let served = &victim.served;
    let tried = TestRunner::new(cases(400)).run(&request, |(method, path, with_token, headers, body)| {
        let bearer = match with_token {
            true => format!("Authorization: Bearer {own}\r\n"),
            false => String::new(),
        };
        let headers: String = headers.iter().flat_map(|header| [header.as_str(), "\r\n"]).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{bearer}Content-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        let mut stream = served.connect();
        let _ = std::io::Write::write_all(&mut stream, &[head.as_bytes(), &body].concat());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let (code, text) = answer(&mut stream);
        // What is no HTTP gets no answer, or the connection is closed while it is read.
        prop_assert!(code == 0 || DOCUMENTED.contains(&code), "{head}: {code} {text}");
        prop_assert!(!text.contains("rsrt_"), "{text}");
        prop_assert_eq!(served.http("GET", "/v1/me", &own, "").0, 200);
        Ok(())
    });
    tried.unwrap();
    victim.is_unharmed();
}
