//! Rows brought together by key.

use arrow_array::{Array, ArrayRef, UInt32Array, cast::AsArray};
use arrow_schema::DataType;
use arrow_select::{concat::concat, take::take};
use hashbrown::HashTable;

use super::{StepError, key::KeyEncoder};

/// Gives each distinct key a number, counting from 0 in the order of first arrival, and keeps the
/// key columns of each.
///
/// The hash is only in memory and never decides an order, so it may change with any release.
#[derive(Debug, Default)]
pub(super) struct Grouper {
    table: HashTable<Slot>,
    /// Bytes of all keys, one after another.
    arena: Vec<u8>,
    /// Where each key ends in the arena.
    ends: Vec<usize>,
    /// The key columns of new groups, a piece for each chunk that had any.
    pieces: Vec<Vec<ArrayRef>>,
    scratch: Vec<u8>,
    /// Keys are kept as [`KeyEncoder`] writes them, also where less would do.
    encoded: bool,
}

/// Half a hash, so that most of what is not equal is passed over without a look at the arena.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u64,
    group: u32,
}

impl Grouper {
    /// One whose keys can be compared by [`bytes`](Self::bytes).
    pub(super) fn encoded() -> Self {
        Self {
            encoded: true,
            ..Self::default()
        }
    }

    /// The key of a group as it is kept.
    pub(super) fn bytes(&self, group: u32) -> &[u8] {
        let group = group as usize;
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        &self.arena[start..self.ends[group]]
    }

