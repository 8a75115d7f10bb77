//! Names and paths that mean something else to somebody else.

use std::{fs, io::Write as _, path::Path};

use super::victim::Victim;
use crate::serve::{answer, ask, endless};

fn below(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let mut names: Vec<_> = entries
        .map(|entry| entry.path().display().to_string())
        .collect();
    // What runs makes files and marks.
    names.retain(|name| !name.contains("/work/") && !name.ends_with("in-flight"));
    names.sort();
    names
}

#[test]
fn paths_lead_to_nobody_else() {
    let mut victim = Victim::start("");
    victim.feed(1_000);
    let token = victim.served.token(&["--namespace", "attacker"]);
    let before = below(&victim.served.folder.path().join("data"));
    let long = "a".repeat(8_000);
    for path in [
        "/v1/namespaces/attacker/../victim/topologies",
        "/v1/namespaces/attacker/topologies/../../victim/topologies",
        "/v1/namespaces/attacker%2f..%2fvictim/topologies",
        "/v1/namespaces/attacker/topologies/%2e%2e%2f%2e%2e%2fvictim%2ftopologies%2fcounting",
        "/v1/namespaces/attacker/topologies/..%5c..%5cvictim",
        "/v1/namespaces/attacker/topologies/%252e%252e%252f",
        "/v1/namespaces/attacker/topologies/%c0%ae%c0%ae%c0%af",
        "/v1/namespaces/attacker/topologies/a%00b",
        "/v1/namespaces/attacker/topologies/%ff%fe",
        "/v1/namespaces/attacker/topologies/counting%20",
        "/v1/namespaces/attacker/topologies/.",
        "/v1/namespaces/attacker/topologies/..",
        "/v1/namespaces/VICTIM/topologies",
        "/v1/namespaces/victim%00/topologies",
        "/v1/namespaces/victim;attacker/topologies",
        "/v1/namespaces/victim?namespace=attacker",
        "/v1/namespaces//topologies",
        "//v1/namespaces/victim/topologies",
        "/v1//namespaces/victim/topologies",
        "/v1/./namespaces/victim/topologies",
        "/V1/namespaces/victim/topologies",
        "/v1/namespaces/victim/topologies/",
        "/v1/namespaces/victim/topologies#attacker",
        "/v1/namespaces/attacker/secrets/..%2fvictim",
        "/v1/namespaces/attacker/secrets/..",
        "http://other/v1/namespaces/victim/topologies",
        "*",
        "?",
        &long,
        &format!("/v1/namespaces/{long}/topologies"),
        &format!("/v1/namespaces/attacker/topologies/{long}"),
    ] {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let mut stream = victim.served.connect();
            let (code, text) = ask(&mut stream, (method, path, &token), b"{}");
            assert!((400..500).contains(&code), "{method} {path}: {code} {text}");
            assert!(!text.contains("counting"), "{method} {path}: {text}");
        }
    }
    // Names in a body, and namespaces of whoever may use any.
    let admin = victim.served.token(&["--admin"]);
    for name in [
        "../x",
        "..",
        ".",
        "/etc",
        "a/b",
        "a\\b",
        "",
        "A",
        "a\u{202e}",
        &"a".repeat(64),
        "work ",
    ] {
        let name: String = name.escape_default().to_string();
        let (code, text) = victim.served.deploy("attacker", &token, &endless(&name));
        assert_eq!(code, 422, "{name}: {text}");
        victim.served.tells_no_path(&text);
        let secret = format!(
            "/v1/namespaces/attacker/secrets/{}",
            name.replace('/', "%2f").replace(' ', "%20")
        );
        let (code, _) = victim
            .served
            .http("PUT", &secret, &token, "{\"value\": \"x\"}");
        assert!((400..500).contains(&code), "{name}: {code}");
        let namespace = name.replace('/', "%2f").replace(' ', "%20");
        let (code, _) = victim.served.deploy(&namespace, &admin, &endless("x"));
        assert!((400..500).contains(&code), "{name}: {code}");
    }
    assert_eq!(below(&victim.served.folder.path().join("data")), before);
    victim.is_unharmed();
}

/// Who asks twice in one, so that somebody before the server and the server see different requests.
#[test]
fn requests_that_are_two_are_none() {
    let mut victim = Victim::start("");
    victim.feed(100);
    let token = victim.served.token(&["--namespace", "attacker"]);
    let victims = victim.token.clone();
    for head in [
        "Content-Length: 5\r\nContent-Length: 6\r\n".to_owned(),
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: 99999999999999999999999\r\n".to_owned(),
        "X: a\nb\r\n c\r\n".to_owned(),
        format!("Authorization: Bearer {victims}\r\nContent-Length: 0\r\n"),
        format!("X: {}\r\n", "x".repeat(20_000)),
        "X: y\r\n".repeat(200),
    ] {
        let mut stream = victim.served.connect();
        let request = format!(
            "DELETE /v1/namespaces/victim/topologies/counting HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n{head}\r\n0\r\n\r\n"
        );
        let _ = stream.write_all(request.as_bytes());
        let (code, text) = answer(&mut stream);
        assert!(
            code == 0 || (400..500).contains(&code),
            "{head}: {code} {text}"
        );
    }
    let audit = fs::read_to_string(victim.served.folder.path().join("data/audit.jsonl")).unwrap();
    assert!(!audit.contains("undeploy"), "{audit}");
    victim.is_unharmed();
}
