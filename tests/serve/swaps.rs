//! Other versions of a deployed topology: planned, swapped, gone back from, while every record is counted.

use std::{
    fs,
    io::{BufRead as _, BufReader},
};

use serde_json::{Value, json};

use super::{
    Served,
    numbers::{NUMBERS, Two},
};

fn outcomes(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    let expected = expected.iter();
    expected
        .map(|(n, outcome)| (*n, (*outcome).to_owned()))
        .collect()
}

#[test]
fn a_second_deploy_takes_over_and_what_may_not_changes_nothing() {
    let mut two = Two::start();
    two.with("reduce = \"std:sum\"", "reduce = \"std:max\"");
    let planned = two.rsrt(&["diff", "numbers", "-t", "topo.toml"]);
    planned.says(0, &[]);
    assert!(
        planned.stdout.contains("operator total: safe"),
        "{}",
        planned.stdout
    );
    let deployed = two.rsrt(&["deploy", "-t", "topo.toml"]);
    deployed.says(0, &[]);
    assert!(
        deployed.stdout.contains("operator total: safe"),
        "{}",
        deployed.stdout
    );
    let taken = "version 2 of numbers makes the batches from ";
    assert!(deployed.stdout.contains(taken), "{}", deployed.stdout);
    two.goes_on();

    two.with("300ms", "400ms");
    let planned = two.rsrt(&["diff", "numbers", "-t", "topo.toml"]);
    planned.says(1, &[]);
    assert!(
        planned.stdout.contains("operator window: loses state"),
        "{}",
        planned.stdout
    );
    let deploy = ["deploy", "-t", "topo.toml"];
    two.rsrt(&deploy)
        .says(2, &["would lose state", "--accept-state-loss"]);
    two.with("rate = 2000", "rate = 3000");
    two.rsrt(&deploy)
        .says(2, &["cannot take over while the stream runs"]);
    let all = [(1, "replaced"), (2, "live"), (3, "refused"), (4, "refused")];
    assert_eq!(two.outcomes(), outcomes(&all));
    let history = two.rsrt(&["history", "numbers"]);
    history.says(0, &[]);
    for line in [
        "version 1: replaced",
        "version 2: live, from batch",
        "version 3: refused",
    ] {
        assert!(history.stdout.contains(line), "{}", history.stdout);
    }

    let back = two.rsrt(&["rollback", "numbers"]);
    back.says(0, &[]);
    assert!(
        back.stdout.contains("version 1 of numbers"),
        "{}",
        back.stdout
    );
    two.goes_on();
    two.rsrt(&["rollback", "numbers", "1"])
        .says(2, &["is the one that is live"]);
    two.rsrt(&["rollback", "numbers", "9"])
        .says(2, &["no version 9"]);
    two.served.kill();
    two.served.restart();
    two.goes_on();
    assert_eq!(two.served.status(&two.token, "numbers")["version"], 1);

    two.with("300ms", "400ms");
    let lossy = ["deploy", "-t", "topo.toml", "--accept-state-loss"];
    two.rsrt(&lossy).says(0, &[]);
    two.goes_on();
    two.counts();
}

#[test]
fn what_does_not_run_has_another_version_at_once() {
    let two = Two::start();
    two.rsrt(&["stop", "numbers"]).says(0, &[]);
    two.with("300ms", "400ms");
    let lossy = ["swap", "numbers", "-t", "topo.toml", "--accept-state-loss"];
    two.rsrt(&lossy)
        .says(2, &["can be lost only while it does"]);
    two.with("reduce = \"std:sum\"", "reduce = \"std:min\"");
    let swapped = two.rsrt(&["swap", "numbers", "-t", "topo.toml"]);
    swapped.says(0, &[]);
    assert!(
        swapped.stdout.contains("version 2 of numbers is live"),
        "{}",
        swapped.stdout
    );
    assert_eq!(two.served.status(&two.token, "numbers")["phase"], "stopped");
    // A deploy starts it, too.
    two.with("reduce = \"std:sum\"", "reduce = \"std:max\"");
    two.rsrt(&["deploy", "-t", "topo.toml"]).says(0, &[]);
    two.goes_on();
    two.counts();
}

