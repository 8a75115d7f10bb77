//! Which files of a directory belong to a batch (spec 12.3). Pure: the listing is given.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::model::InputPosition;

/// A file as listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListedFile {
    pub(super) path: PathBuf,
    /// When it was last changed, in milliseconds since the epoch.
    pub(super) modified: i64,
    pub(super) length: u64,
}

/// Chooses files by when they were changed, and remembers what it chose.
///
/// **Invariant:** no path is chosen twice within the window.
#[derive(Debug)]
pub(super) struct Selection {
    /// Files not changed after this are too old for ever.
    initial: i64,
    /// How far back files are chosen and paths are remembered.
    window: i64,
    chosen: BTreeMap<i64, BTreeSet<PathBuf>>,
}

impl Selection {
    pub(super) fn new(initial: i64, window: i64) -> Self {
        Self {
            initial,
            window,
            chosen: BTreeMap::new(),
        }
    }

    /// The files that belong to the batch at `time`, by path.
    pub(super) fn choose(&mut self, time: i64, listed: Vec<ListedFile>) -> Vec<ListedFile> {
        let oldest = time.saturating_sub(self.window);
        // What was chosen before then was changed before then: the threshold keeps it out.
        self.chosen = self.chosen.split_off(&oldest);
        let threshold = self.initial.max(oldest);
        let is_new = |file: &ListedFile| {
            let name = file.path.file_name().unwrap_or_default();
            !name.as_encoded_bytes().starts_with(b".")
                && file.modified > threshold
                && file.modified <= time
                && !self.chosen.values().any(|paths| paths.contains(&file.path))
        };
        let mut files: Vec<_> = listed.into_iter().filter(is_new).collect();
        files.sort();
        self.take(time, files.iter().map(|file| file.path.clone()));
        files
    }

    /// Remembers that the batch at `time` has these.
    pub(super) fn take(&mut self, time: i64, paths: impl Iterator<Item = PathBuf>) {
        let mut paths = paths.peekable();
        if paths.peek().is_some() {
            self.chosen.entry(time).or_default().extend(paths);
        }
    }

    /// What is remembered.
    pub(super) fn position(&self) -> InputPosition {
        let taken = self.chosen.iter();
        let taken = taken.map(|(time, paths)| (*time, paths.iter().cloned().collect()));
        InputPosition::Files {
            initial: self.initial,
            taken: taken.collect(),
        }
    }

    /// Remembers what an earlier run did.
    pub(super) fn resume(&mut self, initial: i64, taken: &[(i64, Vec<PathBuf>)]) {
        self.initial = initial;
        let taken = taken.iter();
        self.chosen = taken
            .map(|(time, paths)| (*time, paths.iter().cloned().collect()))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, modified: i64) -> ListedFile {
        ListedFile {
            path: path.into(),
            modified,
            length: 0,
        }
    }

    #[test]
    fn a_file_is_chosen_by_its_age_and_name() {
        // initial, window, batch, file, changed at, chosen
        let cases = [
            (0, 60, 100, "d/a", 100, true),
            (0, 60, 100, "d/a", 101, false),
            (0, 60, 100, "d/a", 41, true),
            (0, 60, 100, "d/a", 40, false),
            (70, 60, 100, "d/a", 71, true),
            (70, 60, 100, "d/a", 70, false),
            (0, 60, 100, "d/.a", 100, false),
            (0, 60, 100, "d/_a", 100, true),
            (0, 60, 100, "d/a._COPYING_", 100, true),
            (0, 60, 100, ".d/a", 100, true),
        ];
        for (initial, window, time, path, modified, expected) in cases {
            let mut selection = Selection::new(initial, window);
            let chosen = selection.choose(time, vec![file(path, modified)]);
            assert_eq!(
                !chosen.is_empty(),
                expected,
                "{initial} {window} {time} {path} {modified}"
            );
        }
    }

    #[test]
    fn a_path_is_chosen_once_in_a_window_and_again_later() {
        let mut selection = Selection::new(0, 60);
        // batch, changed at, chosen
        let script = [
            (100, 90, true),
            (110, 90, false),
            (120, 115, false), // rewritten within the window: ignored
            (160, 155, false), // batch 100 is still remembered at 160
            (161, 155, true),  // and forgotten after it
            (170, 155, false),
        ];
        for (time, modified, expected) in script {
            let chosen = selection.choose(time, vec![file("d/a", modified)]);
            assert_eq!(!chosen.is_empty(), expected, "{time} {modified}");
        }
    }

    #[test]
    fn files_come_by_path() {
        let listed = vec![file("d/b", 3), file("d/a", 5), file("c/z", 4)];
        let chosen = Selection::new(0, 60).choose(10, listed);
        let paths: Vec<_> = chosen
            .iter()
            .map(|file| file.path.to_str().unwrap())
            .collect();
        assert_eq!(paths, ["c/z", "d/a", "d/b"]);
    }
}
