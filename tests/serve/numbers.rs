//! A topology that counts on every number, in two namespaces.

use std::{fs, path::PathBuf};

use serde_json::Value;
use walkdir::WalkDir;

use super::Served;

/// Writes every number of a generator to files, and remembers a window.
pub(super) const NUMBERS: &str = r#"
name = "numbers"
batch-interval = "100ms"
checkpoint = "kept"
checkpoint-interval = "500ms"
[source.numbers]
type = "generator"
rate = 2000
[source.words]
type = "generator"
rate = 100
words = 2
[operator.window]
input = "numbers"
reduce-by-window = "std:sum"
length = "300ms"
[operator.total]
input = "window"
reduce = "std:sum"
[sink.all]
input = "numbers"
type = "text-files"
path = "out/all"
[sink.totals]
input = "total"
type = "null"
[sink.others]
input = "words"
type = "null"
"#;

/// A server with the topology in two namespaces; nobody touches the second one.
pub(super) struct Two {
    pub(super) served: Served,
    pub(super) token: String,
    other: String,
}

impl Two {
    pub(super) fn start() -> Self {
        let served = Served::start();
        let token = served.token(&["--namespace", "a"]);
        let other = served.token(&["--namespace", "b"]);
        served.folder.write("topo.toml", NUMBERS.as_bytes());
        for token in [&token, &other] {
            let deployed = served.rsrt(token, &["deploy", "-t", "topo.toml"]);
            deployed.says(0, &[]);
            served.until(token, "numbers", |status| {
                status["batches"].as_u64() > Some(2)
            });
        }
        Self {
            served,
            token,
            other,
        }
    }

    pub(super) fn rsrt(&self, arguments: &[&str]) -> crate::cli::Ended {
        self.served.rsrt(&self.token, arguments)
    }

    /// The topology with this instead of that.
    pub(super) fn with(&self, this: &str, that: &str) {
        let text = NUMBERS.replace(this, that);
        assert_ne!(text, NUMBERS);
        self.served.folder.write("topo.toml", text.as_bytes());
    }

    /// What became of each version.
    pub(super) fn outcomes(&self) -> Vec<(u64, String)> {
        let path = "/v1/namespaces/a/topologies/numbers/versions";
        let (code, text) = self.served.http("GET", path, &self.token, "");
        assert_eq!(code, 200, "{text}");
        let all: Value = serde_json::from_str(&text).unwrap();
        let all = all.as_array().unwrap().iter();
        let outcome = |one: &Value| one["outcome"].as_str().unwrap().to_owned();
        all.map(|one| (one["version"].as_u64().unwrap(), outcome(one)))
            .collect()
    }

    /// More batches are made.
    pub(super) fn goes_on(&self) {
        let batches = |status: &Value| status["batches"].as_u64().unwrap();
        let before = batches(&self.served.status(&self.token, "numbers"));
        self.served.until(&self.token, "numbers", |status| {
            assert_eq!(status["phase"], "running", "{status}");
            batches(status) > before + 3
        });
    }

    pub(super) fn folder(&self, namespace: &str) -> PathBuf {
        let data = self.served.folder.path().join("data/namespaces");
        data.join(namespace).join("topologies/numbers")
    }

    /// Stops both, and finds every number in the files once.
    pub(super) fn counts(&self) {
        for (namespace, token) in [("a", &self.token), ("b", &self.other)] {
            self.served.rsrt(token, &["stop", "numbers"]).says(0, &[]);
            let out = self.folder(namespace).join("work/out");
            let files = WalkDir::new(out).into_iter().map(Result::unwrap);
            let files = files.filter(|file| file.file_type().is_file());
            let texts = files.map(|file| fs::read_to_string(file.path()).unwrap());
            let mut rows: Vec<u64> = Vec::new();
            for text in texts {
                rows.extend(text.lines().map(|row| row.parse::<u64>().unwrap()));
            }
            rows.sort_unstable();
            assert!(rows.len() > 1_000, "{namespace}: {}", rows.len());
            let expected: Vec<u64> = (0..rows.len() as u64).collect();
            assert_eq!(rows, expected, "{namespace}");
        }
        assert_eq!(self.served.status(&self.other, "numbers")["version"], 1);
    }
}