#[test]
fn a_server_that_dies_in_between_finds_out_which_version_took_over() {
    let mut two = Two::start();
    two.with("reduce = \"std:sum\"", "reduce = \"std:max\"");
    two.rsrt(&["deploy", "-t", "topo.toml"]).says(0, &[]);
    two.goes_on();
    two.served.kill();
    let path = two.folder("a").join("record.json");
    let now: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let write = |record: &Value| fs::write(&path, record.to_string()).unwrap();
    // It died before it noted that the second version had taken over.
    let mut before = now.clone();
    before["waiting"] = now["live"].clone();
    before["live"] = now["before"][0].clone();
    before["before"] = json!([]);
    write(&before);
    two.served.restart();
    two.goes_on();
    assert_eq!(two.outcomes(), outcomes(&[(1, "replaced"), (2, "live")]));

    // It died when a third one waited.
    two.served.kill();
    let mut waiting: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut third = now["before"][0].clone();
    third["number"] = json!(3);
    third["text"] = json!(NUMBERS.replace("std:sum", "std:count"));
    waiting["waiting"] = third;
    write(&waiting);
    two.served.restart();
    two.goes_on();
    let all = [(1, "replaced"), (2, "live"), (3, "refused")];
    assert_eq!(two.outcomes(), outcomes(&all));
    two.counts();
}

#[test]
fn many_swaps_and_deaths_lose_nothing() {
    let mut two = Two::start();
    let sums = ["std:sum", "std:max", "std:min"];
    let mut taken = 0;
    for at in 1..=24_usize {
        let sum = format!("reduce = \"{}\"", sums[at % 3]);
        let text = NUMBERS.replace("reduce = \"std:sum\"", &sum);
        two.served.folder.write("topo.toml", text.as_bytes());
        let swap = ["swap", "numbers", "-t", "topo.toml"];
        // Some die on their way.
        if at % 4 == 0 {
            let mut asking = two.served.follow(&two.token, &swap);
            let mut said = BufReader::new(asking.stdout.take().unwrap());
            // When it has said what would change it asks for it.
            said.read_line(&mut String::new()).unwrap();
            if at % 8 == 0 {
                asking.wait().unwrap();
            }
            two.served.kill();
            let _ = asking.wait(); // it may have been answered
            two.served.restart();
        } else {
            two.rsrt(&swap).says(0, &[]);
            taken += 1;
        }
        // Each death may find a batch in flight, and three in a row are a reason to stop.
        two.rsrt(&["start", "numbers"]).says(0, &[]);
        two.goes_on();
    }
    assert_eq!(taken, 18);
    two.counts();
}

#[test]
fn a_version_that_faults_is_rolled_back_by_itself() {
    let mut two = Two::start();
    let faults = "[operator.same]\ninput = \"words\"\nmap = \"panics\"\n\
        [sink.faulty]\ninput = \"same\"\ntype = \"null\"\n";
    let text = format!("{NUMBERS}{faults}");
    two.served.folder.write("topo.toml", text.as_bytes());
    let plugin = crate::guests::plugin("faulty");
    let swap = [
        "swap",
        "numbers",
        plugin.to_str().unwrap(),
        "-t",
        "topo.toml",
    ];
    let swapped = two.rsrt(&swap);
    // It may have made a batch before anybody asked.
    assert!(
        swapped.stdout.contains("version 2 of numbers"),
        "{}{}",
        swapped.stdout,
        swapped.stderr
    );
    two.served
        .until(&two.token, "numbers", |status| status["version"] == 1);
    two.goes_on();
    assert_eq!(two.outcomes(), outcomes(&[(1, "live"), (2, "rolled-back")]));
    let history = two.rsrt(&["history", "numbers"]);
    history.says(0, &[]);
    assert!(history.stdout.contains("rolled-back"), "{}", history.stdout);
    assert!(
        history.stdout.contains("operator `same`"),
        "{}",
        history.stdout
    );
    let log = two.rsrt(&["logs", "numbers"]);
    assert!(log.stdout.contains("the version before"), "{}", log.stdout);
    two.served.kill();
    two.served.restart();
    two.goes_on();
    assert_eq!(two.outcomes(), outcomes(&[(1, "live"), (2, "rolled-back")]));
    two.counts();
}

#[test]
fn a_plugin_is_replaced_for_one_operator() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let topology = "name = \"words\"\nbatch-interval = \"50ms\"\n\
        [source.lines]\ntype = \"generator\"\nrate = 1000\nwords = 3\n\
        [operator.first]\ninput = \"lines\"\nmap = \"echo\"\n\
        [operator.second]\ninput = \"first\"\nmap = \"echo\"\n\
        [sink.out]\ninput = \"second\"\ntype = \"null\"\n";
    served.folder.write("topo.toml", topology.as_bytes());
    let plugin = crate::guests::plugin("faulty");
    let deploy = ["deploy", plugin.to_str().unwrap(), "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(0, &[]);
    // Another build: a custom section more.
    let mut other = fs::read(&plugin).unwrap();
    other.extend([0, 6, 4, b'm', b'o', b'r', b'e', 1]);
    served.folder.write("other.wasm", &other);
    let one = ["swap", "words", "other.wasm", "--operator"];
    let swapped = served.rsrt(&token, &[&one[..], &["second"]].concat());
    swapped.says(0, &[]);
    assert!(
        swapped.stdout.contains("operator first: unchanged"),
        "{}",
        swapped.stdout
    );
    assert!(
        swapped.stdout.contains("operator second: safe"),
        "{}",
        swapped.stdout
    );
    served.rsrt(&token, &[&one[..], &["third"]].concat()).says(
        2,
        &["there is no operator `third`; there are first, second"],
    );
    let all = served.rsrt(&token, &["swap", "words", "other.wasm"]);
    all.says(0, &[]);
    assert!(
        all.stdout
            .contains("operator first: safe: the default plugin is another build"),
        "{}",
        all.stdout
    );
    assert!(
        all.stdout.contains("operator second: unchanged"),
        "{}",
        all.stdout
    );
    served
        .rsrt(&token, &["swap", "words"])
        .says(2, &["a plugin or --topology FILE is needed"]);
    served.until(&token, "words", |status| {
        assert_eq!(status["failed-batches"], 0, "{status}");
        status["version"] == 3 && status["batches"].as_u64() > Some(20)
    });
}

