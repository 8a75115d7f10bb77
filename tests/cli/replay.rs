//! `rsrt replay`: a batch of a checkpoint, once more.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use arrow_array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use rsrt::{
    format::RowText,
    model::{Kind, Schema},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use toml_edit::{DocumentMut, value};

use super::{Ended, Folder, lines_topology, signals::wait_for};
use crate::{examples, guests};

fn replay(folder: &Folder, location: &str, batch: i64, more: &[&str]) -> Ended {
    let batch = batch.to_string();
    let replay = ["replay", location, "--batch", &batch];
    folder.rsrt(&[&replay[..], more].concat())
}

fn json(folder: &Folder, batch: i64, more: &[&str]) -> Value {
    let more = [more, &["--format", "json"]].concat();
    let ended = replay(folder, "kept", batch, &more);
    ended.says(ended.code, &[]);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// The batches that are kept, as an error tells them: every so many milliseconds.
fn kept(folder: &Folder) -> Vec<i64> {
    let ended = replay(folder, "kept", 1, &[]);
    ended.says(2, &["batch 1 ms is not kept in kept: there are "]);
    let (_, there) = ended.stderr.split_once("there are ").unwrap();
    let (there, _) = there.split_once(';').unwrap();
    let number = |text: &str| text.trim_end_matches(" ms").trim().parse::<i64>().unwrap();
    match there.split_once(", one every ") {
        None => there.split(',').map(number).collect(),
        Some((range, step)) => {
            let (first, last) = range.split_once(" to ").unwrap();
            let step = usize::try_from(number(step)).unwrap();
            (number(first)..=number(last)).step_by(step).collect()
        }
    }
}

/// The rows that a text shows, by stream; of those that have a batch.
fn sections(text: &str) -> BTreeMap<String, String> {
    let sections = text.split("\n\n").skip(1).filter_map(|section| {
        let (head, rows) = section.split_once('\n').unwrap_or((section, ""));
        let (name, count) = head.split_once(": ")?;
        let is_count = count.ends_with(" row") || count.ends_with(" rows");
        let end = if rows.is_empty() { "" } else { "\n" };
        is_count.then(|| (name.to_owned(), format!("{rows}{end}")))
    });
    sections.collect()
}

/// All rows of a batch of a `text-files` sink.
fn written(folder: &Folder, sink: &str, batch: i64) -> Option<String> {
    let batch = folder.path().join(format!("out/{sink}-{batch}"));
    let mut parts: Vec<PathBuf> = fs::read_dir(batch)
        .ok()?
        .map(|e| e.unwrap().path())
        .collect();
    parts.sort();
    let parts = parts.iter().map(|part| fs::read_to_string(part).unwrap());
    Some(parts.collect())
}

/// An example that reads what a case gives it, writes into files, and keeps every batch.
fn of_case(example: &Path, case: &Value) -> (Folder, Vec<String>) {
    let folder = Folder::new(&[]);
    for file in fs::read_dir(example).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        folder.write(&name, &fs::read(file.path()).unwrap());
    }
    let text = fs::read_to_string(example.join("topo.toml")).unwrap();
    let mut topology: DocumentMut = text.parse().unwrap();
    topology["checkpoint"] = value("kept");
    topology["retain-batches"] = value(1_000);
    let sources = topology["source"].as_table_mut().unwrap();
    for (name, source) in sources.iter_mut() {
        let schema = source.get("schema").cloned();
        *source = toml_edit::table();
        source["type"] = value("queue");
        source["path"] = value(format!("{name}.json"));
        source["schema"] = schema.unwrap_or(value("utf8"));
        let batches = case["sources"][&*name].clone();
        folder.write(&format!("{name}.json"), batches.to_string().as_bytes());
    }
    let sinks = topology["sink"].as_table_mut().unwrap();
    let mut names = Vec::new();
    for (name, sink) in sinks.iter_mut() {
        let input = sink["input"].clone();
        *sink = toml_edit::table();
        sink["input"] = input;
        sink["type"] = value("text-files");
        sink["path"] = value(format!("out/{name}"));
        names.push(name.to_string());
    }
    folder.write("topo.toml", topology.to_string().as_bytes());
    (folder, names)
}

