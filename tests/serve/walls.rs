//! What a hosted topology reaches is its own work directory and what the server allows.

use std::{fs, io::Write as _, net::TcpListener, os::unix::fs::symlink, path::PathBuf};

use tempfile::TempDir;

use super::Served;

/// A topology with this source, or sink, or whatever.
fn topology(name: &str, rest: &str) -> String {
    let sink = match rest.contains("[sink.") {
        true => "",
        false => "[sink.out]\ninput = \"it\"\ntype = \"print\"\nn = 100\n",
    };
    let source = match rest.contains("[source.") {
        true => "",
        false => "[source.it]\ntype = \"generator\"\nrate = 1\ncount = 1\n",
    };
    format!("name = \"{name}\"\nbatch-interval = \"20ms\"\n{rest}\n{source}{sink}")
}

fn source(kind: &str, key: &str, value: &str) -> String {
    format!("[source.it]\ntype = \"{kind}\"\n{key} = \"{value}\"\n")
}

/// Directories of the machine: `mine` is given to namespace `a`, `shared` to be read; `secret` is
/// somebody else's.
struct Yard(TempDir);

impl Yard {
    fn new() -> Self {
        let yard = Self(tempfile::tempdir().unwrap());
        for directory in ["mine/in", "shared", "secret"] {
            fs::create_dir_all(yard.path(directory)).unwrap();
        }
        fs::write(yard.path("shared/in.txt"), "ours\n").unwrap();
        fs::write(yard.path("secret/in.txt"), "somebody else's\n").unwrap();
        yard
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn config(&self, more: &str) -> String {
        format!(
            "[namespace.a]\n{more}\n[namespace.a.read-roots]\nshared = \"{}\"\n[namespace.a.write-roots]\nmine = \"{}\"\n",
            self.path("shared").display(),
            self.path("mine").display()
        )
    }

    fn tells_no_path(&self, text: &str) {
        let place = self.0.path().to_str().unwrap();
        assert!(!text.contains(place), "{text}");
    }
}

#[test]
fn what_lies_elsewhere_is_refused_before_anything_runs() {
    let yard = Yard::new();
    let served =
        Served::with(&yard.config("addresses = [\"db.x:5432\", \"*:443\"]\nbuckets = [\"own/a\"]"));
    let (mine, theirs) = (
        served.token(&["--namespace", "a"]),
        served.token(&["--namespace", "b"]),
    );
    let data = served.folder.path().join("data");
    let other = data.join("namespaces/b/topologies/other/work/in.txt");
    let real = yard.path("shared/in.txt");
    let (other, real, tokens) = (other.display(), real.display(), data.join("tokens.json"));
    let tokens = tokens.display();
    let outside = "lies outside of what may be";
    let climbs = "lead out of `/work`";
    let files = |path: &str| {
        format!("[sink.out]\ninput = \"it\"\ntype = \"text-files\"\npath = \"{path}\"\n")
    };
    let sqlite = |path: &str| {
        format!(
            "[sink.out]\ninput = \"it\"\ntype = \"sqlite\"\npath = \"{path}\"\ntable = \"t\"\ncreate = true\n"
        )
    };
    let postgres = |host: &str| {
        format!(
            "[sink.out]\ninput = \"it\"\ntype = \"postgres\"\nurl = \"postgres://u:p@{host}/d\"\ntable = \"t\"\n"
        )
    };
    let cases = [
        (source("file", "path", "/etc/passwd"), outside),
        (source("file", "path", "/proc/self/environ"), outside),
        (source("file", "path", &other.to_string()), outside),
        (source("file", "path", &tokens.to_string()), outside),
        // Roots are known by their names, not by where they lie.
        (source("file", "path", &real.to_string()), outside),
        (source("file", "path", "../record.json"), climbs),
        (source("file", "path", "/work/../etc/passwd"), climbs),
        (
            source("file", "path", "/shared/../../etc/passwd"),
            "lead out of `/shared`",
        ),
        (source("directory", "path", ".."), climbs),
        (source("directory", "path", "/"), outside),
        (
            source("queue", "path", "/etc/passwd") + "schema = \"int64\"\n",
            outside,
        ),
        (files("/tmp/out/x"), outside),
        (files("/shared/x"), outside),
        (files("../../other/work/x"), climbs),
        (sqlite("/tmp/x.db"), outside),
        (sqlite("sub/x.db"), "in `/work` itself"),
        (postgres("127.0.0.1:5432"), "is not allowed"),
        (postgres("db.x:5433"), "is not allowed"),
        (postgres("%2Frun%2Fpg"), "sockets of this machine"),
        (
            source("socket", "address", "127.0.0.1:443"),
            "is not allowed",
        ),
        (source("socket", "address", "127.1:5432"), "is not allowed"),
        (source("socket", "address", "[::1]:443"), "is not allowed"),
        (
            source("socket", "address", "[::ffff:127.0.0.1]:443"),
            "is not allowed",
        ),
        (
            source("socket", "address", "169.254.169.254:443"),
            "is not allowed",
        ),
        (source("socket", "address", "0.0.0.0:443"), "is not allowed"),
    ];
    for (rest, why) in cases {
        let (code, text) = served.deploy("a", &mine, &topology("t", &rest));
        assert!(code == 422 && text.contains(why), "{rest}: {code} {text}");
        // Their own words come back, and nothing else of the machine.
        let told = text
            .replace(&other.to_string(), "")
            .replace(&tokens.to_string(), "");
        served.tells_no_path(&told);
        yard.tells_no_path(&told.replace(&real.to_string(), ""));
    }
    // What is allowed to one namespace is not allowed to another.
    let (code, text) = served.deploy(
        "b",
        &theirs,
        &topology("t", &source("file", "path", "/shared/in.txt")),
    );
    assert!(code == 422 && text.contains("(/work)"), "{code} {text}");
    assert_eq!(
        served.rsrt(&mine, &["list", "--format", "json"]).stdout,
        "[]\n"
    );
    // Nothing is left of what was refused.
    assert!(fs::read_dir(data.join("staging")).unwrap().next().is_none());
    assert!(!data.join("namespaces/a/topologies").exists());
}

#[test]
fn a_checkpoint_lies_where_it_may() {
    let served = Served::with("[namespace.a]\nbuckets = [\"own/a\"]\n");
    let mine = served.token(&["--namespace", "a"]);
    let (outside, climbs) = ("lies outside of what may be", "lead out of `/work`");
    for (line, why) in [
        ("checkpoint = \"/tmp/kept\"", outside),
        ("checkpoint = \"../kept\"", climbs),
        (
            "checkpoint = \"s3://other/a\"",
            "s3://other/a is not allowed (what is: own/a)",
        ),
        ("checkpoint = \"s3://own/b\"", "is not allowed"),
    ] {
        let text = topology("t", "").replace("batch-interval", &format!("{line}\nbatch-interval"));
        let (code, text) = served.deploy("a", &mine, &text);
        assert!(code == 422 && text.contains(why), "{line}: {code} {text}");
        served.tells_no_path(&text);
    }
    let text = topology("t", "").replace(
        "batch-interval",
        "checkpoint = \"s3://own/x\"\nbatch-interval",
    );
    let served = Served::start();
    let mine = served.token(&["--namespace", "a"]);
    let (code, text) = served.deploy("a", &mine, &text);
    assert!(
        code == 422 && text.contains("(what is: nothing)"),
        "{code} {text}"
    );
}

#[test]
fn roots_and_the_own_directory_can_be_used() {
    let yard = Yard::new();
    let served = Served::with(&yard.config(""));
    let token = served.token(&["--namespace", "a"]);
    let copies = "[sink.out]\ninput = \"it\"\ntype = \"text-files\"\npath = \"/mine/copies/x\"\n\
         [sink.own]\ninput = \"it\"\ntype = \"text-files\"\npath = \"own/x\"\n\
         [sink.table]\ninput = \"it\"\ntype = \"sqlite\"\npath = \"rows.db\"\ntable = \"t\"\ncreate = true\n";
    let text = topology("copy", &(source("file", "path", "/shared/in.txt") + copies));
    let text = text.replace("batch-interval", "checkpoint = \"kept\"\nbatch-interval");
    let (code, answer) = served.deploy("a", &token, &text);
    assert_eq!(code, 201, "{answer}");
    served.until(&token, "copy", |status| status["phase"] == "finished");
    let work = served
        .folder
        .path()
        .join("data/namespaces/a/topologies/copy/work");
    let copied = |folder: PathBuf| -> String {
        let mut batches = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let batch = batches
            .find(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
            .unwrap();
        let parts = fs::read_dir(batch)
            .unwrap()
            .map(|part| part.unwrap().path());
        parts
            .map(|part| fs::read_to_string(part).unwrap())
            .collect()
    };
    assert!(copied(yard.path("mine/copies")).contains("ours"));
    assert!(copied(work.join("own")).contains("ours"));
    assert!(work.join("kept").is_dir() && work.join("rows.db").is_file());
}

/// What links lead to is found out when they are opened, at each batch.
#[test]
fn links_lead_nowhere_also_while_it_runs() {
    let yard = Yard::new();
    let served = Served::with(&yard.config(""));
    let token = served.token(&["--namespace", "a"]);
    let secret = yard.path("secret/in.txt");
    symlink(&secret, yard.path("mine/link.txt")).unwrap();
    symlink(yard.path("secret"), yard.path("mine/away")).unwrap();
    symlink("/proc/self", yard.path("mine/self")).unwrap();
    for (name, path) in [
        ("last", "/mine/link.txt"),
        ("middle", "/mine/away/in.txt"),
        ("process", "/mine/self/environ"),
    ] {
        let text = topology(name, &source("file", "path", path));
        let (code, answer) = served.deploy("a", &token, &text);
        assert_eq!(code, 201, "{answer}");
        let why = served.failure(&token, name);
        assert!(why.contains("it leads out of `/mine`"), "{why}");
        served.tells_no_path(&why);
        yard.tells_no_path(&why);
    }
    // A database by its link, and a sink through one.
    symlink(yard.path("secret/made.db"), yard.path("mine/rows.db")).unwrap();
    for (name, sink) in [
        (
            "database",
            "type = \"sqlite\"\npath = \"/mine/rows.db\"\ntable = \"t\"\ncreate = true",
        ),
        ("writer", "type = \"text-files\"\npath = \"/mine/away/x\""),
    ] {
        let text = topology(name, &format!("[sink.out]\ninput = \"it\"\n{sink}\n"));
        let (code, answer) = served.deploy("a", &token, &text);
        assert_eq!(code, 201, "{answer}");
        let why = served.failure(&token, name);
        served.tells_no_path(&why);
        yard.tells_no_path(&why);
    }
    // One that runs: a link comes, then what was a file is one.
    fs::write(yard.path("mine/in/a.txt"), "first\n").unwrap();
    let watched = source("directory", "path", "/mine/in") + "new-files-only = false\n";
    let (code, answer) = served.deploy("a", &token, &topology("watch", &watched));
    assert_eq!(code, 201, "{answer}");
    served.printed(&token, "watch", |output| output.contains("first"));
    symlink(&secret, yard.path("mine/in/b.txt")).unwrap();
    symlink(&secret, yard.path("mine/in/next")).unwrap();
    fs::rename(yard.path("mine/in/next"), yard.path("mine/in/a.txt")).unwrap();
    let before = served.status(&token, "watch")["batches"].as_u64().unwrap();
    let status = served.until(&token, "watch", |status| {
        status["batches"].as_u64() > Some(before + 3) || status["phase"] != "running"
    });
    served.tells_no_path(&status.to_string());
    let output = served
        .http(
            "GET",
            "/v1/namespaces/a/topologies/watch/output",
            &token,
            "",
        )
        .1;
    assert!(!output.contains("somebody else's"), "{output}");
    let left: Vec<_> = fs::read_dir(yard.path("secret")).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing was written there");
}

#[test]
fn servers_are_reached_if_they_are_allowed_and_the_server_itself_never_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let allowed = listener.local_addr().unwrap();
    let yard = Yard::new();
    let served = Served::with(&yard.config("addresses = [\"127.0.0.1:*\", \"localhost:*\"]"));
    let token = served.token(&["--namespace", "a"]);
    let itself = served.url.trim_start_matches("http://");
    let (code, text) = served.deploy(
        "a",
        &token,
        &topology("t", &source("socket", "address", itself)),
    );
    assert!(
        code == 422 && text.contains("is not allowed"),
        "{code} {text}"
    );
    // By a name that leads to it nothing is known before it is connected to.
    let by_name = itself.replace("127.0.0.1", "localhost");
    let text = topology(
        "by-name",
        &(source("socket", "address", &by_name) + "connect-attempts = 1\n"),
    );
    assert_eq!(served.deploy("a", &token, &text).0, 201);
    let status = served.until(&token, "by-name", |status| {
        status["batches"].as_u64() > Some(3) || status["phase"] != "running"
    });
    assert_eq!(status["records"], 0, "{status}");

    let text = topology("feed", &source("socket", "address", &allowed.to_string()));
    let (code, answer) = served.deploy("a", &token, &text);
    assert_eq!(code, 201, "{answer}");
    listener.accept().unwrap().0.write_all(b"a line\n").unwrap();
    served.printed(&token, "feed", |output| output.contains("a line"));
}

/// Every public address is allowed, and every port; what a name leads to is not public.
#[test]
fn names_that_lead_to_this_machine_lead_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = Served::with("[namespace.a]\naddresses = [\"*:*\"]\n");
    let token = served.token(&["--namespace", "a"]);
    for (at, host) in [
        "localhost",
        "LOCALHOST.",
        "127.1",
        "0x7f000001",
        "2130706433",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("name-{at}");
        let text = topology(
            &name,
            &source("socket", "address", &format!("{host}:{port}")),
        );
        let (code, answer) = served.deploy("a", &token, &text);
        assert_eq!(code, 201, "{host}: {answer}");
        served.until(&token, &name, |status| status["batches"].as_u64() > Some(3));
    }
    let log = fs::read_to_string(served.folder.path().join("log")).unwrap();
    assert!(log.contains("localhost leads only to addresses"), "{log}");
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// Rows of the function `variable`, which tells what variables of the environment are set to.
fn asking(grants: &str) -> String {
    format!(
        "name = \"asking\"\nbatch-interval = \"20ms\"\n[plugin.out]\npath = \"PLUGIN\"\ngrants = [{grants}]\n\
         [source.names]\ntype = \"file\"\npath = \"names.txt\"\n\
         [operator.asked]\ninput = \"names\"\nmap = \"out:variable\"\n\
         [sink.print]\ninput = \"asked\"\ntype = \"print\"\n"
    )
}

#[test]
fn plugins_are_given_what_the_server_says() {
    let plugin = crate::guests::plugin("outside");
    let write = |served: &Served, grants: &str| {
        let text = asking(grants).replace("PLUGIN", plugin.to_str().unwrap());
        served.folder.write("topo.toml", text.as_bytes());
        served.folder.write("names.txt", b"GREETING\nPATH\n");
    };
    let deploy = ["deploy", "-t", "topo.toml"];
    // Nobody imports WASI unless the server says so.
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    write(&served, "");
    let refused = served.rsrt(&token, &deploy);
    refused.says(2, &["plugin `out` imports WASI", "grants = [\"wasi\"]"]);

    let config = "[namespace.a]\ngrants = [\"env\", \"read\"]\nvariables = { GREETING = \"hello\" }\n\
        [namespace.b]\ngrants = [\"wasi\"]\n";
    let served = Served::with(config);
    let token = served.token(&["--namespace", "a"]);
    for (grant, why) in [
        ("\"env:PATH\"", "PATH is not one that may be granted"),
        ("\"write:out\"", "are not granted that (what is: env, read)"),
        ("\"stdout\"", "are not granted that"),
        ("\"read:/etc\"", "lies outside"),
        ("\"read:..\"", "lead out of"),
    ] {
        write(&served, grant);
        let refused = served.rsrt(&token, &deploy);
        refused.says(2, &[why]);
        served.tells_no_path(&refused.stderr.replace(plugin.to_str().unwrap(), ""));
    }
    write(&served, "\"env:GREETING\", \"read:own\"");
    served.rsrt(&token, &deploy).says(0, &[]);
    let output = served.printed(&token, "asking", |output| output.contains("hello"));
    assert!(output.contains("null"), "PATH is not set: {output}");
    // To import WASI gives nothing.
    let token = served.token(&["--namespace", "b"]);
    write(&served, "\"env:GREETING\"");
    served.rsrt(&token, &deploy).says(2, &["what is: wasi"]);
    write(&served, "");
    served.rsrt(&token, &deploy).says(0, &[]);
    let output = served.printed(&token, "asking", |output| output.contains("null"));
    assert!(!output.contains("hello"), "{output}");
}

#[test]
fn a_root_that_holds_what_is_the_servers_is_refused() {
    for root in [".", "data", "data/namespaces", "/"] {
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata = \"data\"\n[namespace.a.read-roots]\nall = \"{root}\"\n"
        );
        let folder = crate::cli::Folder::new(&[("server.toml", &config)]);
        fs::create_dir_all(folder.path().join("data/namespaces")).unwrap();
        let refused = folder.rsrt(&["serve", "--config", "server.toml"]);
        refused.says(
            2,
            &["the root `all` of namespace `a`", "lie one in the other"],
        );
    }
}
