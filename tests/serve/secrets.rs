//! Secrets of namespaces: set by those whose they are, given to their topologies, told to nobody.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, process::Stdio};

use super::Served;
use crate::{
    cli::Ended,
    secrets::{
        VALUE,
        stores::{everything_below, has},
    },
};

impl Served {
    /// `rsrt secret set`, with the value on standard input.
    fn set_secret(&self, token: &str, name: &str, value: &str) -> Ended {
        let mut command = self.folder.command(&["secret", "set", name]);
        command
            .env("RSRT_SERVER", &self.url)
            .env("RSRT_TOKEN", token)
            .env("XDG_CONFIG_HOME", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(value.as_bytes()).unwrap();
        drop(stdin);
        Ended::of(child.wait_with_output().unwrap())
    }
}

/// Its function logs what it was told in confidence, rejects with it, and panics with it.
const LEAKING: &str = "name = \"leaking\"\nbatch-interval = \"20ms\"\ncheckpoint = \"kept\"\ncheckpoint-interval = \"20ms\"\n\
    on-failed-batch = \"continue\"\n\
    [source.lines]\ntype = \"queue\"\nschema = \"utf8\"\npath = \"lines.json\"\n\
    [operator.it]\ninput = \"lines\"\nmap = \"leaks\"\nsettings = { key = { secret = \"api-key\" } }\n\
    [sink.out]\ninput = \"it\"\ntype = \"print\"\n";

#[test]
fn a_value_is_in_no_file_and_in_no_answer() {
    let mut served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let plugin = crate::guests::plugin("faulty");
    served.folder.write("topo.toml", LEAKING.as_bytes());
    served
        .folder
        .write("lines.json", b"[[\"log\"], [\"reject\"], [\"panic\"]]");
    let deploy = ["deploy", plugin.to_str().unwrap(), "-t", "topo.toml"];
    let mut said = String::new();
    // It is told what is missing, before anything is kept.
    let missing = served.rsrt(&token, &deploy);
    missing.says(
        2,
        &["`api-key` (setting \"key\" of it) has no value: set it with `rsrt secret set api-key`"],
    );
    said += &served
        .set_secret(&token, "api-key", &format!("{VALUE}\n"))
        .says(0, &[])
        .stdout;
    said += &served.rsrt(&token, &["secret", "list"]).says(0, &[]).stdout;
    assert!(said.ends_with("api-key\n"), "{said}");
    said += &served.rsrt(&token, &deploy).says(0, &[]).stdout;
    loop {
        let status = served.status(&token, "leaking");
        said += &status.to_string();
        if status["phase"] == "failed" || status["phase"] == "finished" {
            assert_eq!(status["failed-batches"], 1, "{status}");
            assert!(status.to_string().contains("[secret]"), "{status}");
            break;
        }
    }
    let secrets = "/v1/namespaces/a/secrets";
    for path in [
        "/openapi.json",
        "/v1/me",
        "/v1/namespaces/a/topologies",
        "/v1/namespaces/a/topologies/leaking",
        "/v1/namespaces/a/topologies/leaking/output",
        secrets,
        "/v1/namespaces/a/secrets/api-key",
    ] {
        let (code, answer) = served.http("GET", path, &token, "");
        assert_eq!(code, 200, "{path}: {answer}");
        said += &answer;
    }
    // Bodies that are wrong are not repeated.
    let one = "/v1/namespaces/a/secrets/api-key";
    let number = "7364826453628";
    for body in [
        format!("{{\"value\": {number}}}"),
        format!("{{\"value\": \"{VALUE}\", \"{VALUE}\": 1}}"),
        format!("{{\"{VALUE}\": 1}}"),
        format!("\"{VALUE}"),
        VALUE.to_owned(),
    ] {
        let (code, answer) = served.http("PUT", one, &token, &body);
        assert_eq!(code, 400, "{answer}");
        assert!(!answer.contains(number), "{answer}");
        said += &answer;
    }
    let long = VALUE.repeat(10_000);
    let body = serde_json::json!({ "value": long }).to_string();
    let (code, answer) = served.http("PUT", one, &token, &body);
    assert_eq!((code, answer.contains("64 KiB")), (422, true), "{answer}");
    said += &answer;
    said += &served.audit();
    said += &fs::read_to_string(served.folder.path().join("log")).unwrap();
    for hidden in [VALUE, &hex::encode(VALUE)] {
        assert!(!said.contains(hidden), "{said}");
    }
    served.kill();
    let written = everything_below(&served.folder.path().join("data"));
    assert!(has(&written, "secret = \"api-key\""), "the text is kept");
    for hidden in [VALUE, &hex::encode(VALUE)] {
        assert!(!has(&written, hidden));
    }
    // The key is not in what is copied with the values.
    let key = served.folder.path().join("data.key");
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!has(
        &written,
        &String::from_utf8_lossy(&fs::read(&key).unwrap())
    ));
}

