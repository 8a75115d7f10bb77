//! What partitions remember, among another number of partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema as ArrowSchema};
use arrow_select::concat::concat_batches;

use super::{MapStates, PartitionState, UpdateStates, WindowStates, window_states::Pane};
use crate::{
    model::{BatchTime, Schema},
    operator::{Exchange, StepError},
};

impl PartitionState {
    /// Brings each key to the partition that its rows will come to: `columns` are the key columns,
    /// so many, then the others.
    ///
    /// # Errors
    /// When the partitions do not remember the same kind of thing.
    pub fn redistribute(
        states: Vec<Self>,
        (columns, keys): (&Schema, usize),
        partitions: usize,
    ) -> Result<Vec<Self>, StepError> {
        let spread = Spread { keys, partitions };
        let (mut updates, mut maps, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        for state in states {
            match state {
                Self::Update(states) => updates.push(states),
                Self::Map(states) => maps.push(states),
                Self::Window(states) => windows.push(states),
            }
        }
        Ok(match (updates.is_empty(), maps.is_empty()) {
            (false, true) if windows.is_empty() => {
                let updates = spread.updates(&updates, columns)?;
                updates.into_iter().map(Self::Update).collect()
            }
            (true, false) if windows.is_empty() => {
                let maps = spread.maps(&maps)?;
                maps.into_iter().map(Self::Map).collect()
            }
            (true, true) => {
                let windows = spread.windows(&windows)?;
                windows.into_iter().map(Self::Window).collect()
            }
            _ => {
                let why = "partitions remember different things";
                return Err(StepError::Arrow(why.to_owned()));
            }
        })
    }
}

struct Spread {
    /// The first columns of all rows.
    keys: usize,
    partitions: usize,
}

impl Spread {
    /// Each row at the partition of its key; those of the first rows come first.
    fn rows(&self, rows: impl IntoIterator<Item = RecordBatch>) -> Result<Split, StepError> {
        let exchange = Exchange::ByKey {
            keys: (0..self.keys).collect(),
            partitions: self.partitions,
        };
        let mut to = vec![Vec::new(); self.partitions];
        for rows in rows {
            if rows.num_rows() > 0 {
                exchange.send(0, &mut 0, rows, &mut to)?;
            }
        }
        let one = |chunks: Vec<RecordBatch>| -> Result<Option<RecordBatch>, StepError> {
            match chunks.first().map(RecordBatch::schema) {
                Some(schema) => Ok(Some(concat_batches(&schema, &chunks)?)),
                None => Ok(None),
            }
        };
        to.into_iter().map(one).collect()
    }

    fn updates(
        &self,
        states: &[UpdateStates],
        columns: &Schema,
    ) -> Result<Vec<UpdateStates>, StepError> {
        let rows = states.iter().map(|states| {
            let all = [&*states.keys, &*states.states].concat();
            RecordBatch::try_new(columns.to_arrow(), all)
        });
        let rows: Vec<RecordBatch> = rows.collect::<Result<_, _>>()?;
        let split = self.rows(rows)?.into_iter();
        let split =
            split.map(|rows| UpdateStates::with_initial(columns, self.keys, rows.as_slice()));
        split.collect()
    }

    /// The times at which keys were touched go with them as one more column.
    fn maps(&self, states: &[MapStates]) -> Result<Vec<MapStates>, StepError> {
        let rows = states.iter().map(|states| {
            let known = states.all();
            let mut columns = [states.keys.read(&known)?, states.states.read(&known)?].concat();
            let touched = known.iter().filter_map(|key| states.touched(*key));
            let touched: Int64Array = touched.map(BatchTime::as_millis).collect::<Vec<_>>().into();
            columns.push(Arc::new(touched));
            Ok(RecordBatch::try_new(unnamed(&columns), columns)?)
        });
        let rows: Vec<RecordBatch> = rows.collect::<Result<_, StepError>>()?;
        let split = self.rows(rows)?.into_iter();
        let (keys, kept) = match states.first() {
            Some(states) => states.schemas(),
            None => return Ok(Vec::new()),
        };
        let split = split.map(|rows| {
            let mut fresh = MapStates::empty(keys, kept)?;
            let Some(rows) = rows else {
                return Ok(fresh);
            };
            let (key, rest) = rows.columns().split_at(self.keys);
            let (touched, state) = rest.split_last().ok_or_else(no_times)?;
            let touched = touched
                .as_primitive_opt::<Int64Type>()
                .ok_or_else(no_times)?;
            let numbers = fresh.number(key, rows.num_rows())?;
            fresh
                .states
                .write(numbers.iter().copied(), state.to_vec())?;
            for (number, time) in numbers.into_iter().zip(touched.values()) {
                fresh.touch(number, BatchTime::from_millis(*time));
            }
            Ok(fresh)
        });
        split.collect()
    }

    fn windows(&self, states: &[WindowStates]) -> Result<Vec<WindowStates>, StepError> {
        let block = states.iter().map(|states| states.block).max().unwrap_or(0);
        // One that lags behind has nothing that is still needed, but for the inverse form, which
        // has no blocks.
        let current = || states.iter().filter(|states| states.block == block);
        let mut fresh: Vec<WindowStates> = Vec::new();
        fresh.resize_with(self.partitions, WindowStates::default);
        for states in &mut fresh {
            states.block = block;
        }
        let mut panes: BTreeMap<u64, Vec<RecordBatch>> = BTreeMap::new();
        for pane in current().flat_map(|states| &states.panes) {
            panes
                .entry(pane.number)
                .or_default()
                .push(pane.rows.clone());
        }
        for (number, rows) in panes {
            for (to, rows) in fresh.iter_mut().zip(self.rows(rows)?) {
                to.panes.extend(rows.map(|rows| Pane { number, rows }));
            }
        }
        // From each place that any partition has: what there is from there on.
        let places: BTreeSet<u64> = current()
            .flat_map(|states| states.ends.iter().map(|(from, _)| *from))
            .collect();
        for place in places {
            let from_there = |states: &WindowStates| {
                let end = states.ends.iter().find(|(from, _)| *from >= place);
                end.map(|(_, rows)| rows.clone())
            };
            let ends = self.rows(current().filter_map(from_there))?;
            for (to, rows) in fresh.iter_mut().zip(ends) {
                to.ends.extend(rows.map(|rows| (place, rows)));
            }
        }
        let begun = self.rows(current().filter_map(|states| states.begun.clone()))?;
        let previous = self.rows(current().filter_map(|states| states.previous.clone()))?;
        for (to, (begun, previous)) in fresh.iter_mut().zip(begun.into_iter().zip(previous)) {
            to.begun = begun;
            to.previous = previous;
        }
        Ok(fresh)
    }
}

/// What there is for each partition.
type Split = Vec<Option<RecordBatch>>;

fn unnamed(columns: &[ArrayRef]) -> Arc<ArrowSchema> {
    let fields = columns.iter().enumerate();
    let fields = fields
        .map(|(at, column)| Field::new(at.to_string(), DataType::clone(column.data_type()), true));
    Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()))
}

fn no_times() -> StepError {
    StepError::Arrow("states have no times".to_owned())
}

#[cfg(test)]
mod tests;
