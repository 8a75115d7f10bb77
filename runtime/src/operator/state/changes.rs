//! Which keys changed since the state was last written down.

use arrow_array::ArrayRef;
use arrow_select::concat::concat;

use crate::operator::StepError;

const CHANGED: u8 = 1;
const FORGOTTEN: u8 = 2;

/// Keys by their numbers. Costs grow with the keys that change.
#[derive(Debug, Default)]
pub(super) struct Changes {
    marks: Vec<u8>,
    pub(super) changed: Vec<u32>,
    pub(super) forgotten: Vec<u32>,
    /// Keys that are forgotten and have no number any more.
    gone: Vec<Vec<ArrayRef>>,
}

impl Changes {
    pub(super) fn change(&mut self, key: u32) {
        if self.is_new(key, CHANGED) {
            self.changed.push(key);
        }
    }

    pub(super) fn forget(&mut self, key: u32) {
        if self.is_new(key, FORGOTTEN) {
            self.forgotten.push(key);
        }
    }

    fn is_new(&mut self, key: u32, mark: u8) -> bool {
        let key = key as usize;
        if self.marks.len() <= key {
            self.marks.resize(key + 1, 0);
        }
        let is_new = self.marks[key] & mark == 0;
        self.marks[key] |= mark;
        is_new
    }

    /// Keys lose their numbers: these are the columns of the forgotten ones, and `renumbered` says
    /// which number a changed one has from now on, if it has one.
    pub(super) fn renumber(
        self,
        forgotten: Vec<ArrayRef>,
        renumbered: impl Fn(u32) -> Option<u32>,
    ) -> Self {
        let mut fresh = Self {
            gone: self.gone,
            ..Self::default()
        };
        fresh.gone.push(forgotten);
        for key in self.changed.into_iter().filter_map(renumbered) {
            fresh.change(key);
        }
        fresh
    }

    /// The columns of all keys that are forgotten; `forgotten` are those that have numbers.
    pub(super) fn removed(&self, forgotten: Vec<ArrayRef>) -> Result<Vec<ArrayRef>, StepError> {
        let width = forgotten.len();
        let pieces: Vec<_> = self.gone.iter().chain([&forgotten]).collect();
        let columns = (0..width).map(|column| {
            let pieces: Vec<_> = pieces.iter().map(|piece| piece[column].as_ref()).collect();
            Ok(concat(&pieces)?)
        });
        columns.collect()
    }
}
