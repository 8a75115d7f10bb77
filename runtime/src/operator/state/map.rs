//! `map-with-state`: once for each record, in the order of arrival (spec 6.5).

use std::time::Duration;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_select::{
    concat::{concat, concat_batches},
    take::{take, take_record_batch},
};

use super::{
    MapStates, PartitionState, StateTime,
    calls::{self, Groupings},
};
use crate::{
    model::{BatchTime, Schema, pieces},
    operator::{
        Emitted, Sandbox, Step, StepError,
        letter::letters_of_groups,
        reducer::{in_group_order, lengths},
    },
    plugin::Usage,
};

/// How keys, states and rows look, and what makes them.
pub struct MapSpec {
    /// Key columns of what comes in.
    pub keys: Vec<usize>,
    /// Value columns of what comes in, in the function's order.
    pub values: Vec<usize>,
    /// Which of the keys the function asked for.
    pub asked: Vec<usize>,
    /// The function.
    pub sandbox: Sandbox,
    /// Keys idle for longer are forgotten.
    pub timeout: Option<Duration>,
    /// Of the input.
    pub input: Schema,
    /// What is remembered of a key.
    pub state: Schema,
    /// Rows passed on; none: the function puts out none.
    pub output: Option<Schema>,
    /// Key columns, then the state's: `x.snapshots`, if someone reads it.
    pub snapshots: Option<Schema>,
    /// Which batch it is.
    pub at: StateTime,
    /// So many keys may be left out of a batch; none: a fault fails the task.
    pub most: Option<usize>,
}

/// Gathers the rows of each key and calls the function once the batch is there.
pub struct MapStep {
    spec: MapSpec,
    kept: MapStates,
    keys: Vec<u32>,
    pieces: Vec<Vec<ArrayRef>>,
    /// All columns of what came, if keys may be left out.
    chunks: Vec<RecordBatch>,
}

