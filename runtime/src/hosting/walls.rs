//! What keeps tenants from each other, and all of them from the machine.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::Allowance;
use crate::{
    confine::{Confinement, NoRoot},
    model::{Namespace, RootName, Secret, SecretError, SecretName, SecretSource},
    secrets::{Store, StoreFile},
};

/// Where topologies believe that their work directory is.
pub(super) const WORK: &str = "/work";

/// What each namespace may reach, and where its secrets are.
#[derive(Debug)]
pub struct Walls {
    allowances: BTreeMap<Namespace, Allowance>,
    nothing: Allowance,
    secrets: Store,
    own: Option<SocketAddr>,
}

/// A root that would let tenants reach what is not theirs.
#[derive(Debug, thiserror::Error)]
#[error(
    "the root `{root}` of namespace `{namespace}` and {} lie one in the other: topologies would reach what is the server's; give the namespace another directory", .of_server.display()
)]
pub struct OpenWall {
    namespace: Namespace,
    root: RootName,
    of_server: PathBuf,
}

impl Walls {
    /// Walls with these holes in them; a namespace that is not here has none. `own` is where the
    /// server listens.
    pub fn new(
        allowances: BTreeMap<Namespace, Allowance>,
        secrets: Store,
        own: Option<SocketAddr>,
    ) -> Self {
        Self {
            allowances,
            nothing: Allowance::default(),
            secrets,
            own,
        }
    }

    /// Checks that no root holds what is the server's, or lies in it. One that is not there is
    /// logged: it is the end of those who name it, and of nobody else.
    ///
    /// # Errors
    /// With the first such root.
    pub fn check(&self, of_server: &[&Path]) -> Result<(), OpenWall> {
        for (namespace, allowance) in &self.allowances {
            for (root, path) in allowance.roots() {
                let real = match fs::canonicalize(path) {
                    Ok(real) => real,
                    Err(error) => {
                        let path = path.display();
                        tracing::error!("the root `{root}` of `{namespace}`, {path}: {error}");
                        continue;
                    }
                };
                for own in of_server {
                    let own = whole(own);
                    if real.starts_with(&own) || own.starts_with(&real) {
                        return Err(OpenWall {
                            namespace: namespace.clone(),
                            root: root.clone(),
                            of_server: own,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn allowance(&self, namespace: &Namespace) -> &Allowance {
        self.allowances.get(namespace).unwrap_or(&self.nothing)
    }

    /// What a topology of this namespace may reach, whose work directory is this one.
    pub(super) fn confinement(
        &self,
        namespace: &Namespace,
        work: &Path,
    ) -> Result<Confinement, NoRoot> {
        let own = Confinement::nothing().write_root_at(WORK, Path::new(WORK), work)?;
        let own = match self.own {
            None => own,
            Some(address) => own.not_itself(address),
        };
        self.allowance(namespace).add_to(own)
    }

    /// The secrets of a namespace, to be changed.
    pub(super) fn secrets(&self, namespace: &Namespace) -> StoreFile {
        self.secrets.of(namespace)
    }

    /// The same, to be used by its topologies.
    pub(super) fn values(&self, namespace: &Namespace) -> Values {
        Values(self.secrets.of(namespace))
    }
}

/// Without links, as far as it is there.
fn whole(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        Some(fs::canonicalize(above).ok()?.join(rest))
    });
    there.unwrap_or_else(|| path.to_owned())
}

/// Secrets of a namespace. What is wrong with the store is told to who runs the server.
pub(super) struct Values(StoreFile);

impl SecretSource for Values {
    fn secret(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        self.0.secret(name).map_err(|error| {
            tracing::error!(parent: None, "{error}");
            SecretError("the server's log says why".to_owned())
        })
    }

    fn advice(&self, name: &SecretName) -> String {
        self.0.advice(name)
    }
}
