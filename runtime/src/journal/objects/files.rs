//! Which files the objects of a log make.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::entry::{Entry, Says};

/// What the log says, entry after entry.
#[derive(Debug, Default)]
pub(super) struct Files {
    by_name: BTreeMap<String, File>,
    /// Entries in which somebody took the log over.
    takeovers: BTreeSet<u64>,
    /// Entries that say nothing any more, with the objects that they name.
    garbage: BTreeMap<u64, Option<String>>,
    last: u64,
}

/// A file: its pieces, one after the other.
#[derive(Debug, Default)]
struct File {
    pieces: Vec<Piece>,
    /// All entries that speak of it, with the objects that they name.
    entries: BTreeMap<u64, Option<String>>,
}

/// Bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) from: Source,
    /// How many bytes of it belong to the file.
    pub(super) length: u64,
}

impl Piece {
    /// The bytes of it in this range; none if there are none.
    pub(super) fn part(self, range: Range<u64>) -> Option<Self> {
        let (start, end) = (range.start, range.end.min(self.length));
        let length = end.checked_sub(start).filter(|length| *length > 0)?;
        let from = match self.from {
            Source::Entry { number, from } => Source::Entry {
                number,
                from: from + start,
            },
            Source::Object { name, from } => Source::Object {
                name,
                from: from + start,
            },
            Source::Known(bytes) => {
                let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
                Source::Known(bytes.get(range)?.to_vec())
            }
        };
        Some(Self { from, length })
    }
}

/// Where the bytes of a piece lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// In an entry, from this byte on.
    Entry { number: u64, from: u64 },
    /// They have been read with the entry.
    Known(Vec<u8>),
    /// In an object of its own, from this byte on.
    Object { name: String, from: u64 },
}

impl Files {
    /// Adds the entry of this number; numbers rise. `bytes` says where the bytes behind it lie, and
    /// how many there are.
    pub(super) fn add(&mut self, number: u64, entry: Entry, bytes: Piece) {
        self.last = self.last.max(number);
        match entry.says {
            Says::Taken(_) => {
                self.takeovers.insert(number);
            }
            Says::Added { file } => {
                let file = self.by_name.entry(file).or_default();
                file.entries.insert(number, None);
                file.pieces.push(bytes);
            }
            Says::Placed { file } => self.replace(file, number, None, bytes),
            Says::Stored {
                file,
                object,
                length,
            } => {
                let name = object.clone();
                let from = Source::Object { name, from: 0 };
                self.replace(file, number, Some(object), Piece { from, length });
            }
            Says::Cut { file, length } => {
                let file = self.by_name.entry(file).or_default();
                file.entries.insert(number, None);
                file.cut(length);
            }
            Says::Removed { file } => {
                self.remove(&file);
                self.garbage.insert(number, None);
            }
        }
    }

    fn replace(&mut self, name: String, number: u64, object: Option<String>, piece: Piece) {
        let file = File {
            pieces: vec![piece],
            entries: BTreeMap::from([(number, object)]),
        };
        if let Some(before) = self.by_name.insert(name, file) {
            self.garbage.extend(before.entries);
        }
    }

    /// Forgets a file, if there is one of this name.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let removed = self.by_name.remove(name);
        let was_there = removed.is_some();
        self.garbage
            .extend(removed.into_iter().flat_map(|file| file.entries));
        was_there
    }

    /// Whether the last entry, which stays, speaks of this file.
    pub(super) fn is_last(&self, name: &str) -> bool {
        let file = self.by_name.get(name);
        file.is_some_and(|file| file.entries.contains_key(&self.last))
    }

    pub(super) fn pieces(&self, name: &str) -> Option<Vec<Piece>> {
        self.by_name.get(name).map(|file| file.pieces.clone())
    }

    pub(super) fn length(&self, name: &str) -> Option<u64> {
        let file = self.by_name.get(name)?;
        Some(file.pieces.iter().map(|piece| piece.length).sum())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.by_name.keys()
    }

    /// The number of the last entry; 0: there is none.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Objects that some entry names.
    pub(super) fn objects(&self) -> BTreeSet<&str> {
        let files = self.by_name.values().flat_map(|file| file.entries.values());
        let named = files.chain(self.garbage.values()).flatten();
        named.map(String::as_str).collect()
    }

    /// Takes out what may be removed: entries that say nothing any more, with their objects. Not
    /// the last one: a log without it would be begun anew at its number.
    pub(super) fn take_garbage(&mut self) -> BTreeMap<u64, Option<String>> {
        let kept = self.garbage.split_off(&self.last);
        std::mem::replace(&mut self.garbage, kept)
    }

    /// Puts back what could not be removed.
    pub(super) fn keep_garbage(&mut self, garbage: BTreeMap<u64, Option<String>>) {
        self.garbage.extend(garbage);
    }

    /// Entries that end the log of an earlier holder, but for the last `kept`.
    pub(super) fn takeovers_before(&self, kept: usize) -> Vec<u64> {
        let count = self.takeovers.len().saturating_sub(kept);
        self.takeovers.iter().take(count).copied().collect()
    }

    pub(super) fn is_takeover(&self, number: u64) -> bool {
        self.takeovers.contains(&number)
    }
}

impl File {
    fn cut(&mut self, length: u64) {
        let mut left = length;
        for piece in &mut self.pieces {
            piece.length = piece.length.min(left);
            left -= piece.length;
        }
        // Their entries stay until the file goes: without them the cut would be one of other bytes.
        self.pieces.retain(|piece| piece.length > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: Vec<(u64, Says, &[u8])>) -> Files {
        let mut files = Files::default();
        for (number, says, bytes) in entries {
            let piece = Piece {
                from: Source::Known(bytes.to_vec()),
                length: bytes.len() as u64,
            };
            files.add(number, Entry { owner: 1, says }, piece);
        }
        files
    }

    fn added() -> Says {
        Says::Added { file: "f".into() }
    }

    fn cut(length: u64) -> Says {
        let file = "f".into();
        Says::Cut { file, length }
    }

    #[test]
    fn a_file_that_was_cut_goes_on_where_it_ends() {
        let files = files(vec![
            (1, added(), b"abc"),
            (2, added(), b"def"),
            (3, cut(4), b""),
            (4, cut(9), b""),
            (5, added(), b"xyz"),
            (6, cut(6), b""),
        ]);
        let lengths: Vec<_> = files
            .pieces("f")
            .unwrap()
            .iter()
            .map(|p| p.length)
            .collect();
        assert_eq!(lengths, [3, 1, 2]);
        assert_eq!(files.length("f"), Some(6));
    }

    #[test]
    fn what_counts_no_more_is_removed_but_for_the_last_entry() {
        let stored = |object: &str| Says::Stored {
            file: "f".into(),
            object: object.into(),
            length: 2,
        };
        let mut files = files(vec![(1, stored("a"), b""), (2, stored("b"), b"")]);
        assert_eq!(files.objects(), BTreeSet::from(["a", "b"]));
        assert_eq!(
            files.take_garbage(),
            BTreeMap::from([(1, Some("a".into()))])
        );
        assert!(files.remove("f"));
        assert!(!files.remove("f"));
        assert_eq!(files.take_garbage(), BTreeMap::new(), "2 is the last");
        files.add(
            3,
            Entry {
                owner: 1,
                says: added(),
            },
            Piece {
                from: Source::Known(Vec::new()),
                length: 0,
            },
        );
        assert_eq!(
            files.take_garbage(),
            BTreeMap::from([(2, Some("b".into()))])
        );
    }
}
