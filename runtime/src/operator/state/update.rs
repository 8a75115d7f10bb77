//! `update-state-by-key`: a new state for every key, in every batch (spec 6.1).

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_select::{concat::concat, filter::filter, interleave::interleave, take::take};

use super::{
    PartitionState,
    calls::{self, Groupings, joined, without_meaning},
};
use crate::{
    model::{Schema, pieces},
    operator::{
        Emitted, Sandbox, Step, StepError,
        group::Grouper,
        letter::letters_of_groups,
        reducer::{in_group_order, lengths},
    },
    plugin::Usage,
};

/// The keys of a partition and their states, in the order of their encoded keys, which is the order
/// in which they are put out.
#[derive(Debug)]
pub struct UpdateStates {
    /// Numbers keys in the order in which they came.
    table: Grouper,
    /// Where the key of each number stands.
    places: Vec<u32>,
    pub(super) keys: Vec<ArrayRef>,
    pub(super) states: Vec<ArrayRef>,
    /// What was last written down: keys, then states.
    pub(super) saved: Option<RecordBatch>,
}

/// How keys and states look, and what updates them.
pub struct UpdateSpec {
    /// Key columns of what comes in.
    pub keys: Vec<usize>,
    /// Value columns of what comes in, in the function's order.
    pub values: Vec<usize>,
    /// Which of the keys the function asked for.
    pub asked: Vec<usize>,
    /// The function.
    pub sandbox: Sandbox,
    /// A key without new values keeps its state unasked.
    pub skips_idle: bool,
    /// Of the input.
    pub input: Schema,
    /// What is remembered of a key.
    pub state: Schema,
    /// Key columns, then the state's.
    pub output: Schema,
    /// So many keys may be left out of a batch; none: a fault fails the task.
    pub most: Option<usize>,
}

/// At which places a key was left out, and why.
type Faults = Vec<(u32, StepError)>;

/// Gathers the values of each key and calls the function once the batch is there.
pub struct UpdateStep {
    spec: UpdateSpec,
    kept: UpdateStates,
    groups: Vec<u32>,
    pieces: Vec<Vec<ArrayRef>>,
    /// All columns of what came, if keys may be left out.
    chunks: Vec<RecordBatch>,
}

impl UpdateStates {
    /// No key is known. `output` is as in [`UpdateSpec`], with so many key columns.
    pub fn empty(output: &Schema, keys: usize) -> Self {
        let schema = output.to_arrow();
        let columns = schema.fields().iter();
        let mut keys_of: Vec<ArrayRef> = columns
            .map(|f| arrow_array::new_empty_array(f.data_type()))
            .collect();
        let states = keys_of.split_off(keys);
        Self {
            table: Grouper::encoded(),
            places: Vec::new(),
            keys: keys_of,
            states,
            saved: None,
        }
    }

    /// These keys and states are known. If a key comes twice its first state counts (spec 6.4).
    ///
    /// # Errors
    /// When there are too many.
    pub fn with_initial(
        output: &Schema,
        keys: usize,
        rows: &[RecordBatch],
    ) -> Result<Self, StepError> {
        let mut fresh = Self::empty(output, keys);
        let mut first: Vec<Vec<ArrayRef>> = Vec::new();
        for chunk in rows {
            let (key, state) = chunk.columns().split_at(keys);
            let known = fresh.table.len();
            let mut groups = Vec::new();
            fresh.table.assign(key, chunk.num_rows(), &mut groups)?;
            let mut next = known;
            let rows = groups.iter().enumerate().filter(|(_, group)| {
                let is_first = **group as usize == next;
                next += usize::from(is_first);
                is_first
            });
            let rows: UInt32Array = rows
                .filter_map(|(row, _)| u32::try_from(row).ok())
                .collect();
            let states = state.iter().map(|column| take(column, &rows, None));
            first.push(states.collect::<Result<_, _>>()?);
        }
        let states: Vec<ArrayRef> = fresh.states.clone();
        fresh.states = states
            .iter()
            .enumerate()
            .map(|(at, empty)| {
                let pieces = first.iter().map(|piece| piece[at].as_ref());
                concat(
                    &[empty.as_ref()]
                        .into_iter()
                        .chain(pieces)
                        .collect::<Vec<_>>(),
                )
            })
            .collect::<Result<_, _>>()?;
        fresh.add_new(true)?;
        Ok(fresh)
    }