#[test]
fn every_example_makes_its_batches_byte_for_byte_again() {
    let mut compared = 0;
    for example in examples::examples() {
        let plugin = examples::plugin(&example);
        let cases = fs::read(example.join("cases.json")).unwrap();
        let cases: Value = serde_json::from_slice(&cases).unwrap();
        let cases = cases["cases"].as_array().unwrap().iter();
        let cases = cases.filter(|case| case.get("expect-error").is_none());
        for case in cases.take(2) {
            let (folder, sinks) = of_case(&example, case);
            let batches = case["batches"].as_u64();
            let given = case["sources"].as_object().unwrap().values();
            let longest = given.map(|batches| batches.as_array().unwrap().len() as u64);
            let batches = batches.or(longest.max()).unwrap().to_string();
            let run = folder.run_with(plugin, &["--quiet", "--batches", &batches]);
            run.says(0, &[]);
            let kept = kept(&folder);
            assert_eq!(kept.len().to_string(), batches, "{}", example.display());
            let few = kept.iter().step_by(kept.len().div_ceil(6));
            for batch in few.chain(kept.last()) {
                let made = replay(&folder, "kept", *batch, &[]);
                made.says(0, &[]);
                let sections = sections(&made.stdout);
                for sink in &sinks {
                    let made = sections.get(sink.as_str()).cloned();
                    assert_eq!(made, written(&folder, sink, *batch), "{sink} of {batch}");
                    compared += 1;
                }
            }
            // By the same plugin it is the same, with the costs of both.
            let last = *kept.last().unwrap();
            let path = guests::plugin(plugin);
            let same = replay(&folder, "kept", last, &["--plugin", path.to_str().unwrap()]);
            same.says(0, &[]);
            for sink in &sinks {
                let equal = format!("\n{sink}: equal\n");
                assert!(same.stdout.contains(&equal), "{}", same.stdout);
            }
            assert!(
                same.stdout.contains("in the other version\n"),
                "{}",
                same.stdout
            );
        }
    }
    assert!(compared > 30, "{compared}");
}

const OVERFLOWING: &str = r#"
name = "sums"
batch-interval = "1s"
checkpoint = "kept"
[source.numbers]
type = "queue"
path = "numbers.json"
schema = { key = "utf8", value = "int64" }
[operator.sums]
input = "numbers"
reduce-by-key = "std:sum"
[operator.totals]
input = "sums"
update-state-by-key = "running"
[sink.out]
input = "totals"
type = "text-files"
path = "out/totals"
"#;

const TOO_LARGE: &str =
    r#"[[["a", 1]], [["a", 9223372036854775807], ["a", 7]], [["a", 3], ["b", 4]]]"#;

