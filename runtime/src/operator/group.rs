//! Rows brought together by key.

use arrow_array::{Array, ArrayRef, UInt32Array, cast::AsArray};
use arrow_schema::DataType;
use arrow_select::{concat::concat, take::take};
use hashbrown::HashTable;

use super::{StepError, key::KeyEncoder};

/// So many keys are looked up side by side. Where there are many keys each step of a look waits for
/// memory: these wait together, instead of one after the other.
const SIDE_BY_SIDE: usize = 32;

/// Gives each distinct key a number, counting from 0 in the order of first arrival, and keeps the
/// key columns of each.
///
/// The hash is only in memory and never decides an order, so it may change with any release.
#[derive(Debug, Clone, Default)]
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

    /// Puts groups into the order of their keys' bytes.
    pub(super) fn sort(&self, groups: &mut [u32]) {
        // By how keys begin, which lies side by side; the rest is somewhere in memory, and looked at
        // only where two begin in the same way.
        let begins = groups
            .iter()
            .map(|group| (begin(self.bytes(*group)), *group));
        let mut order: Vec<(u128, u32)> = begins.collect();
        order.sort_unstable_by(|(a, group), (b, other)| {
            let rest = || self.bytes(*group).cmp(self.bytes(*other));
            a.cmp(b).then_with(rest)
        });
        for (to, (_, group)) in groups.iter_mut().zip(order) {
            *to = group;
        }
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
        each_keys(
            (columns, self.encoded),
            rows,
            &mut scratch,
            |first, keys| {
                for (at, (likely, hash)) in self.likely(keys).into_iter().enumerate() {
                    let Some(key) = keys.get(at) else { break };
                    let group = match likely.filter(|group| self.bytes(*group) == *key) {
                        Some(group) => group,
                        None => self.group((key, hash), first + at, &mut fresh)?,
                    };
                    groups.push(group);
                }
                Ok(())
            },
        )?;
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
        each_keys((columns, self.encoded), rows, &mut Vec::new(), |_, keys| {
            let likely = self.likely(keys);
            groups.extend(keys.iter().zip(likely).map(|(key, (likely, hash))| {
                let found = likely.filter(|group| self.bytes(*group) == *key);
                found.or_else(|| self.group_of(key, hash))
            }));
            Ok(())
        })?;
        Ok(groups)
    }

    /// For each key the first group of its hash, which is nearly always its group, and the hash.
    fn likely(&self, keys: &[&[u8]]) -> [(Option<u32>, u64); SIDE_BY_SIDE] {
        let mut likely = [(None, 0); SIDE_BY_SIDE];
        for ((_, to), key) in likely.iter_mut().zip(keys) {
            *to = hash(key);
        }
        for (group, hash) in likely.iter_mut().take(keys.len()) {
            let found = self.table.find(*hash, |slot| slot.hash == *hash);
            *group = found.map(|slot| slot.group);
        }
        likely
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

    fn group(
        &mut self,
        (key, hash): (&[u8], u64),
        row: usize,
        fresh: &mut Vec<u32>,
    ) -> Result<u32, StepError> {
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

/// Calls `visit` with the bytes of the rows' keys, a few rows at a time, and the first of these rows.
fn each_keys(
    (columns, encoded): (&[ArrayRef], bool),
    rows: usize,
    scratch: &mut Vec<u8>,
    mut visit: impl FnMut(usize, &[&[u8]]) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let mut firsts = (0..rows).step_by(SIDE_BY_SIDE);
    let rows_from = |first: usize| first..rows.min(first + SIDE_BY_SIDE);
    let mut keys: [&[u8]; SIDE_BY_SIDE] = [&[]; SIDE_BY_SIDE];
    // One column of text without nulls, by far the most common key: its bytes are the key.
    if !encoded
        && let [text] = columns
        && text.null_count() == 0
        && *text.data_type() == DataType::Utf8
    {
        let text = text.as_string::<i32>();
        return firsts.try_for_each(|first| {
            let rows = rows_from(first);
            for (key, row) in keys.iter_mut().zip(rows.clone()) {
                *key = text.value(row).as_bytes();
            }
            visit(first, &keys[..rows.len()])
        });
    }
    let encoder = KeyEncoder::new(columns);
    let is_text = !encoded && matches!(columns, [one] if *one.data_type() == DataType::Utf8);
    firsts.try_for_each(|first| {
        let rows = rows_from(first);
        scratch.clear();
        let mut ends = [0; SIDE_BY_SIDE];
        for (end, row) in ends.iter_mut().zip(rows.clone()) {
            encoder.encode(row, scratch);
            *end = scratch.len();
        }
        let mut keys: [&[u8]; SIDE_BY_SIDE] = [&[]; SIDE_BY_SIDE];
        let mut start = 0;
        for (key, end) in keys.iter_mut().zip(ends).take(rows.len()) {
            let bytes = &scratch[start..end];
            // As above for text, so that chunks with and without nulls agree; UTF-8 never holds the
            // byte that stands for null.
            *key = match (is_text, bytes.first()) {
                (true, Some(1)) => &bytes[5..],
                (true, _) => &[0xff],
                _ => bytes,
            };
            start = end;
        }
        visit(first, &keys[..rows.len()])
    })
}

/// How a key begins, as a number of the same order; the missing bytes of short ones are zeros.
fn begin(key: &[u8]) -> u128 {
    let mut begin = [0; 16];
    for (to, byte) in begin.iter_mut().zip(key) {
        *to = *byte;
    }
    u128::from_be_bytes(begin)
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
    fn sorted_groups_are_in_the_order_of_their_bytes_also_behind_the_sixteenth() {
        let long = "the same for long enough: ";
        let values = [
            format!("{long}b"),
            "\0".to_owned(),
            format!("{long}a"),
            String::new(),
            "\0\0".to_owned(),
            long.to_owned(),
            "ä".to_owned(),
        ];
        let column = Arc::new(StringArray::from_iter_values(&values)) as ArrayRef;
        let (mut order, grouper) = groups(&[vec![column]]);
        grouper.sort(&mut order);
        let sorted: Vec<_> = order.iter().map(|at| &values[*at as usize]).collect();
        let mut expected: Vec<_> = values.iter().collect();
        expected.sort();
        assert_eq!(sorted, expected);
    }

    /// More keys than are looked up side by side, some of them twice in one go.
    #[test]
    fn a_key_has_one_group_wherever_it_stands() {
        let values: Vec<i64> = (0..500).map(|n| n * n % 71).collect();
        let mut known: Vec<i64> = Vec::new();
        let expected: Vec<u32> = values
            .iter()
            .map(|value| {
                let at = known.iter().position(|other| other == value);
                let at = at.unwrap_or_else(|| {
                    known.push(*value);
                    known.len() - 1
                });
                u32::try_from(at).unwrap()
            })
            .collect();
        let column = |values: &[i64]| vec![Arc::new(Int64Array::from(values.to_vec())) as ArrayRef];
        let (given, grouper) = groups(&[column(&values[..333]), column(&values[333..])]);
        assert_eq!(given, expected);
        let found = grouper.find(&column(&[4, 71, 0, 4]), 4).unwrap();
        let of = |value| {
            known
                .iter()
                .position(|other| *other == value)
                .and_then(|at| u32::try_from(at).ok())
        };
        assert_eq!(found, [of(4), None, of(0), of(4)]);
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
