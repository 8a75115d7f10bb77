//! The sink of a fused function: pairs combine in a table as they are emitted.

use super::{CombineKey as _, Table, table::Change};
use crate::{
    abi::columns::Batch,
    emitter::{Collect, Sink},
    functions::{Fused, Reduce as _},
    row::Room,
};

/// More keys than this, or more bytes of keys, and the table is put out and starts again. So a
/// partition of any size takes bounded memory.
const MOST_KEYS: usize = 256 * 1024;
const MOST_KEY_BYTES: usize = 8 << 20;

/// Combines pairs by key, statically: `F` names the function that combines.
pub struct Combining<F: Fused> {
    table: Table<F::Value>,
    scratch: Vec<u8>,
    /// What the row at hand changed, in case it is rejected. Unused if it cannot be.
    changes: Vec<Change<F::Value>>,
    /// Entries already put out by `next_piece`.
    taken: usize,
}

impl<F: Fused> Combining<F> {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::new(),
            scratch: Vec::new(),
            changes: Vec::new(),
            taken: 0,
        }
    }

    /// Keeps what the row at hand changed.
    #[inline]
    pub(crate) fn commit(&mut self) {
        if F::FALLIBLE {
            self.changes.clear();
        }
    }

    /// Takes back what the row at hand changed.
    pub(crate) fn take_back(&mut self) {
        while let Some(change) = self.changes.pop() {
            match change {
                Change::Added => self.table.pop(),
                Change::Replaced(number, old) => self.table.set(number, old),
            }
        }
    }

    /// Everything, if the table is too large; else no rows.
    pub(crate) fn overflow(&mut self) -> Batch {
        if self.table.len() > MOST_KEYS || self.table.key_bytes() > MOST_KEY_BYTES {
            let all = self.rows(0, self.table.len());
            self.table.clear();
            all
        } else {
            self.rows(0, 0)
        }
    }

    /// The next rows, at most `most`, until there are none.
    pub(crate) fn next_piece(&mut self, most: usize) -> Option<Batch> {
        let from = self.taken;
        let to = self.table.len().min(from + most);
        self.taken = to;
        (from < to).then(|| self.rows(from, to))
    }

    fn rows(&self, from: usize, to: usize) -> Batch {
        let room = Room {
            rows: to - from,
            bytes: (to - from) * 12,
        };
        let mut out = Collect::<(F::Key, F::Value)>::whole(room);
        for at in from..to {
            let (key, value) = self.table.get(at);
            out.put((F::Key::from_bytes(key), value.clone()));
        }
        out.close()
    }
}

impl<F: Fused> Sink<(F::Key, F::Value)> for Combining<F> {
    #[inline]
    fn put(&mut self, (key, value): <(F::Key, F::Value) as crate::row::Row>::Ref<'_>) {
        let table = &mut self.table;
        let change = F::Key::with_bytes(key, &mut self.scratch, |key| {
            table.upsert(key, value, F::FALLIBLE, |a, b| {
                F::Combine::apply(&(), &(), a, b)
            })
        });
        if let Some(change) = change {
            self.changes.push(change);
        }
    }
}
