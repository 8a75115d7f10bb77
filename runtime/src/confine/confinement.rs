//! What a topology may reach.

use std::{collections::BTreeSet, io, net::SocketAddr, path::Path, sync::Arc};

use cap_std::{ambient_authority, fs::Dir};

use super::{Address, Addresses, AllowedAddress, Place, address::refused_name, root::Root};
use crate::model::{Location, ObjectUrl};

/// What a topology may reach: everything that the process may, or what is named.
#[derive(Debug, Clone)]
pub struct Confinement(Option<Arc<Rules>>);

#[derive(Debug, Clone, Default)]
struct Rules {
    read: Vec<Arc<Root>>,
    write: Vec<Arc<Root>>,
    addresses: Arc<Addresses>,
    buckets: Vec<String>,
    variables: BTreeSet<String>,
    stdout: bool,
}

/// A root that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the root `{name}` cannot be opened: {error}; it must be a directory that is there")]
pub struct NoRoot {
    name: String,
    #[source]
    error: io::Error,
}

impl Confinement {
    /// Everything is allowed.
    pub const fn everything() -> Self {
        Self(None)
    }

    /// Nothing is allowed but what is added.
    pub fn nothing() -> Self {
        Self(Some(Arc::default()))
    }

    /// Everything is allowed.
    pub const fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// The same, and what lies in this directory may be read. People get to know the name only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn read_root(self, name: &str, path: &Path) -> Result<Self, NoRoot> {
        self.read_root_at(name, path, path)
    }

    /// The same, and what lies in this directory may be read; a topology names it as if the directory
    /// were at `seen_at`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn read_root_at(self, name: &str, seen_at: &Path, path: &Path) -> Result<Self, NoRoot> {
        let root = open_root(name, seen_at, path)?;
        Ok(self.with(|rules| rules.read.push(root)))
    }

    /// The same, and what lies in this directory may be read, made, changed and removed.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn write_root(self, name: &str, path: &Path) -> Result<Self, NoRoot> {
        self.write_root_at(name, path, path)
    }

    /// The same, and what lies in this directory may be read, made, changed and removed; a topology
    /// names it as if the directory were at `seen_at`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn write_root_at(self, name: &str, seen_at: &Path, path: &Path) -> Result<Self, NoRoot> {
        let root = open_root(name, seen_at, path)?;
        Ok(self.with(|rules| {
            rules.read.push(root.clone());
            rules.write.push(root);
        }))
    }

    /// The same, and these servers may be connected to.
    #[must_use]
    pub fn addresses(self, more: impl IntoIterator<Item = AllowedAddress>) -> Self {
        self.with(|rules| {
            rules.addresses = Arc::new(Addresses::clone(&rules.addresses).and(more));
        })
    }

    /// The same, and this is not connected to, whatever is allowed: here the process listens.
    #[must_use]
    pub fn not_itself(self, own: SocketAddr) -> Self {
        self.with(|rules| {
            rules.addresses = Arc::new(Addresses::clone(&rules.addresses).without(own));
        })
    }

    /// The same, and what lies in this `bucket`, or below this `bucket/folder`, may be used.
    #[must_use]
    pub fn bucket(self, place: &str) -> Self {
        let place = place.trim_end_matches('/').to_owned();
        self.with(|rules| rules.buckets.push(place))
    }

    /// The same, and plugins may be granted this variable of the process.
    #[must_use]
    pub fn variable(self, name: &str) -> Self {
        self.with(|rules| {
            rules.variables.insert(name.to_owned());
        })
    }

    /// The same, and plugins may be granted the standard output of the process.
    #[must_use]
    pub fn stdout(self) -> Self {
        self.with(|rules| rules.stdout = true)
    }

    fn with(self, change: impl FnOnce(&mut Rules)) -> Self {
        Self(self.0.map(|rules| {
            let mut rules = Arc::unwrap_or_clone(rules);
            change(&mut rules);
            Arc::new(rules)
        }))
    }

    /// The place, tied to the root that it lies in.
    ///
    /// # Errors
    /// Says why not, when it lies in none.
    pub fn to_read(&self, place: &Place) -> Result<Place, String> {
        self.tied(place, "read", |rules| &rules.read)
    }

    /// The same, for what is written.
    ///
    /// # Errors
    /// Says why not, when it lies in none.
    pub fn to_write(&self, place: &Place) -> Result<Place, String> {
        self.tied(place, "written", |rules| &rules.write)
    }

    fn tied(
        &self,
        place: &Place,
        to_be: &str,
        of: impl Fn(&Rules) -> &Vec<Arc<Root>>,
    ) -> Result<Place, String> {
        let Some(rules) = &self.0 else {
            return Ok(place.clone());
        };
        let roots = of(rules);
        let path = std::path::absolute(place.path()).map_err(|error| error.to_string())?;
        let found = roots
            .iter()
            .filter_map(|root| Some((root, root.rest(&path)?)));
        // Roots may lie in roots.
        let innermost = found.min_by_key(|(_, rest)| rest.components().count());
        let Some((root, rest)) = innermost else {
            let named = names(roots.iter().map(|root| root.name.as_str()));
            return Err(format!(
                "it lies outside of what may be {to_be} ({named}); write a path in one of these"
            ));
        };
        if climbs_out(rest) {
            return Err(format!("its `..` lead out of `{}`", root.name));
        }
        Ok(Place::beneath(root, &path, rest))
    }

    /// The address, to be connected to only where that is allowed.
    ///
    /// # Errors
    /// Says why not, when nothing that it could resolve to is allowed.
    pub fn to_connect(&self, address: &Address) -> Result<Address, String> {
        match &self.0 {
            None => Ok(address.clone()),
            Some(rules) => {
                refused_name(address, &rules.addresses)?;
                Ok(address.confined(rules.addresses.clone()))
            }
        }
    }

    /// What may be connected to; none: everything.
    pub(crate) fn allowed_addresses(&self) -> Option<Arc<Addresses>> {
        self.0.as_ref().map(|rules| rules.addresses.clone())
    }

    /// The place of a checkpoint, which starts at `base` if it is relative, tied to what is allowed.
    ///
    /// # Errors
    /// Says why not.
    pub fn location(&self, location: &Location, base: &Path) -> Result<Location, String> {
        match location.under(base) {
            Location::Directory(place) => Ok(Location::Directory(self.to_write(&place)?)),
            Location::Objects(url) => {
                self.may_use_bucket(&url)?;
                Ok(Location::Objects(url))
            }
        }
    }

    /// Whether a folder of an object store may be used.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_use_bucket(&self, url: &ObjectUrl) -> Result<(), String> {
        let Some(rules) = &self.0 else {
            return Ok(());
        };
        let place = format!("{}/{}", url.bucket, url.folder);
        let lies_in = |allowed: &&String| {
            let rest = place.strip_prefix(allowed.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match rules.buckets.iter().find(lies_in) {
            Some(_) => Ok(()),
            None => Err(format!(
                "s3://{place} is not allowed (what is: {})",
                names(rules.buckets.iter().map(String::as_str))
            )),
        }
    }

    /// Whether a plugin may be granted this variable of the process.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_grant_variable(&self, name: &str) -> Result<(), String> {
        match &self.0 {
            Some(rules) if !rules.variables.contains(name) => Err(format!(
                "the variable {name} is not one that may be granted"
            )),
            _ => Ok(()),
        }
    }

    /// Whether a plugin may be granted the standard output of the process.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_grant_stdout(&self) -> Result<(), String> {
        match &self.0 {
            Some(rules) if !rules.stdout => {
                Err("the standard output may not be granted".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn open_root(name: &str, seen_at: &Path, path: &Path) -> Result<Arc<Root>, NoRoot> {
    let failed = |error| NoRoot {
        name: name.to_owned(),
        error,
    };
    let seen_at = std::path::absolute(seen_at).map_err(failed)?;
    let directory = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
    let found = rustix::fs::fstat(&directory).map_err(|error| failed(error.into()))?;
    Ok(Arc::new(Root {
        name: name.to_owned(),
        path: seen_at,
        identity: (found.st_dev, found.st_ino),
        directory,
    }))
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<_> = all.collect();
    match all.is_empty() {
        true => "nothing".to_owned(),
        false => all.join(", "),
    }
}

/// Its `..` lead above where it starts, if no name in it is a link.
fn climbs_out(path: &Path) -> bool {
    use std::path::Component;
    let mut depth = 0_usize;
    path.components().any(|step| match step {
        Component::Normal(_) => {
            depth += 1;
            false
        }
        Component::ParentDir if depth == 0 => true,
        Component::ParentDir => {
            depth -= 1;
            false
        }
        _ => false,
    })
}