#[test]
fn secrets_belong_to_a_namespace_and_outlive_the_server() {
    let mut served = Served::with("[secrets]\nkey = \"elsewhere\"\n");
    let (mine, theirs) = (
        served.token(&["--namespace", "a"]),
        served.token(&["--namespace", "b"]),
    );
    served
        .set_secret(&mine, "feed", "127.0.0.1:443")
        .says(0, &[]);
    served.set_secret(&theirs, "feed", "nonsense").says(0, &[]);
    served
        .set_secret(&mine, "Bad", "x")
        .says(2, &["secret name \"Bad\""]);
    let name = "/v1/namespaces/a/secrets/..%2fb";
    assert_eq!(served.http("GET", name, &mine, "").0, 404);
    served.kill();
    served.restart();
    assert!(served.folder.path().join("elsewhere").exists());
    // An address that is a secret is compared with what is allowed, and not told.
    let topology = "name = \"t\"\nbatch-interval = \"20ms\"\n[source.it]\ntype = \"socket\"\naddress = { secret = \"feed\" }\n\
        [sink.out]\ninput = \"it\"\ntype = \"null\"\n";
    let (code, answer) = served.deploy("a", &mine, topology);
    assert!(
        code == 422 && answer.contains("secret:feed is not allowed"),
        "{answer}"
    );
    assert!(!answer.contains("127.0.0.1"), "{answer}");
    let (code, answer) = served.deploy("b", &theirs, topology);
    assert!(
        code == 422 && answer.contains("must be host and port"),
        "{answer}"
    );
    assert!(!answer.contains("nonsense"), "{answer}");

    let mut listed = served
        .rsrt(&mine, &["secret", "list", "--format", "json"])
        .stdout;
    assert_eq!(listed, "[{\"name\":\"feed\"}]\n");
    served
        .rsrt(&mine, &["secret", "remove", "feed"])
        .says(0, &[]);
    served
        .rsrt(&mine, &["secret", "remove", "feed"])
        .says(2, &["there is nothing here"]);
    listed = served.rsrt(&theirs, &["secret", "list"]).stdout;
    assert_eq!(listed, "feed\n");
    let (code, answer) = served.deploy("a", &mine, topology);
    assert!(code == 422 && answer.contains("has no value"), "{answer}");
    let audit = served.audit();
    for action in ["\"set-secret\"", "\"remove-secret\""] {
        assert!(audit.contains(action), "{audit}");
    }
    let local = ["secret", "list", "--secrets", "x", "--namespace", "a"];
    served.folder.rsrt(&local).says(2, &["cannot be used with"]);
}

/// Whoever runs the server is told what is wrong with the store, and nobody else.
#[test]
fn a_damaged_store_is_the_servers_business() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    served.set_secret(&token, "x", "1").says(0, &[]);
    served.folder.write("data/secrets/a.secrets", b"{");
    let (code, answer) = served.http("GET", "/v1/namespaces/a/secrets", &token, "");
    assert_eq!(code, 500);
    served.tells_no_path(&answer);
    let topology = "name = \"t\"\nbatch-interval = \"20ms\"\n[source.it]\ntype = \"socket\"\naddress = { secret = \"x\" }\n\
        [sink.out]\ninput = \"it\"\ntype = \"null\"\n";
    let (code, answer) = served.deploy("a", &token, topology);
    assert!(
        code == 422 && answer.contains("log says why"),
        "{code} {answer}"
    );
    served.tells_no_path(&answer);
    let log = fs::read_to_string(served.folder.path().join("log")).unwrap();
    assert!(log.contains("a.secrets is damaged"), "{log}");
}