#[test]
fn a_batch_that_failed_fails_again_and_another_version_may_make_it() {
    let files = [("topo.toml", OVERFLOWING), ("numbers.json", TOO_LARGE)];
    let folder = Folder::new(&files);
    folder
        .run_with("word-count", &["--quiet"])
        .says(1, &["overflows"]);
    let kept = kept(&folder);
    assert_eq!(kept.len(), 2);
    let failed = replay(&folder, "kept", kept[1], &[]);
    failed.says(1, &[]);
    for words in [
        "failed: made by version 1 of the beginning and 1 batch between",
        "it fails: batch ",
        "`sums`",
        "overflows",
    ] {
        assert!(failed.stdout.contains(words), "{words}: {}", failed.stdout);
    }
    let set = ["--set", "operator.sums.reduce-by-key=std:min"];
    let mended = replay(&folder, "kept", kept[1], &set);
    mended.says(1, &[]);
    for words in [
        "it fails as it was: batch",
        "out: a batch only in the other version",
    ] {
        assert!(mended.stdout.contains(words), "{words}: {}", mended.stdout);
    }
    folder.write(
        "new.toml",
        OVERFLOWING.replace("std:sum", "std:min").as_bytes(),
    );
    let answer = json(&folder, kept[1], &["--topology", "new.toml"]);
    assert_eq!(answer["was"], "failed");
    assert_eq!(answer["equal"], false);
    assert_eq!(answer["batch"], kept[1]);
    assert_eq!(answer["made"]["streams"][0]["all"], Value::Null);
    // Upon the state of the first batch, which was not lost.
    assert_eq!(answer["other"]["error"], Value::Null);
    let rows = answer["other"]["streams"][0]["rows"].to_string();
    assert_eq!(rows, r#"[["a",8]]"#);
    assert_eq!(answer["differences"][0]["verdict"], "new-batch");
    // The run goes on as if nobody had looked.
    folder.write(
        "topo.toml",
        OVERFLOWING.replace("std:sum", "std:min").as_bytes(),
    );
    folder.run_with("word-count", &["--quiet"]).says(0, &[]);
    let answer = json(&folder, kept[1], &[]);
    assert_eq!(
        (&answer["was"], &answer["version"]),
        (&"committed".into(), &2.into())
    );
    assert_eq!(answer["made"]["streams"][0]["rows"].to_string(), rows);
}

/// Names and bytes of all that lies below.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = files.filter(|file| file.file_type().is_file());
    files
        .map(|file| (file.path().to_owned(), fs::read(file.path()).unwrap()))
        .collect()
}

