//! The states of `map-with-state`, of which a batch touches few.

use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef, RecordBatch};

use super::{changes::Changes, slots::Slots};
use crate::{
    model::{BatchTime, Schema},
    operator::{StepError, group::Grouper},
};

/// The keys of a partition, their states, and when each was last touched. What a batch costs grows
/// with the keys it touches, not with those that there are.
#[derive(Debug)]
pub struct MapStates {
    pub(super) table: Grouper,
    pub(super) keys: Slots,
    pub(super) states: Slots,
    /// The batch time at which each key was last touched; none: it has no state.
    pub(super) touched: Vec<Option<BatchTime>>,
    /// Which keys were touched at a time; those touched again since are also there.
    by_time: BTreeMap<BatchTime, Vec<u32>>,
    without_state: usize,
    /// For each key its place in the batch; `u32::MAX` outside of [`in_batch`](Self::in_batch).
    marks: Vec<u32>,
    schemas: (Schema, Schema),
    /// Since the state was last written down; none: it never was.
    pub(super) changes: Option<Changes>,
    /// Since the keys were copied to be migrated; none: they are not.
    pub(super) since_copy: Option<Box<Changes>>,
}

impl MapStates {
    /// No key is known. Keys and states have these columns.
    ///
    /// # Errors
    /// When Arrow cannot make a row of them.
    pub fn empty(keys: &Schema, states: &Schema) -> Result<Self, StepError> {
        Ok(Self {
            table: Grouper::encoded(),
            keys: Slots::new(keys)?,
            states: Slots::new(states)?,
            touched: Vec::new(),
            by_time: BTreeMap::new(),
            without_state: 0,
            marks: Vec::new(),
            schemas: (keys.clone(), states.clone()),
            changes: None,
            since_copy: None,
        })
    }

    /// These keys and states are known, touched by the first batch (spec 6.5). If a key comes twice
    /// its last state counts.
    ///
    /// # Errors
    /// When there are too many.
    pub fn with_initial(
        keys: &Schema,
        states: &Schema,
        rows: &[RecordBatch],
        time: BatchTime,
    ) -> Result<Self, StepError> {
        let mut fresh = Self::empty(keys, states)?;
        for chunk in rows {
            let (key, state) = chunk.columns().split_at(keys.fields().len());
            let numbers = fresh.number(key, chunk.num_rows())?;
            fresh
                .states
                .write(numbers.iter().copied(), state.to_vec())?;
            for number in numbers {
                fresh.touch(number, time);
            }
        }
        Ok(fresh)
    }

    /// As [`PartitionState::copied`](super::PartitionState::copied).
    pub(super) fn copied(&self) -> Self {
        Self {
            table: self.table.clone(),
            keys: self.keys.clone(),
            states: self.states.clone(),
            touched: self.touched.clone(),
            by_time: self.by_time.clone(),
            without_state: self.without_state,
            marks: self.marks.clone(),
            schemas: self.schemas.clone(),
            changes: None,
            since_copy: None,
        }
    }

