//! What is deployed outlives the server.

use std::{fs, path::Path};

use super::{Served, endless};

/// A count of all numbers so far, written to files, with a checkpoint where the server wants it.
fn counting(count: u64) -> String {
    format!(
        "name = \"counting\"\nbatch-interval = \"20ms\"\ncheckpoint = \"kept\"\ncheckpoint-interval = \"40ms\"\n\
         [source.numbers]\ntype = \"generator\"\nrate = 2000\ncount = {count}\n\
         [sink.out]\ninput = \"numbers\"\ntype = \"text-files\"\npath = \"out/numbers\"\n"
    )
}

/// All rows of all files, in order of batches and parts.
fn rows(folder: &Path) -> Vec<String> {
    let mut batches: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    batches.sort();
    let mut rows = Vec::new();
    for batch in batches {
        let mut parts: Vec<_> = fs::read_dir(batch)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        parts.sort();
        for part in parts {
            rows.extend(fs::read_to_string(part).unwrap().lines().map(str::to_owned));
        }
    }
    rows.sort();
    rows
}

#[test]
fn after_a_kill_everything_goes_on_and_nothing_is_lost_or_twice() {
    let mut undisturbed = Served::start();
    let mut killed = Served::start();
    for served in [&mut undisturbed, &mut killed] {
        served.token(&["--admin"]);
        served
            .folder
            .write("topo.toml", counting(20_000).as_bytes());
    }
    let ask = ["--namespace", "a"];
    let deploy = ["deploy", "-t", "topo.toml", "--namespace", "a"];
    let token = undisturbed.token(&ask);
    undisturbed.rsrt(&token, &deploy).says(0, &[]);
    undisturbed.until(&token, "counting", |status| status["phase"] == "finished");

    let token = killed.token(&ask);
    killed.rsrt(&token, &deploy).says(0, &[]);
    let mut deaths = 0;
    loop {
        let status = killed.until(&token, "counting", |status| {
            status["phase"] == "finished" || status["batches"].as_u64() > Some(1)
        });
        if status["phase"] == "finished" || deaths == 2 {
            break;
        }
        killed.kill();
        deaths += 1;
        killed.restart();
    }
    killed.until(&token, "counting", |status| status["phase"] == "finished");
    let out = |served: &Served| {
        let data = served.folder.path().join("data");
        rows(&data.join("namespaces/a/topologies/counting/work/out"))
    };
    let expected = out(&undisturbed);
    assert_eq!(expected.len(), 20_000);
    assert_eq!(out(&killed), expected);
    assert!(deaths > 0, "it ended before it was killed");

    // What has finished does not run again.
    killed.kill();
    killed.restart();
    assert_eq!(killed.status(&token, "counting")["phase"], "finished");
}

#[test]
fn what_is_stopped_stays_stopped_and_one_server_has_the_data() {
    let mut served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    served
        .folder
        .write("topo.toml", endless("steady").as_bytes());
    served
        .rsrt(&token, &["deploy", "-t", "topo.toml"])
        .says(0, &[]);
    let second = served.folder.rsrt(&["serve", "--config", "server.toml"]);
    second.says(2, &["another server uses the data directory"]);
    served.rsrt(&token, &["stop", "steady"]).says(0, &[]);
    served.kill();
    served.restart();
    assert_eq!(served.status(&token, "steady")["phase"], "stopped");
}

#[test]
fn a_task_in_flight_at_three_crashes_in_a_row_is_quarantined() {
    let mut served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let plugin = crate::guests::plugin("faulty");
    // Its one function never returns, and may take all the time there is.
    let spinning = "name = \"spinning\"\nbatch-interval = \"20ms\"\n\
        [limits]\ncpu-time = \"1h\"\n\
        [source.numbers]\ntype = \"generator\"\nrate = 100\nwords = 2\n\
        [operator.spin]\ninput = \"numbers\"\nmap = \"spins\"\n\
        [sink.out]\ninput = \"spin\"\ntype = \"null\"\n";
    served.folder.write("topo.toml", spinning.as_bytes());
    let plugin = plugin.to_str().unwrap();
    served
        .rsrt(&token, &["deploy", plugin, "-t", "topo.toml"])
        .says(0, &[]);
    let mark = served
        .folder
        .path()
        .join("data/namespaces/a/topologies/spinning/in-flight");
    for crash in 1..=3 {
        while !fs::read(&mark).is_ok_and(|bytes| bytes == b"1") {
            assert_ne!(served.status(&token, "spinning")["phase"], "failed");
        }
        served.kill();
        served.restart();
        let quarantined = served.status(&token, "spinning")["phase"] == "quarantined";
        assert_eq!(quarantined, crash == 3, "after {crash} crashes");
    }
    let why = served.status(&token, "spinning")["why"].clone();
    assert!(why.as_str().unwrap().contains("start"), "{why}");
    // It stays so, until someone starts it.
    served.kill();
    served.restart();
    assert_eq!(served.status(&token, "spinning")["phase"], "quarantined");
    served.rsrt(&token, &["start", "spinning"]).says(0, &[]);
    served.until(&token, "spinning", |status| status["phase"] == "running");
}