#[test]
fn a_copy_without_anyone_who_runs_it_is_enough_and_stays_as_it_is() {
    let words = "[operator.words]\ninput = \"lines\"\nflat-map = \"split\"\n\
                 [operator.counts]\ninput = \"words\"\nupdate-state-by-key = \"running\"";
    let head = "checkpoint = \"kept\"\ncheckpoint-interval = \"2s\"\nretain-batches = 3";
    let topology = lines_topology(head, words, "counts");
    let text = "a b\na\nb b\nc\na a\n";
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", text)]);
    let run = folder.run_with("word-count", &["--quiet"]);
    run.says(0, &[]);
    let printed = run.printed();
    let kept = kept(&folder);
    let elsewhere = Folder::new(&[("in.txt", text)]);
    let copy = elsewhere.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for (path, bytes) in everything(&folder.path().join("kept")) {
        // Nor is the lock needed.
        if !path.ends_with("lock") {
            fs::write(copy.join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
    let before = everything(&copy);
    assert!(kept.len() >= 3, "{kept:?}");
    for (batch, rows) in kept.iter().rev().zip(printed.iter().rev()) {
        let made = replay(&elsewhere, "copy", *batch, &[]);
        made.says(0, &[]);
        let sections = sections(&made.stdout);
        assert_eq!(sections["out"].lines().collect::<Vec<_>>(), *rows);
        let few = replay(
            &elsewhere,
            "copy",
            *batch,
            &["--rows", "1", "--operator", "words"],
        );
        few.says(0, &[]);
        assert!(few.stdout.contains("\nwords: "), "{}", few.stdout);
        let same = elsewhere.rsrt(&["replay", "copy", "--batch", &iso(*batch)]);
        assert_eq!(
            self::sections(same.says(0, &[]).stdout.as_str())["out"],
            sections["out"]
        );
    }
    assert_eq!(everything(&copy), before);
    // Files are read where they lie.
    let moved = Folder::new(&[]);
    let path = copy.to_str().unwrap();
    replay(&moved, path, kept[0], &[]).says(2, &["source lines: cannot read in.txt"]);
    let base = elsewhere.path().to_str().unwrap();
    replay(&moved, path, kept[0], &["--base-dir", base]).says(0, &[]);
    fs::write(elsewhere.path().join("in.txt"), "a").unwrap();
    let last = *kept.last().unwrap();
    replay(&elsewhere, "copy", last, &[]).says(2, &["in.txt was changed"]);
}

/// The time as ISO 8601.
fn iso(millis: i64) -> String {
    let column: ArrayRef =
        Arc::new(TimestampMillisecondArray::from(vec![millis]).with_timezone("UTC"));
    let schema = Schema::plain(Kind::Timestamp);
    let chunk = RecordBatch::try_new(schema.to_arrow(), vec![column]).unwrap();
    let mut text = Vec::new();
    RowText::new(&schema)
        .write(&chunk, 0..1, &mut text)
        .unwrap();
    String::from_utf8(text).unwrap().trim_end().to_owned()
}

#[test]
fn a_run_that_has_the_checkpoint_open_goes_on_meanwhile() {
    let topology = "name = \"numbers\"\nbatch-interval = \"100ms\"\ncheckpoint = \"kept\"\n\
        checkpoint-interval = \"500ms\"\nretain-batches = 50\n\
        [source.numbers]\ntype = \"generator\"\nrate = 2000\n\
        [operator.total]\ninput = \"numbers\"\nreduce = \"std:sum\"\n\
        [sink.out]\ninput = \"total\"\ntype = \"text-files\"\npath = \"out/out\"\n";
    let folder = Folder::new(&[("topo.toml", topology)]);
    let mut rsrt = folder.command(&["run", "-t", "topo.toml", "--watch"]);
    let mut child = rsrt.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    wait_for("running numbers", &mut stderr);
    let changed = topology.replace("std:sum", "std:max");
    folder.write("topo.toml", changed.as_bytes());
    wait_for("another version makes the batches", &mut stderr);
    let mut looked = 0;
    for batch in kept(&folder).into_iter().step_by(7) {
        let Some(rows) = written(&folder, "out", batch) else {
            continue; // claimed, or in flight
        };
        let made = replay(&folder, "kept", batch, &[]);
        made.says(0, &[]);
        assert_eq!(sections(&made.stdout)["out"], rows, "{}", made.stdout);
        looked += 1;
    }
    assert!(looked > 0);
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    // The batches of both versions, by the one whose they are.
    let versions = kept(&folder).into_iter().map(|batch| {
        let answer = json(&folder, batch, &[]);
        assert_eq!(answer["was"], "committed");
        answer["version"].as_u64().unwrap()
    });
    let versions: Vec<u64> = versions.collect();
    assert!(
        versions.is_sorted() && versions.ends_with(&[2]),
        "{versions:?}"
    );
}

#[test]
fn what_is_given_wrongly_is_told() {
    let files = [
        ("topo.toml", OVERFLOWING),
        ("numbers.json", "[[[\"a\", 1]]]"),
    ];
    let folder = Folder::new(&files);
    folder.run_with("word-count", &["--quiet"]).says(0, &[]);
    let batch = kept(&folder)[0];
    folder.write("broken.toml", b"name = ");
    folder.write("broken.wasm", b"\0asm nothing");
    folder.write("other.toml", OVERFLOWING.replace("1s", "2s").as_bytes());
    let sessions = guests::plugin("sessions");
    let named = format!("text={}", sessions.display());
    for (more, words) in [
        (
            &["--operator", "totls"][..],
            &["no stream `totls`", "numbers.rejected, sums"][..],
        ),
        (
            &["--topology", "nowhere.toml"],
            &["cannot read topology nowhere.toml"],
        ),
        (&["--topology", "broken.toml"], &["broken.toml"]),
        (
            &["--topology", "other.toml"],
            &["cannot go on where this one was", "batch-interval"],
        ),
        (
            &["--plugin", "nowhere.wasm"],
            &["cannot load plugin nowhere.wasm"],
        ),
        (
            &["--plugin", "broken.wasm"],
            &["cannot load plugin broken.wasm"],
        ),
        (&["--plugin", sessions.to_str().unwrap()], &["running"]),
        (&["--plugin", &named], &["the topology calls nothing of"]),
        (
            &["--set", "operator.sums.reduce-by-key=std:summ"],
            &["std:summ"],
        ),
        (&["--set", "operator.more.input=sums"], &["more"]),
        (
            &["--grant", "other=stdout"],
            &["no operator or sink calls it"],
        ),
        (
            &["--secrets", "nowhere"],
            &["there are no secrets at nowhere"],
        ),
    ] {
        replay(&folder, "kept", batch, more).says(2, words);
    }
    replay(&folder, "nowhere", batch, &[]).says(2, &["no such directory"]);
    replay(&folder, "out", batch, &[]).says(2, &["it holds no checkpoint"]);
    for wrong in ["tomorrow", "", "1e3"] {
        let asked = folder.rsrt(&["replay", "kept", "--batch", wrong]);
        asked.says(2, &["neither milliseconds since the epoch nor a time"]);
    }
    // What it is made of is gone.
    let program = |name: &String| name.starts_with("program-");
    let there = fs::read_dir(folder.path().join("kept")).unwrap();
    let names = there.map(|file| file.unwrap().file_name().into_string().unwrap());
    for name in names.filter(program).collect::<Vec<_>>() {
        fs::write(folder.path().join("kept").join(name), "something else").unwrap();
    }
    replay(&folder, "kept", batch, &[]).says(2, &["program-", "is not what was written"]);
}

#[test]
fn only_secrets_of_operators_are_needed_and_none_is_shown() {
    let leaks = "[operator.it]\ninput = \"lines\"\nmap = \"leaks\"\n\
                 settings = { key = { secret = \"api-key\" } }\n\
                 [sink.db]\ninput = \"lines\"\ntype = \"postgres\"\ntable = \"t\"\n\
                 url = { secret = \"database\" }\n";
    let topology = lines_topology("checkpoint = \"kept\"", leaks, "it");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "log\n")]);
    let plugin = guests::plugin("faulty");
    let run = [
        "run",
        plugin.to_str().unwrap(),
        "-t",
        "topo.toml",
        "--quiet",
    ];
    let mut run = folder.command(&run);
    let run = run.env("RSRT_SECRET_API_KEY", "swordfish");
    let nobody = "postgres://u:p@127.0.0.1:1/d";
    let ran = run.env("RSRT_SECRET_DATABASE", nobody).output();
    Ended::of(ran.unwrap()).says(1, &["sink db"]);
    let batch = kept(&folder)[0];
    replay(&folder, "kept", batch, &[]).says(2, &["`api-key`", "RSRT_SECRET_API_KEY"]);
    let number = batch.to_string();
    let mut again = folder.command(&["replay", "kept", "--batch", &number]);
    let again = again.env("RSRT_SECRET_API_KEY", "swordfish").output();
    let again = Ended::of(again.unwrap());
    again.says(0, &["the key is [secret]"]);
    assert_eq!(sections(&again.stdout)["out"], "logged\n");
    assert!(!again.stderr.contains("swordfish"), "{}", again.stderr);
}

