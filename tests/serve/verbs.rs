//! Deploy, list, status, stop, start, undeploy, as people type them.

use serde_json::Value;

use super::{Served, endless};

#[test]
fn a_topology_is_deployed_runs_stops_starts_and_goes() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    served
        .folder
        .write("topo.toml", endless("steady").as_bytes());
    let deployed = served.rsrt(&token, &["deploy", "--topology", "topo.toml"]);
    deployed.says(0, &[]);
    assert!(
        deployed.stdout.starts_with("deployed steady"),
        "{}",
        deployed.stdout
    );
    served.until(&token, "steady", |status| {
        status["batches"].as_u64() > Some(2)
    });
    let list = served.rsrt(&token, &["list"]);
    assert!(
        list.stdout.contains("steady") && list.stdout.contains("running"),
        "{}",
        list.stdout
    );
    let path = "/v1/namespaces/a/topologies/steady/output";
    let (code, printed) = served.http("GET", path, &token, "");
    assert!(code == 200 && printed.contains("Time: "), "{printed}");

    let again = served.rsrt(&token, &["deploy", "--topology", "topo.toml"]);
    again.says(0, &[]);
    assert!(
        again
            .stdout
            .starts_with("nothing would change\nversion 2 of steady")
    );
    let (code, refused) = served.deploy("a", &token, &endless("steady"));
    assert!(
        code == 409 && refused.contains("is deployed already"),
        "{refused}"
    );
    let stopped = served.rsrt(&token, &["stop", "steady"]);
    assert_eq!(stopped.stdout, "steady: stopped\n");
    assert_eq!(served.status(&token, "steady")["phase"], "stopped");
    served.rsrt(&token, &["start", "steady"]).says(0, &[]);
    served.until(&token, "steady", |status| {
        status["batches"].as_u64() > Some(0)
    });
    served.rsrt(&token, &["undeploy", "steady"]).says(0, &[]);
    let gone = served.rsrt(&token, &["status", "steady"]);
    gone.says(2, &["there is nothing here"]);
    let left = served
        .folder
        .path()
        .join("data/namespaces/a/topologies/steady");
    assert!(!left.exists());

    let audit = served.audit();
    let lines: Vec<Value> = audit
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let actions: Vec<_> = lines
        .iter()
        .map(|l| l["action"].as_str().unwrap())
        .collect();
    let expected = ["deploy", "swap", "deploy", "stop", "start", "undeploy"];
    assert_eq!(actions, expected);
    assert!(lines[2]["outcome"].as_str().unwrap().contains("already"));
    assert!(!audit.contains(&token));
}

#[test]
fn plugins_are_uploaded_and_what_is_wrong_is_told_with_its_place() {
    let served = Served::with("[namespace.a]\naddresses = [\"127.0.0.1:1\"]\n");
    let token = served.token(&["--namespace", "a"]);
    let plugin = crate::guests::plugin("word-count");
    let plugin = plugin.to_str().unwrap();
    let topology = "name = \"words\"\nbatch-interval = \"50ms\"\n\
        [source.lines]\ntype = \"socket\"\naddress = \"127.0.0.1:1\"\n\
        [operator.words]\ninput = \"lines\"\nflat-map = \"FUNCTION\"\n\
        [sink.out]\ninput = \"words\"\ntype = \"null\"\n";
    let wrong = topology.replace("FUNCTION", "splt");
    served.folder.write("topo.toml", wrong.as_bytes());
    let refused = served.rsrt(&token, &["deploy", plugin, "--topology", "topo.toml"]);
    refused.says(2, &["topo.toml:8:", "splt", "help"]);
    assert_eq!(
        served.rsrt(&token, &["list", "--format", "json"]).stdout,
        "[]\n"
    );

    let right = topology.replace("FUNCTION", "split");
    served.folder.write("topo.toml", right.as_bytes());
    let missing = served.rsrt(&token, &["deploy", "--topology", "topo.toml"]);
    missing.says(2, &["plugin"]);
    served
        .rsrt(&token, &["deploy", plugin, "--topology", "topo.toml"])
        .says(0, &[]);
    served.until(&token, "words", |status| {
        status["batches"].as_u64() > Some(1)
    });
    served.rsrt(&token, &["undeploy", "words"]).says(0, &[]);
    let plugins = served.folder.path().join("data/namespaces/a/plugins");
    assert_eq!(std::fs::read_dir(plugins).unwrap().count(), 0);
}

#[test]
fn one_that_fails_says_why_and_the_others_go_on() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().display();
    let served = Served::with(&format!("[namespace.a.read-roots]\nempty = \"{empty}\"\n"));
    let token = served.token(&["--namespace", "a"]);
    served
        .folder
        .write("topo.toml", endless("steady").as_bytes());
    served
        .rsrt(&token, &["deploy", "-t", "topo.toml"])
        .says(0, &[]);
    let failing = "name = \"failing\"\nbatch-interval = \"20ms\"\n\
        [source.lines]\ntype = \"file\"\npath = \"/empty/no-such-file\"\n\
        [sink.out]\ninput = \"lines\"\ntype = \"null\"\n";
    served.folder.write("topo.toml", failing.as_bytes());
    served
        .rsrt(&token, &["deploy", "-t", "topo.toml"])
        .says(0, &[]);
    let mut failed = served.status(&token, "failing");
    while failed["phase"] == "starting" || failed["phase"] == "running" {
        failed = served.status(&token, "failing");
    }
    assert_eq!(failed["phase"], "failed");
    assert!(
        failed["why"]
            .as_str()
            .unwrap()
            .contains("/empty/no-such-file"),
        "{failed}"
    );
    let before = served.status(&token, "steady")["batches"].as_u64();
    served.until(&token, "steady", |status| {
        status["batches"].as_u64() > before
    });
}

#[test]
fn a_context_says_which_server_is_asked() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let config = served.folder.path().join("rsrt");
    std::fs::create_dir(&config).unwrap();
    let text = format!(
        "context = \"here\"\n[contexts.here]\nserver = \"{}\"\ntoken = \"{token}\"\n",
        served.url
    );
    std::fs::write(config.join("config.toml"), text).unwrap();
    let ask = |arguments: &[&str]| {
        let mut command = served.folder.command(arguments);
        command.env("XDG_CONFIG_HOME", served.folder.path());
        command.env_remove("RSRT_SERVER").env_remove("RSRT_TOKEN");
        crate::cli::Ended::of(command.output().unwrap())
    };
    assert_eq!(
        ask(&["list", "--format", "json"]).says(0, &[]).stdout,
        "[]\n"
    );
    ask(&["list", "--context", "there"]).says(2, &["no context", "here"]);
}