impl MapStep {
    /// A step that goes on from what the partition remembers.
    pub fn new(spec: MapSpec, kept: MapStates) -> Self {
        Self {
            spec,
            kept,
            keys: Vec::new(),
            pieces: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Calls the function for the rows of the batch, then for the keys whose time is up.
    fn update(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        let rows = self.keys.len();
        let mut answers = Answers::default();
        if rows > 0 {
            // The keys of this batch, numbered as they came.
            let (groups, touched) = self.kept.in_batch(&self.keys);
            let lengths = lengths(&groups, touched.len());
            let order = in_group_order(&groups, &lengths);
            let columns = (0..self.spec.values.len()).map(|at| {
                let pieces: Vec<&dyn Array> = self.pieces.iter().map(|p| p[at].as_ref()).collect();
                take(&concat(&pieces)?, &order, None)
            });
            let values: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
            self.call(
                &touched,
                &lengths,
                &values,
                order.values(),
                None,
                &mut answers,
            )?;
        }
        if let (Some(timeout), true) = (self.spec.timeout, self.spec.at.checkpoint) {
            let idle = self.kept.idle_since(threshold(self.spec.at.time, timeout));
            let input = self.spec.input.to_arrow();
            let types = self
                .spec
                .values
                .iter()
                .map(|&at| input.field(at).data_type());
            let none: Vec<ArrayRef> = types.map(arrow_array::new_empty_array).collect();
            let lengths = vec![0; idle.len()];
            self.call(&idle, &lengths, &none, &[], Some(rows), &mut answers)?;
        }
        let letters = letters_of_groups(&answers.faults, &self.chunks, &self.keys, |key| {
            self.key_of(key)
        });
        out.letters.extend(letters?);
        match &self.spec.output {
            Some(output) => answers.put_out(output, out),
            None => Ok(()),
        }
    }

    /// Calls the function for these keys. `arrivals` says when each value came; keys whose time is
    /// up answer after the `expired_after` rows of the batch.
    fn call(
        &mut self,
        keys: &[u32],
        lengths: &[usize],
        values: &[ArrayRef],
        arrivals: &[u32],
        expired_after: Option<usize>,
        answers: &mut Answers,
    ) -> Result<(), StepError> {
        let columns = self.kept.keys.read(keys)?;
        let asked: Vec<ArrayRef> = self
            .spec
            .asked
            .iter()
            .map(|&at| columns[at].clone())
            .collect();
        let states = self.kept.states.read(keys)?;
        let present: BooleanBuffer = keys.iter().map(|key| self.kept.has_state(*key)).collect();
        let expired = match expired_after {
            Some(_) => BooleanBuffer::new_set(keys.len()),
            None => BooleanBuffer::new_unset(keys.len()),
        };
        let groupings = Groupings {
            keys: &asked,
            lengths,
            values,
            states: &states,
            present: &present,
            expired: &expired,
        };
        let (kept, time) = (&mut self.kept, self.spec.at.time);
        let schemas = (&self.spec.state, self.spec.output.as_ref());
        let most = self.spec.most.map(|most| most - answers.faults.len());
        let faults = calls::update(
            &mut self.spec.sandbox,
            &groupings,
            schemas,
            most,
            |call, updated| {
                let keys = &keys[call.groups.clone()];
                let Some(updated) = updated else {
                    // What is left out keeps its state, and its time.
                    for key in keys {
                        kept.stay(*key);
                    }
                    return Ok(());
                };
                if let Some((rows, origins)) = updated.output {
                    let arrival = |origin: &u32| {
                        let origin = *origin as usize;
                        match (origin.checked_sub(call.rows.len()), expired_after) {
                            (None, _) => arrivals[call.rows.start + origin],
                            (Some(group), Some(after)) => {
                                let place = after + call.groups.start + group;
                                u32::try_from(place).unwrap_or(u32::MAX)
                            }
                            // An answer to an expiry that was none comes last.
                            (Some(_), None) => u32::MAX,
                        }
                    };
                    answers.arrivals.extend(origins.iter().map(arrival));
                    answers.rows.push(rows);
                }
                if expired_after.is_some() {
                    for key in keys {
                        kept.forget(*key);
                    }
                    return Ok(());
                }
                for (at, key) in keys.iter().enumerate() {
                    if updated.keep.value(at) {
                        kept.touch(*key, time);
                    } else {
                        kept.forget(*key);
                    }
                }
                kept.states
                    .write(keys.iter().copied(), updated.states.columns().to_vec())?;
                Ok(())
            },
        )?;
        let faults = faults.into_iter();
        answers
            .faults
            .extend(faults.map(|(group, fault)| (keys[group], fault)));
        Ok(())
    }

    /// A key, by itself.
    fn key_of(&self, key: u32) -> Result<RecordBatch, StepError> {
        let schema = self.kept.schemas().0.to_arrow();
        Ok(RecordBatch::try_new(schema, self.kept.keys.read(&[key])?)?)
    }

    fn snapshots(&self, schema: &Schema, out: &mut Emitted) -> Result<(), StepError> {
        let all = self.kept.all();
        if all.is_empty() {
            return Ok(());
        }
        let mut columns = self.kept.keys.read(&all)?;
        columns.extend(self.kept.states.read(&all)?);
        let rows = RecordBatch::try_new(schema.to_arrow(), columns)?;
        out.snapshots.extend(pieces(&rows));
        Ok(())
    }
}

/// Keys last touched before this are idle: strictly before (spec 6.5).
fn threshold(time: BatchTime, timeout: Duration) -> BatchTime {
    let timeout = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    BatchTime::from_millis(time.as_millis().saturating_sub(timeout))
}

/// Rows that the function passed on, and when what each answers arrived.
#[derive(Default)]
struct Answers {
    rows: Vec<RecordBatch>,
    arrivals: Vec<u32>,
    /// Keys that were left out.
    faults: Vec<(u32, StepError)>,
}

impl Answers {
    /// In the order of arrival.
    fn put_out(self, schema: &Schema, out: &mut Emitted) -> Result<(), StepError> {
        if self.arrivals.is_empty() {
            return Ok(());
        }
        let rows = concat_batches(&schema.to_arrow(), &self.rows)?;
        let mut order: Vec<u32> =
            (0..u32::try_from(self.arrivals.len()).unwrap_or(u32::MAX)).collect();
        order.sort_by_key(|row| self.arrivals[*row as usize]);
        let rows = take_record_batch(&rows, &UInt32Array::from(order))?;
        out.rows.extend(pieces(&rows));
        Ok(())
    }
}

impl Step for MapStep {
    fn push(&mut self, chunk: RecordBatch, _: &mut Emitted) -> Result<(), StepError> {
        if chunk.num_rows() == 0 {
            return Ok(());
        }
        let pick = |at: &[usize]| -> Vec<ArrayRef> {
            at.iter()
                .map(|&column| chunk.column(column).clone())
                .collect()
        };
        let mut numbers = self.kept.number(&pick(&self.spec.keys), chunk.num_rows())?;
        self.keys.append(&mut numbers);
        self.pieces.push(pick(&self.spec.values));
        if self.spec.most.is_some() {
            self.chunks.push(chunk);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        self.update(out)?;
        if let Some(schema) = self.spec.snapshots.clone() {
            self.snapshots(&schema, out)?;
        }
        self.kept.tidy()
    }

    fn into_state(self: Box<Self>) -> Option<PartitionState> {
        Some(PartitionState::Map(self.kept))
    }

    fn usage(&self) -> Usage {
        self.spec.sandbox.usage()
    }
}
