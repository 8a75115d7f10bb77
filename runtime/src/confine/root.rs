//! A directory that is held open.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use cap_std::fs::Dir;

/// What places lie beneath. It stays the same directory whatever becomes of its name.
pub(super) struct Root {
    /// What people know it by, who must not know where it is.
    pub(super) name: String,
    /// What paths that lie in it start with.
    pub(super) path: PathBuf,
    pub(super) directory: Dir,
    /// Which directory that is: its device and its number there.
    pub(super) identity: (u64, u64),
}

/// The same directory under the same name, opened by whomever.
impl PartialEq for Root {
    fn eq(&self, other: &Self) -> bool {
        let known_by = |root: &Self| (root.identity, root.name.clone(), root.path.clone());
        known_by(self) == known_by(other)
    }
}

impl Root {
    /// What of a path lies behind this root's own; none if it lies elsewhere. Only names are looked
    /// at: what they lead to is found out when the place is opened.
    pub(super) fn rest<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.strip_prefix(&self.path).ok()
    }

    /// It is no error of the system, which has a number for each, but of `cap-std`.
    pub(super) fn leads_out(error: &io::Error) -> bool {
        error.get_ref().is_some() && error.kind() == io::ErrorKind::PermissionDenied
    }

    /// Says that a path leads out, instead of what the system says.
    pub(super) fn told(&self, error: io::Error) -> io::Error {
        match Self::leads_out(&error) {
            true => io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "it leads out of `{}`, and this topology is confined to that; `..` and links must stay in it",
                    self.name
                ),
            ),
            false => error,
        }
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
