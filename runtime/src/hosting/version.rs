//! A version of a deployed topology, as it lies on disk.

use serde::{Deserialize, Serialize};

use crate::checkpoint::Program;

/// A plugin's alias (none is the default) and the digest of its bytes.
pub type PluginDigest = (Option<String>, String);

/// A version of a topology, as it was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VersionRecord {
    /// Counts what was deployed under the topology's name, from 1.
    pub number: u64,
    /// What its file was called.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Its plugins.
    pub plugins: Vec<PluginDigest>,
    /// Files that were uploaded with it: path below its directory, and the digest of the bytes.
    pub files: Vec<(String, String)>,
    /// Who deployed it.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// The first batch that it made when it took over, in milliseconds since the epoch; none: it did not take over
    /// from a running one.
    pub from: Option<i64>,
    /// How it did beside the version before, in lines; nothing if it was not tried.
    #[serde(default)]
    pub tried: Vec<String>,
    /// What became of it.
    pub outcome: VersionOutcome,
}

/// What became of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionOutcome {
    /// It is to take over.
    Waiting,
    /// It runs, or would.
    Live,
    /// Another one took over.
    Replaced,
    /// It was not let to take over, and why.
    Refused(String),
    /// It was live, and the one before it is again, and why.
    RolledBack(String),
}

impl VersionOutcome {
    /// One word, for people and programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Live => "live",
            Self::Replaced => "replaced",
            Self::Refused(_) => "refused",
            Self::RolledBack(_) => "rolled-back",
        }
    }

    /// Why it is so, if there is more to say.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Waiting | Self::Live | Self::Replaced => None,
            Self::Refused(why) | Self::RolledBack(why) => Some(why),
        }
    }
}

impl VersionRecord {
    /// It is this program.
    pub(super) fn is(&self, program: &Program) -> bool {
        let mut own = Program::new(&self.text, self.plugins.clone());
        let mut other = program.clone();
        own.plugins.sort();
        other.plugins.sort();
        own == other
    }
}
