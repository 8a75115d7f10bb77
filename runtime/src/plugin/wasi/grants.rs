//! What the world of a plugin holds.

use std::{io, path::PathBuf, sync::Arc};

use cap_std::fs::Dir;

use crate::confine::Place;

/// What a plugin is given besides its input, in its tasks; nothing by default. A plugin that has any
/// of it no longer puts out the same from the same input: the host cannot promise what a file holds.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    pub(super) variables: Vec<(String, String)>,
    pub(super) directories: Vec<Granted>,
    pub(super) stdout: bool,
}

/// What a plugin may do in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read files and list directories.
    Read,
    /// The same, and make, change and remove them.
    Write,
}

/// A directory that is held open, so that it stays the same one whatever becomes of its name.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    /// As the plugin calls it.
    pub(super) name: String,
    pub(super) directory: Arc<Dir>,
    pub(super) access: Access,
}

/// A directory that cannot be granted.
#[derive(Debug, thiserror::Error)]
#[error("the directory {} cannot be granted: {error}", .path.display())]
pub struct NoDirectory {
    path: PathBuf,
    #[source]
    error: io::Error,
}

impl Grants {
    /// Nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty() && self.directories.is_empty() && !self.stdout
    }

    /// Gives a variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the directory at `path`, which the plugin calls `name`, and nothing outside of it:
    /// neither `..` nor symbolic links lead out.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn directory(
        mut self,
        name: &str,
        path: impl Into<Place>,
        access: Access,
    ) -> Result<Self, NoDirectory> {
        let path = path.into();
        let directory = path.open_directory().map_err(|error| NoDirectory {
            path: path.shown(),
            error,
        })?;
        self.directories.push(Granted {
            name: name.to_owned(),
            directory: Arc::new(directory),
            access,
        });
        Ok(self)
    }

    /// Gives the standard output of this process.
    #[must_use]
    pub fn stdout(mut self) -> Self {
        self.stdout = true;
        self
    }
}