    /// The number of each row's key; new keys get one.
    pub(super) fn number(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, StepError> {
        let known = self.table.len();
        let mut numbers = Vec::new();
        self.table.assign(keys, rows, &mut numbers)?;
        let all = self.table.len();
        self.keys.grow(all);
        self.states.grow(all);
        self.touched.resize(all, None);
        self.marks.resize(all, u32::MAX);
        self.without_state += all - known;
        let mut next = u32::try_from(known).unwrap_or(u32::MAX);
        for piece in self.table.take_pieces() {
            let rows = piece.first().map_or(0, Array::len);
            let end = next.saturating_add(u32::try_from(rows).unwrap_or(u32::MAX));
            self.keys.write(next..end, piece)?;
            next = end;
        }
        Ok(numbers)
    }

    /// The keys of a batch numbered in the order in which they came, for each row; and these keys.
    pub(super) fn in_batch(&mut self, keys: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let mut distinct = Vec::new();
        let groups = keys.iter().map(|key| {
            let mark = &mut self.marks[*key as usize];
            if *mark == u32::MAX {
                *mark = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
                distinct.push(*key);
            }
            *mark
        });
        let groups = groups.collect();
        for key in &distinct {
            self.marks[*key as usize] = u32::MAX;
        }
        (groups, distinct)
    }

    /// The key has a state.
    pub(super) fn has_state(&self, key: u32) -> bool {
        self.touched[key as usize].is_some()
    }

    /// When the key was last touched; none: it has no state.
    pub(super) fn touched(&self, key: u32) -> Option<BatchTime> {
        self.touched[key as usize]
    }

    /// The key has a state, as of this batch.
    pub(super) fn touch(&mut self, key: u32, time: BatchTime) {
        let touched = &mut self.touched[key as usize];
        self.without_state -= usize::from(touched.is_none());
        if *touched != Some(time) {
            *touched = Some(time);
            self.by_time.entry(time).or_default().push(key);
        }
        for changes in self.noted() {
            changes.change(key);
        }
    }

    /// The key stays as it is, also if it was [idle](Self::idle_since).
    pub(super) fn stay(&mut self, key: u32) {
        if let Some(time) = self.touched[key as usize] {
            let keys = self.by_time.entry(time).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }

    /// The key has no state any more.
    pub(super) fn forget(&mut self, key: u32) {
        let touched = &mut self.touched[key as usize];
        self.without_state += usize::from(touched.is_some());
        *touched = None;
        for changes in self.noted() {
            changes.forget(key);
        }
    }

    /// Who wants to know what changes.
    fn noted(&mut self) -> impl Iterator<Item = &mut Changes> {
        let since_copy = self.since_copy.as_deref_mut();
        self.changes.iter_mut().chain(since_copy)
    }

    /// Keys that have changed and have a state, in the order of their encoded keys; and the columns of
    /// those that were forgotten.
    pub(super) fn changed(
        &self,
        changes: &Changes,
    ) -> Result<(Vec<u32>, Vec<ArrayRef>), StepError> {
        let changed = changes.changed.iter().copied();
        let mut changed: Vec<u32> = changed.filter(|key| self.has_state(*key)).collect();
        self.sort(&mut changed);
        let forgotten = self.keys.read(&changes.forgotten)?;
        Ok((changed, changes.removed(forgotten)?))
    }

    /// Forgets the keys `gone`, and remembers these with their states and times.
    pub(super) fn put(
        &mut self,
        gone: &[ArrayRef],
        (keys, states): (&[ArrayRef], &[ArrayRef]),
        times: &[i64],
    ) -> Result<(), StepError> {
        for number in self.number(gone, gone.first().map_or(0, Array::len))? {
            self.forget(number);
        }
        let numbers = self.number(keys, keys.first().map_or(0, Array::len))?;
        self.states
            .write(numbers.iter().copied(), states.to_vec())?;
        for (number, time) in numbers.into_iter().zip(times) {
            self.touch(number, BatchTime::from_millis(*time));
        }
        self.tidy()
    }

    /// Keys last touched before `threshold`, in the order of their encoded keys.
    pub(super) fn idle_since(&mut self, threshold: BatchTime) -> Vec<u32> {
        let recent = self.by_time.split_off(&threshold);
        let old = std::mem::replace(&mut self.by_time, recent);
        let idle = old.into_iter().flat_map(|(time, keys)| {
            let touched = &self.touched;
            keys.into_iter()
                .filter(move |key| touched[*key as usize] == Some(time))
        });
        let mut idle: Vec<u32> = idle.collect();
        self.sort(&mut idle);
        idle
    }

    /// Every key with a state, in the order of their encoded keys.
    pub(super) fn all(&self) -> Vec<u32> {
        let keys = (0..self.touched.len()).filter_map(|key| u32::try_from(key).ok());
        let mut keys: Vec<u32> = keys.filter(|key| self.has_state(*key)).collect();
        self.sort(&mut keys);
        keys
    }

    /// The columns of keys and of states.
    pub(super) fn schemas(&self) -> (&Schema, &Schema) {
        (&self.schemas.0, &self.schemas.1)
    }

    /// Puts keys into the order of their encoded keys.
    pub(super) fn sort(&self, keys: &mut [u32]) {
        self.table.sort(keys);
    }

    /// Drops the keys without a state once they are more than the others.
    pub(super) fn tidy(&mut self) -> Result<(), StepError> {
        if self.without_state <= 4096.max(self.touched.len() / 2) {
            return Ok(());
        }
        self.tidy_now()
    }

    /// Drops the keys without a state.
    pub(super) fn tidy_now(&mut self) -> Result<(), StepError> {
        let numbers = (0..self.touched.len()).filter_map(|key| u32::try_from(key).ok());
        let living: Vec<u32> = numbers.filter(|key| self.has_state(*key)).collect();
        let (keys, states) = (self.keys.read(&living)?, self.states.read(&living)?);
        let touched: Vec<_> = living
            .iter()
            .map(|key| self.touched[*key as usize])
            .collect();
        let since_copy = self.since_copy.take().map(|changes| *changes);
        let noted = [self.changes.take(), since_copy];
        let noted = noted.map(|changes| -> Result<_, StepError> {
            let Some(changes) = changes else {
                return Ok(None);
            };
            let forgotten = self.keys.read(&changes.forgotten)?;
            Ok(Some((changes, forgotten)))
        });
        let [changes, since_copy] = noted;
        let (changes, since_copy) = (changes?, since_copy?);
        *self = Self::empty(&self.schemas.0, &self.schemas.1)?;
        let numbers = self.number(&keys, living.len())?;
        self.states.write(numbers.iter().copied(), states)?;
        for (number, time) in numbers.iter().zip(touched) {
            if let Some(time) = time {
                self.touch(*number, time);
            }
        }
        // Both are rising: the living keep their order.
        let renumbered = |key| living.binary_search(&key).ok().map(|at| numbers[at]);
        let renumber = |(changes, forgotten): (Changes, _)| changes.renumber(forgotten, renumbered);
        self.changes = changes.map(renumber);
        self.since_copy = since_copy.map(renumber).map(Box::new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, cast::AsArray, types::Int64Type};

    use super::*;
    use crate::model::Kind;

    fn at(millis: i64) -> BatchTime {
        BatchTime::from_millis(millis)
    }

    #[test]
    fn a_key_that_is_touched_again_is_not_idle() {
        let key = Schema::plain(Kind::Int64);
        let mut states = MapStates::empty(&key, &key).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![7, 8, 9]));
        let numbers = states.number(&[column], 3).unwrap();
        for number in &numbers {
            states.touch(*number, at(1));
        }
        states.touch(numbers[1], at(2));
        assert!(states.idle_since(at(1)).is_empty());
        assert_eq!(states.idle_since(at(2)), [numbers[0], numbers[2]]);
        assert_eq!(states.idle_since(at(3)), [numbers[1]]);
    }

    #[test]
    fn forgotten_keys_make_room() {
        let key = Schema::plain(Kind::Int64);
        let mut states = MapStates::empty(&key, &key).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
        let numbers = states
            .number(std::slice::from_ref(&column), 10_000)
            .unwrap();
        states
            .states
            .write(numbers.iter().copied(), vec![column])
            .unwrap();
        for number in numbers {
            states.touch(number, at(1));
            if number != 5_000 {
                states.forget(number);
            }
        }
        states.tidy().unwrap();
        assert_eq!(states.table.len(), 1);
        let all = states.all();
        let read = states.states.read(&all).unwrap();
        assert_eq!(read[0].as_primitive::<Int64Type>().values(), &[5_000]);
        assert_eq!(states.idle_since(at(2)), all);
    }
}
