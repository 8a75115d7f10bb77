//! What topologies of a namespace may reach.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    confine::{AllowedAddress, Confinement, NoRoot},
    model::{Grant, RootName},
};

/// What topologies of a namespace may reach besides the work directory that each of them has;
/// nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Allowance {
    /// Directories that may be read.
    pub read_roots: BTreeMap<RootName, PathBuf>,
    /// Directories that may be read and written.
    pub write_roots: BTreeMap<RootName, PathBuf>,
    /// Servers that may be connected to.
    pub addresses: Vec<AllowedAddress>,
    /// `bucket` or `bucket/folder`, for checkpoints.
    pub buckets: Vec<String>,
    /// Variables that plugins may be granted, with what they are set to.
    pub variables: BTreeMap<String, String>,
    /// What plugins may be granted at all.
    pub grants: BTreeSet<Grantable>,
}

/// A kind of what plugins may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grantable {
    /// To import WASI, without anything in it. Each other one comes with it.
    Wasi,
    /// Variables.
    Env,
    /// Directories to read.
    Read,
    /// Directories to write.
    Write,
}

impl Allowance {
    /// The same, tied to the directories as they are now.
    pub(super) fn add_to(&self, confinement: Confinement) -> Result<Confinement, NoRoot> {
        let seen_at = |name: &RootName| format!("/{name}");
        let confinement =
            self.read_roots
                .iter()
                .try_fold(confinement, |confinement, (name, path)| {
                    let name = seen_at(name);
                    confinement.read_root_at(&name, Path::new(&name), path)
                })?;
        let mut confinement =
            self.write_roots
                .iter()
                .try_fold(confinement, |confinement, (name, path)| {
                    let name = seen_at(name);
                    confinement.write_root_at(&name, Path::new(&name), path)
                })?;
        for bucket in &self.buckets {
            confinement = confinement.bucket(bucket);
        }
        for name in self.variables.keys() {
            confinement = confinement.variable(name);
        }
        Ok(confinement.addresses(self.addresses.iter().cloned()))
    }

    /// Every root with its directory.
    pub(super) fn roots(&self) -> impl Iterator<Item = (&RootName, &Path)> {
        let roots = self.read_roots.iter().chain(&self.write_roots);
        roots.map(|(name, path)| (name, path.as_path()))
    }

    /// Plugins may be granted this, as far as its kind tells.
    pub(super) fn may_grant(&self, grant: &Grant) -> bool {
        match grant {
            Grant::Env(_) => self.grants.contains(&Grantable::Env),
            Grant::Read(_) => self.grants.contains(&Grantable::Read),
            Grant::Write(_) => self.grants.contains(&Grantable::Write),
            // It is the server's.
            Grant::Stdout => false,
        }
    }

    /// Plugins may import WASI.
    pub(super) fn has_wasi(&self) -> bool {
        !self.grants.is_empty()
    }
}

impl fmt::Display for Grantable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wasi => "wasi",
            Self::Env => "env",
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}