#[test]
fn what_a_plugin_is_granted_changes_nothing() {
    let path = guests::plugin("outside");
    let operator = format!(
        "[operator.asked]\ninput = \"lines\"\nmap = \"outside:say\"\n\
         [plugin.outside]\npath = '{}'\ngrants = [\"stdout\", \"write:out\", \"read:out\"]\n",
        path.display()
    );
    let topology = lines_topology("checkpoint = \"kept\"", &operator, "asked");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", "hello\n")]);
    fs::create_dir(folder.path().join("out")).unwrap();
    let run = folder.rsrt(&["run", "-t", "topo.toml"]);
    run.says(0, &[]);
    assert!(run.stdout.starts_with("hello\n"), "{}", run.stdout);
    let batch = kept(&folder)[0];
    let made = replay(&folder, "kept", batch, &[]);
    made.says(
        0,
        &[
            "stdout is not granted here",
            "write:out is not granted here",
        ],
    );
    assert!(made.stdout.starts_with("batch 1 ("), "{}", made.stdout);
    assert_eq!(sections(&made.stdout)["out"], "hello\n");
    let granted = replay(&folder, "kept", batch, &["--grant", "outside=stdout"]);
    assert!(
        granted.says(0, &[]).stdout.starts_with("hello\nbatch 1 ("),
        "{}",
        granted.stdout
    );
}
