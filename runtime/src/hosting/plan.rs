//! What another version would change, for whoever asks.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    launch::Loaded,
    topology::{Change, Diff, Edition, Fate},
};

/// What becomes of a part of a topology, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownChange {
    /// `topology`, `source`, `operator` or `sink`.
    pub part: String,
    /// Its name in the new version; of what is gone, in the old one.
    pub name: String,
    /// `unchanged`, `added`, `removed`, `safe`, `migrates-state`, `loses-state`, `needs-restart` or
    /// `refused`.
    pub fate: String,
    /// Why.
    pub reasons: Vec<String>,
    /// Its name in the old version, if that was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The version that its state has, if that is to become another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
    /// The version that it is to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
}

impl ShownChange {
    /// From one version to another.
    pub fn between(old: &Loaded, new: &Loaded) -> Vec<Self> {
        Self::all(&between(old, new))
    }

    /// All of these.
    pub fn all(diff: &Diff) -> Vec<Self> {
        diff.changes.iter().map(Self::of).collect()
    }

    fn of(change: &Change) -> Self {
        let versions = match change.fate {
            Fate::MigratesState { since, to } => Some((since, to)),
            _ => None,
        };
        Self {
            part: change.part.noun().to_owned(),
            name: change.name.clone(),
            fate: change.fate.word().to_owned(),
            reasons: change.reasons.iter().map(ToString::to_string).collect(),
            renamed_from: change.renamed_from.clone(),
            since: versions.map(|(since, _)| since),
            to: versions.map(|(_, to)| to),
        }
    }

    /// It stands in the way of a version, or would have to be accepted.
    pub fn is_serious(&self) -> bool {
        self.fate == Fate::Refused.word() || self.fate == Fate::LosesState.word()
    }

    /// All of these as lines; what stays as it is, too.
    pub fn lines(changes: &[Self]) -> String {
        if changes
            .iter()
            .all(|change| change.fate == Fate::Unchanged.word())
        {
            return "nothing would change\n".to_owned();
        }
        let mut text = String::new();
        for change in changes {
            let _ = writeln!(text, "{change}"); // to memory
        }
        text
    }
}

impl fmt::Display for ShownChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = self.fate.replace('-', " ");
        let fate = fate.replace("needs restart", "needs a restart");
        write!(f, "{} {}: {fate}", self.part, self.name)?;
        if let (Some(since), Some(to)) = (self.since, self.to) {
            write!(f, " (version {since} to {to})")?;
        }
        for (at, reason) in self.reasons.iter().enumerate() {
            write!(f, "{} {reason}", if at == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// From one version to another.
pub(super) fn between(old: &Loaded, new: &Loaded) -> Diff {
    let (was, is) = (old.code(), new.code());
    Diff::between(
        Edition {
            topology: &old.topology,
            code: &was,
        },
        Edition {
            topology: &new.topology,
            code: &is,
        },
    )
}
