//! `--watch`: what was rebuilt is swapped in.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How often files are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(300);

/// Files, and how they looked.
#[derive(Debug)]
pub(super) struct Watched {
    /// When it was last changed, and its length; none: it is not there.
    files: BTreeMap<PathBuf, Stamp>,
    /// They have changed since, and may still be changing.
    is_changing: bool,
}

type Stamp = Option<(SystemTime, u64)>;

impl Watched {
    /// Files as they are now.
    pub(super) fn new<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let files = files.into_iter();
        let files = files.map(|path| (path.to_owned(), stamp(path)));
        Self {
            files: files.collect(),
            is_changing: false,
        }
    }

    /// They are others than before, and have been so since the last look: whoever writes one may
    /// need a while.
    pub(super) fn have_changed(&mut self) -> bool {
        let mut differ = false;
        for (path, known) in &mut self.files {
            let now = stamp(path);
            differ |= now != *known;
            *known = now;
        }
        let are_done = self.is_changing && !differ;
        self.is_changing = differ;
        are_done
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin.wasm");
        let mut watched = Watched::new([&*path]);
        assert!(!watched.have_changed());
        for (bytes, told) in [("a", false), ("ab", false)] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(watched.have_changed(), told);
        }
        assert!(watched.have_changed());
        assert!(!watched.have_changed());
        fs::remove_file(&path).unwrap();
        assert!(!watched.have_changed());
        assert!(watched.have_changed());
    }
}
