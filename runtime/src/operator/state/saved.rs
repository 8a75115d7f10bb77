//! What a partition remembers, as it is written down.

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{MapStates, PartitionState, UpdateStates, WindowStates, window_states::Pane};
use crate::{
    format::{rows_from_bytes, rows_to_bytes},
    model::{BatchTime, Schema},
    operator::StepError,
};

/// What a partition remembers, written down. Rows are Arrow IPC streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SavedState {
    /// Of `update-state-by-key`: a row for each key, with its state.
    Update(ByteBuf),
    /// Of `map-with-state`.
    Map {
        /// A row for each key, with its state.
        rows: ByteBuf,
        /// When each was last touched, in milliseconds since the epoch.
        touched: Vec<i64>,
    },
    /// Of a window that is reduced.
    Window {
        /// Batches, each with its number.
        panes: Vec<(u64, ByteBuf)>,
        /// The number of the current block.
        block: u64,
        /// All of the current block in one.
        begun: Option<ByteBuf>,
        /// Of the block before, from each place on.
        ends: Vec<(u64, ByteBuf)>,
        /// The last result, if there is an inverse.
        previous: Option<ByteBuf>,
    },
}

/// The columns of what a partition remembers.
#[derive(Debug, Clone, Copy)]
pub struct StateColumns<'a> {
    /// Key columns, then the state's; of a window those of its output.
    pub all: &'a Schema,
    /// The first of them.
    pub keys: &'a Schema,
    /// The rest of them.
    pub states: &'a Schema,
}

impl PartitionState {
    /// Writes it down.
    ///
    /// # Errors
    /// When Arrow cannot.
    pub fn save(&self, columns: StateColumns<'_>) -> Result<SavedState, StepError> {
        match self {
            Self::Update(states) => {
                let rows = states.rows(columns.all)?;
                Ok(SavedState::Update(bytes(columns.all, &rows)?))
            }
            Self::Map(states) => {
                let (rows, touched) = states.rows(columns.all)?;
                Ok(SavedState::Map {
                    rows: bytes(columns.all, &rows)?,
                    touched,
                })
            }
            Self::Window(states) => states.save(columns.all),
        }
    }

    /// What was written down.
    ///
    /// # Errors
    /// When it is not of these columns, or is damaged.
    pub fn restore(saved: &SavedState, columns: StateColumns<'_>) -> Result<Self, StepError> {
        let all = |bytes: &ByteBuf| rows_from_bytes(columns.all, bytes);
        Ok(match saved {
            SavedState::Update(rows) => {
                let keys = columns.keys.fields().len();
                Self::Update(UpdateStates::with_initial(columns.all, keys, &all(rows)?)?)
            }
            SavedState::Map { rows, touched } => {
                let states =
                    MapStates::restore(columns.keys, columns.states, &all(rows)?, touched)?;
                Self::Map(states)
            }
            SavedState::Window {
                panes,
                block,
                begun,
                ends,
                previous,
            } => {
                let one = |bytes: &ByteBuf| -> Result<RecordBatch, StepError> {
                    let mut rows = rows_from_bytes(columns.all, bytes)?.into_iter();
                    let none = || RecordBatch::new_empty(columns.all.to_arrow());
                    Ok(rows.next().unwrap_or_else(none))
                };
                let numbered = |list: &[(u64, ByteBuf)]| {
                    let list = list.iter();
                    let list = list.map(|(number, rows)| Ok((*number, one(rows)?)));
                    list.collect::<Result<Vec<_>, StepError>>()
                };
                let panes = numbered(panes)?.into_iter();
                Self::Window(WindowStates {
                    panes: panes.map(|(number, rows)| Pane { number, rows }).collect(),
                    block: *block,
                    begun: begun.as_ref().map(one).transpose()?,
                    ends: numbered(ends)?,
                    previous: previous.as_ref().map(one).transpose()?,
                })
            }
        })
    }
}

impl WindowStates {
    fn save(&self, schema: &Schema) -> Result<SavedState, StepError> {
        let one = |rows: &RecordBatch| bytes(schema, rows);
        let panes = self.panes.iter();
        let panes = panes.map(|pane| Ok((pane.number, one(&pane.rows)?)));
        let ends = self.ends.iter();
        let ends = ends.map(|(from, rows)| Ok((*from, one(rows)?)));
        Ok(SavedState::Window {
            panes: panes.collect::<Result<_, StepError>>()?,
            block: self.block,
            begun: self.begun.as_ref().map(one).transpose()?,
            ends: ends.collect::<Result<_, StepError>>()?,
            previous: self.previous.as_ref().map(one).transpose()?,
        })
    }
}

fn bytes(schema: &Schema, rows: &RecordBatch) -> Result<ByteBuf, StepError> {
    // States may say "no null" where what was put together says "maybe".
    let rows = rows.clone().with_schema(schema.to_arrow())?;
    Ok(ByteBuf::from(rows_to_bytes(schema, &[rows])?))
}

impl UpdateStates {
    fn rows(&self, all: &Schema) -> Result<RecordBatch, StepError> {
        let columns = [&*self.keys, &*self.states].concat();
        Ok(RecordBatch::try_new(all.to_arrow(), columns)?)
    }
}

impl MapStates {
    fn rows(&self, all: &Schema) -> Result<(RecordBatch, Vec<i64>), StepError> {
        let known = self.all();
        let columns = [self.keys.read(&known)?, self.states.read(&known)?].concat();
        let touched = known.iter().filter_map(|key| self.touched(*key));
        let touched = touched.map(BatchTime::as_millis).collect();
        Ok((RecordBatch::try_new(all.to_arrow(), columns)?, touched))
    }

    fn restore(
        keys: &Schema,
        states: &Schema,
        rows: &[RecordBatch],
        touched: &[i64],
    ) -> Result<Self, StepError> {
        let mut fresh = Self::empty(keys, states)?;
        let mut times = touched.iter();
        for chunk in rows {
            let (key, state) = chunk.columns().split_at(keys.fields().len());
            let numbers = fresh.number(key, chunk.num_rows())?;
            fresh
                .states
                .write(numbers.iter().copied(), state.to_vec())?;
            for (number, time) in numbers.into_iter().zip(times.by_ref()) {
                fresh.touch(number, BatchTime::from_millis(*time));
            }
        }
        Ok(fresh)
    }
}