    /// As [`PartitionState::copied`].
    pub(super) fn copied(&self) -> Self {
        Self {
            table: self.table.clone(),
            places: self.places.clone(),
            keys: self.keys.clone(),
            states: self.states.clone(),
            saved: None,
        }
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    /// Gives the keys that are new in the table their places. Their states are null, unless
    /// `states_are_there` behind the others.
    fn add_new(&mut self, states_are_there: bool) -> Result<(), StepError> {
        let (known, all) = (self.places.len(), self.table.len());
        if all == known {
            return Ok(());
        }
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut fresh: Vec<u32> = (number(known)..number(all)).collect();
        self.table.sort(&mut fresh);
        let mut known_in_order = vec![0; known];
        for (key, place) in self.places.iter().enumerate() {
            known_in_order[*place as usize] = number(key);
        }
        let mut order = Vec::with_capacity(all);
        let (mut old, mut new) = (
            known_in_order.into_iter().peekable(),
            fresh.into_iter().peekable(),
        );
        loop {
            let from_old = match (old.peek(), new.peek()) {
                (Some(a), Some(b)) => self.table.bytes(*a) < self.table.bytes(*b),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            order.extend(if from_old { old.next() } else { new.next() });
        }
        // Known keys lie by their places, new ones behind them by their numbers.
        let from: UInt32Array = order
            .iter()
            .map(|key| self.places.get(*key as usize).copied().unwrap_or(*key))
            .collect();
        let pieces = self.table.take_pieces();
        for (at, column) in self.keys.iter_mut().enumerate() {
            let pieces = pieces.iter().map(|piece| piece[at].as_ref());
            let all: Vec<&dyn Array> = [column.as_ref()].into_iter().chain(pieces).collect();
            *column = take(&concat(&all)?, &from, None)?;
        }
        let from_state: UInt32Array = if states_are_there {
            from
        } else {
            let known = number(known);
            let state = |from: Option<u32>| from.filter(|from| *from < known);
            from.iter().map(state).collect()
        };
        for column in &mut self.states {
            *column = take(column, &from_state, None)?;
        }
        self.places.resize(all, 0);
        for (place, key) in order.into_iter().enumerate() {
            self.places[key as usize] = number(place);
        }
        Ok(())
    }

    /// Forgets the keys `gone`, and remembers these, each of which is there once, with their states.
    pub(super) fn put(
        &mut self,
        gone: &[ArrayRef],
        keys: &[ArrayRef],
        states: &[ArrayRef],
    ) -> Result<(), StepError> {
        let gone = self.table.find(gone, gone.first().map_or(0, Array::len))?;
        if gone.iter().any(Option::is_some) {
            let mut keep = BooleanBufferBuilder::new(self.len());
            keep.append_n(self.len(), true);
            for number in gone.into_iter().flatten() {
                keep.set_bit(self.places[number as usize] as usize, false);
            }
            self.retain(keep.finish())?;
        }
        let (known, mut groups) = (self.len(), Vec::new());
        let rows = keys.first().map_or(0, Array::len);
        self.table.assign(keys, rows, &mut groups)?;
        // Known keys lie by their places, new ones behind them by their numbers.
        let mut from: Vec<(usize, usize)> = (0..self.table.len()).map(|at| (0, at)).collect();
        for (row, group) in groups.into_iter().enumerate() {
            let group = group as usize;
            let at = self.places.get(group).map_or(group, |at| *at as usize);
            from[at] = (1, row);
        }
        debug_assert!(from[known..].iter().all(|(piece, _)| *piece == 1));
        for (own, new) in self.states.iter_mut().zip(states) {
            *own = interleave(&[own.as_ref(), new.as_ref()], &from)?;
        }
        self.add_new(true)
    }

    /// Forgets the keys at the places whose bit is 0.
    fn retain(&mut self, keep: BooleanBuffer) -> Result<(), StepError> {
        let keep = BooleanArray::new(keep, None);
        for column in self.keys.iter_mut().chain(&mut self.states) {
            *column = filter(column, &keep)?;
        }
        let rows = self.keys.first().map_or(0, Array::len);
        self.table = Grouper::encoded();
        let mut groups = Vec::new();
        self.table.assign(&self.keys, rows, &mut groups)?;
        self.table.take_pieces();
        self.places = groups;
        Ok(())
    }
}

impl UpdateStep {
    /// A step that goes on from what the partition remembers.
    pub fn new(spec: UpdateSpec, kept: UpdateStates) -> Self {
        Self {
            spec,
            kept,
            groups: Vec::new(),
            pieces: Vec::new(),
            chunks: Vec::new(),
        }
    }

    fn update(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        let known = self.kept.len();
        // Keys that were known before have a state.
        self.kept.add_new(false)?;
        let all = self.kept.len();
        let mut present = BooleanBufferBuilder::new(all);
        present.append_n(all, false);
        for place in &self.kept.places[..known] {
            present.set_bit(*place as usize, true);
        }
        let present = present.finish();
        let schema = self.spec.state.to_arrow();
        for (column, field) in self.kept.states.iter_mut().zip(schema.fields()) {
            *column = without_meaning(column.clone(), field)?;
        }
        let places: Vec<u32> = self
            .groups
            .iter()
            .map(|key| self.kept.places[*key as usize])
            .collect();
        let lengths = lengths(&places, all);
        let order = in_group_order(&places, &lengths);
        let input = self.spec.input.to_arrow();
        let mut values = Vec::with_capacity(self.spec.values.len());
        for (at, column) in self.spec.values.iter().enumerate() {
            let pieces: Vec<&dyn Array> = self.pieces.iter().map(|p| p[at].as_ref()).collect();
            values.push(match pieces.as_slice() {
                [] => arrow_array::new_empty_array(input.field(*column).data_type()),
                pieces => take(&concat(pieces)?, &order, None)?,
            });
        }
        let called: Option<Vec<u32>> = self.spec.skips_idle.then(|| {
            let busy = lengths
                .iter()
                .enumerate()
                .filter(|(_, length)| **length > 0);
            busy.filter_map(|(place, _)| u32::try_from(place).ok())
                .collect()
        });
        let (states, keep, faults) = self.call(called.as_deref(), &lengths, &values, &present)?;
        let letters = letters_of_groups(&faults, &self.chunks, &places, |place| {
            self.key_of(place as usize)
        });
        out.letters.extend(letters?);
        self.kept.states = states;
        if keep.count_set_bits() < all {
            self.kept.retain(keep)?;
        }
        Ok(())
    }

    /// The key at a place, by itself.
    fn key_of(&self, place: usize) -> Result<RecordBatch, StepError> {
        let keys = self.kept.keys.iter().map(|column| column.slice(place, 1));
        let schema = self.spec.output.to_arrow();
        let names: Vec<usize> = (0..self.kept.keys.len()).collect();
        Ok(RecordBatch::try_new(
            Arc::new(schema.project(&names)?),
            keys.collect(),
        )?)
    }

    /// The states from now on, which keys stay, and at which places one was left out.
    fn call(
        &mut self,
        called: Option<&[u32]>,
        lengths: &[usize],
        values: &[ArrayRef],
        present: &BooleanBuffer,
    ) -> Result<(Vec<ArrayRef>, BooleanBuffer, Faults), StepError> {
        let all = lengths.len();
        let picked: Option<UInt32Array> = called.map(|called| called.to_vec().into());
        let pick =
            |columns: &mut dyn Iterator<Item = &ArrayRef>| -> Result<Vec<ArrayRef>, StepError> {
                let columns = columns.map(|column| match &picked {
                    None => Ok(column.clone()),
                    Some(picked) => take(column, picked, None),
                });
                Ok(columns.collect::<Result<_, _>>()?)
            };
        let keys = pick(&mut self.spec.asked.iter().map(|&at| &self.kept.keys[at]))?;
        let states = pick(&mut self.kept.states.iter())?;
        let places: Vec<usize> = match called {
            None => (0..all).collect(),
            Some(called) => called.iter().map(|place| *place as usize).collect(),
        };
        let lengths: Vec<usize> = places.iter().map(|place| lengths[*place]).collect();
        let present: BooleanBuffer = places.iter().map(|place| present.value(*place)).collect();
        let groupings = Groupings {
            keys: &keys,
            lengths: &lengths,
            values,
            states: &states,
            present: &present,
            expired: &BooleanBuffer::new_unset(places.len()),
        };
        let (mut made, mut kept) = (Vec::new(), BooleanBufferBuilder::new(places.len()));
        let schema = &self.spec.state;
        let faults = calls::update(
            &mut self.spec.sandbox,
            &groupings,
            (schema, None),
            self.spec.most,
            |call, updated| {
                if let Some(updated) = updated {
                    made.push(updated.states.columns().to_vec());
                    kept.append_buffer(&updated.keep);
                } else {
                    // What is left out keeps its state, if it has one.
                    let (from, length) = (call.groups.start, call.groups.len());
                    made.push(states.iter().map(|s| s.slice(from, length)).collect());
                    kept.append_buffer(&present.slice(from, length));
                }
                Ok(())
            },
        )?;
        let faults = faults
            .into_iter()
            .map(|(group, fault)| (u32::try_from(places[group]).unwrap_or(u32::MAX), fault));
        let faults: Vec<_> = faults.collect();
        let (made, kept) = (joined(&made, schema)?, kept.finish());
        let Some(called) = called else {
            return Ok((made, kept, faults));
        };
        // States that were not looked at lie where they were, the others behind them.
        let mut from: Vec<u32> = (0..u32::try_from(all).unwrap_or(u32::MAX)).collect();
        let mut keep = BooleanBufferBuilder::new(all);
        keep.append_n(all, true);
        for (at, place) in called.iter().enumerate() {
            from[*place as usize] = u32::try_from(all + at).unwrap_or(u32::MAX);
            keep.set_bit(*place as usize, kept.value(at));
        }
        let from = UInt32Array::from(from);
        let states = self.kept.states.iter().zip(&made);
        let states =
            states.map(|(old, new)| take(&concat(&[old.as_ref(), new.as_ref()])?, &from, None));
        Ok((states.collect::<Result<_, _>>()?, keep.finish(), faults))
    }
}

impl Step for UpdateStep {
    fn push(&mut self, chunk: RecordBatch, _: &mut Emitted) -> Result<(), StepError> {
        let pick = |at: &[usize]| -> Vec<ArrayRef> {
            at.iter()
                .map(|&column| chunk.column(column).clone())
                .collect()
        };
        let mut groups = Vec::new();
        let keys = pick(&self.spec.keys);
        self.kept
            .table
            .assign(&keys, chunk.num_rows(), &mut groups)?;
        self.groups.append(&mut groups);
        self.pieces.push(pick(&self.spec.values));
        if self.spec.most.is_some() {
            self.chunks.push(chunk);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        if self.kept.table.len() == 0 {
            return Ok(());
        }
        self.update(out)?;
        let columns = [&*self.kept.keys, &*self.kept.states].concat();
        let all = RecordBatch::try_new(self.spec.output.to_arrow(), columns)?;
        if all.num_rows() > 0 {
            out.rows.extend(pieces(&all));
        }
        Ok(())
    }

    fn into_state(self: Box<Self>) -> Option<PartitionState> {
        Some(PartitionState::Update(self.kept))
    }

    fn usage(&self) -> Usage {
        self.spec.sandbox.usage()
    }
}
