//! What is deployed, as it lies on disk.

use serde::{Deserialize, Serialize};

use crate::model::{Namespace, TopologyName};

/// Crashes of the server, one after the other, at which a topology had a task in flight, before it
/// is quarantined.
const MOST_CRASHES: u32 = 3;

/// What a topology is meant to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Desired {
    /// Run.
    Running,
    /// Wait to be started.
    Stopped,
    /// Nothing more: its sources have ended.
    Finished,
}

/// A plugin's alias (none is the default) and the digest of its bytes.
pub type PluginDigest = (Option<String>, String);

/// A deployed topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Record {
    /// Whose it is.
    pub namespace: Namespace,
    /// Its name.
    pub name: TopologyName,
    /// Counts what was deployed under this name.
    pub version: u64,
    /// What its file was called.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Its plugins.
    pub plugins: Vec<PluginDigest>,
    /// Files that were uploaded with it: path below its directory, and the digest of the bytes.
    #[serde(default)]
    pub files: Vec<(String, String)>,
    /// What it is meant to do.
    pub desired: Desired,
    /// Who deployed it.
    pub deployed_by: String,
    /// When, in milliseconds since the epoch.
    pub deployed_at: i64,
    /// Who last changed what it is meant to do.
    pub changed_by: String,
    /// When.
    pub changed_at: i64,
    /// Consecutive crashes of the server at which it had a task in flight.
    pub crashes: u32,
}

impl Record {
    /// Deployed just now, to run.
    pub fn new(
        (namespace, name): (&Namespace, &TopologyName),
        (file, text): (String, String),
        (plugins, files): (Vec<PluginDigest>, Vec<(String, String)>),
        (by, now): (&str, i64),
    ) -> Self {
        Self {
            namespace: namespace.clone(),
            name: name.clone(),
            version: 1,
            file,
            text,
            plugins,
            files,
            desired: Desired::Running,
            deployed_by: by.to_owned(),
            deployed_at: now,
            changed_by: by.to_owned(),
            changed_at: now,
            crashes: 0,
        }
    }

    /// Takes into account how the server ended; true if that is news.
    pub fn count_crash(&mut self, had_task_in_flight: bool) -> bool {
        if self.is_quarantined() {
            return false;
        }
        let before = self.crashes;
        self.crashes = match had_task_in_flight {
            true => before + 1,
            false => 0,
        };
        self.crashes != before
    }

    /// It was in flight at too many crashes, and waits for someone to start it.
    pub fn is_quarantined(&self) -> bool {
        self.crashes >= MOST_CRASHES
    }

    /// It is to run.
    pub fn start(&mut self, by: &str, now: i64) {
        self.desired = Desired::Running;
        self.crashes = 0;
        self.changed(by, now);
    }

    /// It is to stop. What is quarantined stays so.
    pub fn stop(&mut self, by: &str, now: i64) {
        self.desired = Desired::Stopped;
        self.changed(by, now);
    }

    fn changed(&mut self, by: &str, now: i64) {
        by.clone_into(&mut self.changed_by);
        self.changed_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let names = ("a".parse().unwrap(), "t".parse().unwrap());
        let text = ("t.toml".to_owned(), String::new());
        Record::new(
            (&names.0, &names.1),
            text,
            (Vec::new(), Vec::new()),
            ("me", 1),
        )
    }

    #[test]
    fn three_crashes_in_a_row_quarantine_until_someone_starts_it() {
        // Whether a task was in flight at each crash; whether it is quarantined then.
        for (crashes, quarantined) in [
            (&[true, true][..], false),
            (&[true, true, true], true),
            (&[true, true, false, true], false),
            (&[true, true, true, false], true),
        ] {
            let mut record = record();
            for crash in crashes {
                record.count_crash(*crash);
            }
            assert_eq!(record.is_quarantined(), quarantined, "{crashes:?}");
            record.stop("me", 2);
            assert_eq!(record.is_quarantined(), quarantined);
            record.start("me", 3);
            assert!(!record.is_quarantined());
        }
    }
}