#[test]
fn a_version_is_tried_beside_the_running_one_first() {
    let two = Two::start();
    // Each window has one sum, so that its least one is the same.
    two.with("reduce = \"std:sum\"", "reduce = \"std:min\"");
    let swap = ["swap", "numbers", "-t", "topo.toml", "--shadow", "3"];
    let tried = two.rsrt(&swap);
    tried.says(0, &[]);
    for line in [
        "shadow: 3 batches, ",
        " 0 differ; CPU ",
        "version 2 of numbers makes",
    ] {
        assert!(tried.stdout.contains(line), "{}", tried.stdout);
    }
    two.with("reduce = \"std:sum\"", "reduce = \"std:count\"");
    let differs = [
        "only in what one of both versions puts out",
        "only the running version has",
    ];
    two.rsrt(&swap).says(2, &differs);
    two.goes_on();
    let all = [(1, "replaced"), (2, "live"), (3, "refused")];
    assert_eq!(two.outcomes(), outcomes(&all));
    two.rsrt(&[&swap[..], &["--max-diff", "1000"]].concat())
        .says(0, &[]);
    two.counts();
}

#[test]
fn a_kept_batch_of_a_deployed_topology_is_made_again() {
    let two = Two::start();
    let status = two.served.status(&two.token, "numbers");
    let batch = status["last-batch"].as_i64().unwrap();
    let time = batch.to_string();
    let replay = ["replay", "numbers", "--batch", &time, "--format", "json"];
    let replayed = two.rsrt(&replay);
    replayed.says(0, &[]);
    let answer: Value = serde_json::from_str(&replayed.stdout).unwrap();
    let streams = answer["made"]["streams"].as_array().unwrap();
    let all = streams
        .iter()
        .find(|stream| stream["name"] == "all")
        .unwrap();
    let rows: Vec<String> = (all["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string))
    .collect();
    let folder = two.folder("a").join(format!("work/out/all-{batch}"));
    let mut written = Vec::new();
    for part in ["part-00000", "part-00001"] {
        let text = fs::read_to_string(folder.join(part)).unwrap();
        written.extend(text.lines().map(ToOwned::to_owned));
    }
    assert!(
        !rows.is_empty() && all["all"].as_u64() == Some(written.len() as u64),
        "{all}"
    );
    assert_eq!(rows, written[..rows.len()]);
    let shown = two.rsrt(&[
        "replay",
        "numbers",
        "--batch",
        &time,
        "--operator",
        "window",
    ]);
    shown.says(0, &[]);
    assert!(shown.stdout.contains("window: 1 rows"), "{}", shown.stdout);
    let gone = two.rsrt(&["replay", "numbers", "--batch", "1000"]);
    gone.says(2, &["batch 1000 ms"]);
    two.served.tells_no_path(&gone.stderr);
    two.counts();
}

#[test]
fn whoever_looks_at_a_stream_goes_on_looking_after_a_swap() {
    let two = Two::start();
    let mut child = two.served.follow(
        &two.token,
        &["tap", "numbers", "window", "--format", "json"],
    );
    let mut rows = BufReader::new(child.stdout.take().unwrap()).lines();
    rows.next().unwrap().unwrap();
    two.with("reduce = \"std:sum\"", "reduce = \"std:max\"");
    let swapped = two.rsrt(&["swap", "numbers", "-t", "topo.toml", "--format", "json"]);
    swapped.says(0, &[]);
    let version: Value = serde_json::from_str(&swapped.stdout).unwrap();
    let from = version["from"].as_i64().unwrap();
    let of_new = rows.find(|row| {
        let row: Value = serde_json::from_str(row.as_ref().unwrap()).unwrap();
        row["batch"].as_i64() >= Some(from)
    });
    assert!(of_new.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
}