    /// The key columns of the groups that are new since the last time, a piece for each chunk.
    pub(super) fn take_pieces(&mut self) -> Vec<Vec<ArrayRef>> {
        std::mem::take(&mut self.pieces)
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The group of each row of a chunk with these key columns, into `groups`.
    pub(super) fn assign(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<(), StepError> {
        groups.clear();
        groups.reserve(rows);
        let mut fresh: Vec<u32> = Vec::new();
        let mut scratch = std::mem::take(&mut self.scratch);
        each_key((columns, self.encoded), rows, &mut scratch, |row, key| {
            groups.push(self.group(key, row, &mut fresh)?);
            Ok(())
        })?;
        self.scratch = scratch;
        if !fresh.is_empty() {
            let fresh = UInt32Array::from(fresh);
            let piece = columns.iter().map(|column| take(column, &fresh, None));
            self.pieces.push(piece.collect::<Result<_, _>>()?);
        }
        Ok(())
    }

    /// The group of each row of a chunk, as [`assign`](Self::assign) gave it to an equal key; none
    /// if it never did.
    pub(super) fn find(
        &self,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<Vec<Option<u32>>, StepError> {
        let mut groups = Vec::with_capacity(rows);
        each_key((columns, self.encoded), rows, &mut Vec::new(), |_, key| {
            groups.push(self.group_of(key, hash(key)));
            Ok(())
        })?;
        Ok(groups)
    }

    fn group_of(&self, key: &[u8], hash: u64) -> Option<u32> {
        let Self {
            table, arena, ends, ..
        } = self;
        let found = table.find(hash, |slot| {
            slot.hash == hash && {
                let group = slot.group as usize;
                let start = if group == 0 { 0 } else { ends[group - 1] };
                arena[start..ends[group]] == *key
            }
        });
        found.map(|slot| slot.group)
    }

    fn group(&mut self, key: &[u8], row: usize, fresh: &mut Vec<u32>) -> Result<u32, StepError> {
        let hash = hash(key);
        if let Some(group) = self.group_of(key, hash) {
            return Ok(group);
        }
        let Self {
            table, arena, ends, ..
        } = self;
        let group = u32::try_from(ends.len())
            .ok()
            .filter(|group| *group < u32::MAX)
            .ok_or_else(|| StepError::Arrow("more than 2^32 keys in one partition".into()))?;
        arena.extend_from_slice(key);
        ends.push(arena.len());
        table.insert_unique(hash, Slot { hash, group }, |slot| slot.hash);
        fresh.push(u32::try_from(row).unwrap_or(u32::MAX));
        Ok(group)
    }

    /// The key columns, row g being group g's. `like` gives the types if there is no group.
    pub(super) fn keys(&self, like: &[DataType]) -> Result<Vec<ArrayRef>, StepError> {
        let columns = like.iter().enumerate().map(|(at, data_type)| {
            let pieces: Vec<&dyn Array> = self.pieces.iter().map(|p| p[at].as_ref()).collect();
            match pieces.as_slice() {
                [] => Ok(arrow_array::new_empty_array(data_type)),
                pieces => concat(pieces),
            }
        });
        Ok(columns.collect::<Result<_, _>>()?)
    }
}

/// Calls `visit` with the bytes of each row's key.
fn each_key(
    (columns, encoded): (&[ArrayRef], bool),
    rows: usize,
    scratch: &mut Vec<u8>,
    mut visit: impl FnMut(usize, &[u8]) -> Result<(), StepError>,
) -> Result<(), StepError> {
    // One column of text without nulls, by far the most common key: its bytes are the key.
    if !encoded
        && let [text] = columns
        && text.null_count() == 0
        && *text.data_type() == DataType::Utf8
    {
        let text = text.as_string::<i32>();
        return (0..rows).try_for_each(|row| visit(row, text.value(row).as_bytes()));
    }
    let encoder = KeyEncoder::new(columns);
    let is_text = !encoded && matches!(columns, [one] if *one.data_type() == DataType::Utf8);
    (0..rows).try_for_each(|row| {
        scratch.clear();
        encoder.encode(row, scratch);
        // As above for text, so that chunks with and without nulls agree; UTF-8 never holds the
        // byte that stands for null.
        let bytes = match (is_text, scratch.first()) {
            (true, Some(1)) => &scratch[5..],
            (true, _) => &[0xff],
            _ => &scratch[..],
        };
        visit(row, bytes)
    })
}

fn hash(key: &[u8]) -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    // A fixed seed: the order of groups does not depend on it, and runs repeat exactly.
    let mut hasher = foldhash::fast::FixedState::with_seed(0x7273_7274).build_hasher();
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};

    use super::*;

    fn groups(chunks: &[Vec<ArrayRef>]) -> (Vec<u32>, Grouper) {
        let mut grouper = Grouper::default();
        let mut all = Vec::new();
        let mut of_chunk = Vec::new();
        for chunk in chunks {
            grouper
                .assign(chunk, chunk[0].len(), &mut of_chunk)
                .unwrap();
            all.extend_from_slice(&of_chunk);
        }
        (all, grouper)
    }

    #[test]
    fn groups_are_numbered_in_the_order_of_first_arrival() {
        let text =
            |values: Vec<Option<&str>>| vec![Arc::new(StringArray::from(values)) as ArrayRef];
        let (groups, grouper) = groups(&[
            text(vec![Some("b"), Some("a"), Some("b")]),
            text(vec![None, Some("a"), Some(""), None]),
            text(vec![Some("")]),
        ]);
        assert_eq!(groups, [0, 1, 0, 2, 1, 3, 2, 3]);
        let keys = grouper.keys(&[DataType::Utf8]).unwrap();
        let expected = StringArray::from(vec![Some("b"), Some("a"), None, Some("")]);
        assert_eq!(keys[0].as_string::<i32>(), &expected);
    }

    #[test]
    fn keys_of_several_columns_do_not_run_into_each_other() {
        let pair = |a: &str, b: &str| {
            vec![
                Arc::new(StringArray::from(vec![a])) as ArrayRef,
                Arc::new(StringArray::from(vec![b])) as ArrayRef,
            ]
        };
        let (groups, _) = groups(&[pair("ab", "c"), pair("a", "bc"), pair("ab", "c")]);
        assert_eq!(groups, [0, 1, 0]);
    }

    #[test]
    fn without_groups_the_key_columns_are_empty() {
        let keys = Grouper::default().keys(&[DataType::Int64]).unwrap();
        assert_eq!(
            keys[0].as_primitive::<arrow_array::types::Int64Type>(),
            &Int64Array::from(Vec::<i64>::new())
        );
    }
}
