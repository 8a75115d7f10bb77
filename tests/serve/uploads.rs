//! Files that go with a topology.

use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::Served;

fn topology() -> String {
    "name = \"reading\"\nbatch-interval = \"20ms\"\n\
     [source.lines]\ntype = \"file\"\npath = \"sub/in.txt\"\n\
     [sink.out]\ninput = \"lines\"\ntype = \"print\"\n"
        .to_owned()
}

#[test]
fn what_a_topology_reads_goes_with_it() {
    let mut served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    served.folder.write("topo.toml", topology().as_bytes());
    let deploy = ["deploy", "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(
        2,
        &[
            "cannot upload sub/in.txt, which source lines reads",
            "/ROOT/",
        ],
    );
    fs::create_dir(served.folder.path().join("sub")).unwrap();
    served.folder.write("sub/in.txt", b"a line\n");
    served.rsrt(&token, &deploy).says(0, &[]);
    served.printed(&token, "reading", |output| output.contains("a line"));
    served.until(&token, "reading", |status| status["phase"] == "finished");
    let folder = served
        .folder
        .path()
        .join("data/namespaces/a/topologies/reading");
    assert_eq!(
        fs::read(folder.join("work/sub/in.txt")).unwrap(),
        b"a line\n"
    );
    let record = fs::read_to_string(folder.join("record.json")).unwrap();
    let digest = blake3::hash(b"a line\n").to_hex();
    assert!(record.contains(digest.as_str()), "{record}");
    // They are there for the next run, too.
    served.kill();
    served.restart();
    served.rsrt(&token, &["start", "reading"]).says(0, &[]);
    served.printed(&token, "reading", |output| output.contains("a line"));
    served.rsrt(&token, &["undeploy", "reading"]).says(0, &[]);
    assert!(!folder.exists());
}

#[test]
fn files_that_are_not_read_or_lie_elsewhere_are_refused() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let deploy = |text: &str, files: Value| {
        let body = json!({ "topology": text, "files": files }).to_string();
        served.http("POST", "/v1/namespaces/a/topologies", &token, &body)
    };
    let bytes = BASE64_STANDARD.encode("x");
    let file = |path: &str| json!([{ "path": path, "bytes": bytes }]);
    let long = "x".repeat(300);
    for path in [
        "../in.txt",
        "/etc/in.txt",
        "sub/../sub/in.txt",
        "./sub/in.txt",
        "sub//in.txt",
        "",
        ".",
        "..",
        "sub/in.txt/",
        "a\u{0}b",
        "..\\in.txt",
        "other.txt",
        &long,
        "sub/%2e%2e/in.txt",
    ] {
        let (code, answer) = deploy(&topology(), file(path));
        assert_eq!(code, 422, "{path:?}: {answer}");
        // Also if the topology names it so.
        let text = topology().replace("sub/in.txt", &path.escape_default().to_string());
        let (code, answer) = deploy(&text, file(path));
        let is_plain = ["other.txt", "..\\in.txt", "sub/%2e%2e/in.txt"].contains(&path);
        match is_plain && code == 201 {
            true => {
                let one = "/v1/namespaces/a/topologies/reading";
                let (code, answer) = served.http("DELETE", one, &token, "");
                assert_eq!(code, 204, "{path}: {answer}");
            }
            false => assert_eq!(code, 422, "{path:?}: {answer}"),
        }
        served.tells_no_path(&answer);
    }
    let twice = json!([
        { "path": "sub/in.txt", "bytes": bytes }, { "path": "sub/in.txt", "bytes": bytes }
    ]);
    let (code, answer) = deploy(&topology(), twice);
    assert!(code == 422 && answer.contains("twice"), "{answer}");
    let changed = json!([{ "path": "sub/in.txt", "bytes": bytes, "digest": "00" }]);
    let (code, answer) = deploy(&topology(), changed);
    assert!(code == 400 && answer.contains("digest"), "{answer}");
    let big = BASE64_STANDARD.encode(vec![b'x'; (8 << 20) + 1]);
    let (code, answer) = deploy(&topology(), json!([{ "path": "sub/in.txt", "bytes": big }]));
    assert!(code == 422 && answer.contains("has more than"), "{answer}");
    let many: Vec<Value> = (0..65)
        .map(|n| json!({ "path": n.to_string(), "bytes": "" }))
        .collect();
    let (code, answer) = deploy(&topology(), json!(many));
    assert!(code == 422 && answer.contains("64 files"), "{answer}");
    let data = served.folder.path().join("data");
    assert!(
        !data.join("namespaces/a/topologies").exists()
            || fs::read_dir(data.join("namespaces/a/topologies"))
                .unwrap()
                .next()
                .is_none()
    );
    assert!(fs::read_dir(data.join("staging")).map_or(true, |mut left| left.next().is_none()));
    assert!(!served.folder.path().join("in.txt").exists());
}
