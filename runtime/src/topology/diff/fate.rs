//! What becomes of a part of a topology.

use std::fmt;

use super::Reason;

/// A part of a topology, what becomes of it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of part it is.
    pub part: Part,
    /// Its name in the new version; of what is gone, in the old one.
    pub name: String,
    /// Its name in the old version, if that was another.
    pub renamed_from: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
    /// Why; nothing if it is unchanged.
    pub reasons: Vec<Reason>,
}

/// A kind of part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Topology,
    /// Where rows come from.
    Source,
    /// What happens to rows.
    Operator,
    /// Where rows go.
    Sink,
}

impl Part {
    /// What people call it.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Topology => "topology",
            Self::Source => "source",
            Self::Operator => "operator",
            Self::Sink => "sink",
        }
    }
}

/// What becomes of a part of a topology; worse ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is as before.
    Unchanged,
    /// It was not there before.
    Added,
    /// It is not there any more, and remembered nothing.
    Removed,
    /// It is another, and all that it remembers is kept.
    Safe,
    /// What it remembers is made into what its new version remembers, by the plugin.
    MigratesState {
        /// The version that the state has.
        since: u32,
        /// The version that it is to have.
        to: u32,
    },
    /// What it remembers would be forgotten, which someone must accept.
    LosesState,
    /// It cannot change while the stream runs.
    NeedsRestart,
    /// It cannot change.
    Refused,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("unchanged"),
            Self::Added => f.write_str("added"),
            Self::Removed => f.write_str("removed"),
            Self::Safe => f.write_str("safe"),
            Self::MigratesState { since, to } => {
                write!(f, "migrates state (version {since} to {to})")
            }
            Self::LosesState => f.write_str("loses state"),
            Self::NeedsRestart => f.write_str("needs a restart"),
            Self::Refused => f.write_str("refused"),
        }
    }
}

impl Fate {
    /// One word, for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Safe => "safe",
            Self::MigratesState { .. } => "migrates-state",
            Self::LosesState => "loses-state",
            Self::NeedsRestart => "needs-restart",
            Self::Refused => "refused",
        }
    }
}

impl Change {
    /// Of a part that is in both versions, unchanged so far.
    pub(super) fn new(part: Part, name: &str) -> Self {
        Self {
            part,
            name: name.to_owned(),
            renamed_from: None,
            fate: Fate::Unchanged,
            reasons: Vec::new(),
        }
    }

    /// Of a part that is not in the new version.
    pub(super) fn gone(part: Part, name: &str) -> Self {
        Self {
            fate: Fate::Removed,
            ..Self::new(part, name)
        }
    }

    /// The part is not in the old version.
    pub(super) fn become_new(&mut self) {
        self.fate = Fate::Added;
    }

    /// The worst of all fates counts; all reasons are told.
    pub(super) fn because(&mut self, fate: Fate, reason: Reason) {
        self.fate = self.fate.max(fate);
        self.reasons.push(reason);
    }
}
