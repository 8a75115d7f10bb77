//! A path, and what it may lead to.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, File},
    io,
    os::fd::AsRawFd as _,
    path::{self, Path, PathBuf},
    sync::Arc,
};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;

use super::{root::Root, seen::Seen};

/// Where a file or directory is. A place beneath a root is looked for in that directory, step by
/// step, each time it is opened: neither `..` nor a link leads out, also if it is put there while
/// another step is taken. Other places are paths, as the system takes them.
#[derive(Clone)]
pub struct Place {
    /// As the topology says it, joined to its directory.
    path: PathBuf,
    within: Option<Within>,
}

#[derive(Clone)]
struct Within {
    root: Arc<Root>,
    /// Behind the root's path.
    rest: PathBuf,
}

impl Place {
    /// The place of a path that lies in this root.
    pub(super) fn beneath(root: &Arc<Root>, path: &Path, rest: &Path) -> Self {
        Self {
            path: path.to_owned(),
            within: Some(Within {
                root: root.clone(),
                rest: rest.to_owned(),
            }),
        }
    }

    /// As the topology says it, joined to its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For people: a confined one starts with the name of its root.
    pub fn shown(&self) -> PathBuf {
        match &self.within {
            None => self.path.clone(),
            Some(within) => Path::new(&within.root.name).join(&within.rest),
        }
    }

    /// For people.
    pub fn display(&self) -> Shown {
        Shown(self.shown())
    }

    /// It lies beneath a root.
    pub fn is_confined(&self) -> bool {
        self.within.is_some()
    }

    /// What is looked for: beneath the root, or as it is.
    pub fn steps(&self) -> &Path {
        self.within
            .as_ref()
            .map_or(&self.path, |within| &within.rest)
    }

    /// Where the steps begin.
    #[must_use]
    pub fn start(&self) -> Self {
        match &self.within {
            None => Self::from(PathBuf::new()),
            Some(within) => Self::beneath(&within.root, &within.root.path, Path::new("")),
        }
    }

    /// Another place under the same rule: a path that this one's owner wrote down.
    ///
    /// # Errors
    /// When it does not lie in the same root.
    pub fn sibling(&self, path: &Path) -> io::Result<Self> {
        match &self.within {
            None => Ok(path.into()),
            Some(Within { root, .. }) => {
                let rest = root.rest(path).ok_or_else(|| {
                    let why = format!("it does not lie in `{}`", root.name);
                    io::Error::new(io::ErrorKind::PermissionDenied, why)
                })?;
                Ok(Self::beneath(root, path, rest))
            }
        }
    }

    /// The same, where a relative path starts at `base`.
    #[must_use]
    pub fn under(&self, base: &Path) -> Self {
        match self.within {
            None => base.join(&self.path).into(),
            Some(_) => self.clone(),
        }
    }

    /// A place in this directory.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> Self {
        self.with(|path| path.join(&name))
    }

    /// The same with this at the end of its name.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        self.with(|path| {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            path.into()
        })
    }

    /// The same without dots and slashes that say nothing.
    #[must_use]
    pub fn cleaned(&self) -> Self {
        self.with(|path| path.components().collect())
    }

    /// The same from the root of the file system, if it is not confined.
    ///
    /// # Errors
    /// As of the system.
    pub fn absolute(&self) -> io::Result<Self> {
        match self.within {
            None => Ok(path::absolute(&self.path)?.into()),
            Some(_) => Ok(self.clone()),
        }
    }

    /// The last name; empty if there is none.
    pub fn name(&self) -> &OsStr {
        self.steps().file_name().unwrap_or_default()
    }

    /// The directory that it lies in; none for what begins there.
    pub fn parent(&self) -> Option<Self> {
        self.steps().parent()?;
        Some(self.with(|path| path.parent().unwrap_or(Path::new("")).to_owned()))
    }

    /// The directory that it lies in, also if that is where the process runs.
    #[must_use]
    pub fn directory(&self) -> Self {
        match (self.parent(), &self.within) {
            (Some(parent), Some(_)) => parent,
            (Some(parent), None) if !parent.path.as_os_str().is_empty() => parent,
            (None, Some(_)) => self.start(),
            _ => Self::from("."),
        }
    }

    fn with(&self, change: impl Fn(&Path) -> PathBuf) -> Self {
        Self {
            path: change(&self.path),
            within: self.within.as_ref().map(|within| Within {
                root: within.root.clone(),
                rest: change(&within.rest),
            }),
        }
    }

    /// It is a directory.
    pub fn is_directory(&self) -> bool {
        self.look().is_ok_and(|seen| seen.is_directory)
    }

    /// What it leads to.
    ///
    /// # Errors
    /// When there is nothing, or it leads out.
    pub fn look(&self) -> io::Result<Seen> {
        self.act(
            |path| Seen::anywhere(fs::metadata(path)),
            |root, rest| Seen::beneath(root.metadata(rest)),
        )
    }

    /// What it is, which may be a link.
    ///
    /// # Errors
    /// As of [`look`](Self::look).
    pub fn look_at_link(&self) -> io::Result<Seen> {
        self.act(
            |path| Seen::anywhere(fs::symlink_metadata(path)),
            |root, rest| Seen::beneath(root.symlink_metadata(rest)),
        )
    }

    /// Opens the file, to be read.
    ///
    /// # Errors
    /// As of [`look`](Self::look), or when it may not be read.
    pub fn open(&self) -> io::Result<File> {
        self.act(File::open, |root, rest| {
            opened(root, rest, OpenOptions::new().read(true))
        })
    }

    /// All bytes of the file.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn read(&self) -> io::Result<Vec<u8>> {
        if !self.is_confined() {
            return fs::read(&self.path);
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut self.open()?, &mut bytes)?;
        Ok(bytes)
    }

    /// Makes the file, or empties the one that is there, to be written.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn create(&self) -> io::Result<File> {
        self.act(File::create, |root, rest| {
            let mut options = OpenOptions::new();
            opened(root, rest, options.write(true).create(true).truncate(true))
        })
    }

    /// Opens the file, which is made if it is not there, to be written at its end.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn append(&self) -> io::Result<File> {
        self.act(
            |path| fs::OpenOptions::new().create(true).append(true).open(path),
            |root, rest| opened(root, rest, OpenOptions::new().create(true).append(true)),
        )
    }

    /// Opens the file, which is made if it is not there, to be read and written.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn open_or_create(&self) -> io::Result<File> {
        self.act(
            |path| {
                let mut options = fs::OpenOptions::new();
                options
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(path)
            },
            |root, rest| {
                let mut options = OpenOptions::new();
                opened(root, rest, options.read(true).write(true).create(true))
            },
        )
    }

    /// Opens a directory, to be held.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn open_directory(&self) -> io::Result<Dir> {
        self.act(
            |path| Dir::open_ambient_dir(path, cap_std::ambient_authority()),
            |root, rest| root.open_dir(rest),
        )
    }

    /// Makes a file without a name in this directory.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn nameless_file(&self) -> io::Result<File> {
        self.act(tempfile::tempfile_in, |root, rest| {
            let held = root.open_dir(rest)?;
            // This name leads to the open directory, wherever it is.
            let made = tempfile::tempfile_in(format!("/proc/self/fd/{}", held.as_raw_fd()));
            made.map_err(|error| error.kind().into())
        })
    }

    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        self.act(
            |path| {
                fs::read_dir(path)?
                    .map(|entry| Ok(entry?.file_name()))
                    .collect()
            },
            |root, rest| {
                root.read_dir(rest)?
                    .map(|entry| Ok(entry?.file_name()))
                    .collect()
            },
        )
    }

    /// Makes the directory.
    ///
    /// # Errors
    /// As of the system.
    pub fn create_directory(&self) -> io::Result<()> {
        self.act(fs::create_dir, |root, rest| root.create_dir(rest))
    }

    /// Makes the directory and those above it, where they are missing.
    ///
    /// # Errors
    /// As of the system.
    pub fn create_directories(&self) -> io::Result<()> {
        self.act(fs::create_dir_all, |root, rest| {
            root.create_dir_all(rest).map_err(|error| {
                // A link that leads out stands where a directory is to be made.
                let seen = root.metadata(rest).err();
                seen.filter(Root::leads_out).unwrap_or(error)
            })
        })
    }

    /// Gives it another name.
    ///
    /// # Errors
    /// As of the system, or when one is confined and the other is not.
    pub fn rename(&self, to: &Self) -> io::Result<()> {
        match (&self.within, &to.within) {
            (None, None) => fs::rename(&self.path, &to.path),
            (Some(from), Some(into)) => {
                let (old, new) = (beneath(&from.rest), beneath(&into.rest));
                let renamed = from.root.directory.rename(old, &into.root.directory, new);
                renamed.map_err(|error| from.root.told(error))
            }
            _ => Err(io::ErrorKind::CrossesDevices.into()),
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As of the system.
    pub fn remove(&self) -> io::Result<()> {
        self.act(fs::remove_file, |root, rest| root.remove_file(rest))
    }

    /// Removes a directory with all in it; links in it are removed, not what they lead to.
    ///
    /// # Errors
    /// As of the system.
    pub fn remove_all(&self) -> io::Result<()> {
        self.act(fs::remove_dir_all, |root, rest| root.remove_dir_all(rest))
    }

    /// Makes what was written durable: of a directory, the names in it.
    ///
    /// # Errors
    /// As of the system.
    pub fn sync(&self) -> io::Result<()> {
        self.open()?.sync_all()
    }

    /// Whether a file of this name can be opened by name, by a library that knows only names: none
    /// if it is not confined. A confined one must lie in the root itself, the path of which nobody
    /// confined can change; the answer is its path there, where only the last name is theirs, and
    /// must not be followed if it is a link.
    ///
    /// # Errors
    /// When it lies deeper, or the root is gone.
    pub fn by_name(&self) -> io::Result<Option<PathBuf>> {
        let Some(Within { root, rest }) = &self.within else {
            return Ok(None);
        };
        let mut steps = rest.components();
        match (steps.next(), steps.next()) {
            (Some(path::Component::Normal(name)), None) => {
                let held = format!("/proc/self/fd/{}", root.directory.as_raw_fd());
                Ok(Some(fs::read_link(held)?.join(name)))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "this topology is confined, and then a database must lie in `{}` itself, in no directory below it",
                    root.name
                ),
            )),
        }
    }

    fn act<'a, T>(
        &'a self,
        anywhere: impl FnOnce(&'a Path) -> io::Result<T>,
        within: impl FnOnce(&Dir, &Path) -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.within {
            None => anywhere(&self.path),
            Some(Within { root, rest }) => {
                within(&root.directory, beneath(rest)).map_err(|error| root.told(error))
            }
        }
    }
}

fn beneath(rest: &Path) -> &Path {
    match rest.as_os_str().is_empty() {
        true => Path::new("."),
        false => rest,
    }
}

/// What is no regular file must not hold the one who opens it.
fn opened(root: &Dir, rest: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
    Ok(root.open_with(rest, options)?.into_std())
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self { path, within: None }
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Self {
        path.clone().into()
    }
}

impl From<&str> for Place {
    fn from(path: &str) -> Self {
        PathBuf::from(path).into()
    }
}

impl From<&Self> for Place {
    fn from(place: &Self) -> Self {
        place.clone()
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        let same_root = match (&self.within, &other.within) {
            (Some(own), Some(others)) => own.root == others.root,
            (None, None) => true,
            _ => false,
        };
        self.path == other.path && same_root
    }
}

impl Eq for Place {}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown().fmt(f)
    }
}

/// A place, for people.
#[derive(Debug)]
pub struct Shown(PathBuf);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
