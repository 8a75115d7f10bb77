//! What a partition remembers, as it is written down.

use arrow_array::{Array, ArrayRef, RecordBatch};
use serde::{Deserialize, Serialize};

use super::{
    MapStates, PartitionState, UpdateStates, WindowStates,
    changes::Changes,
    layers::{Layer, SavedKeys, difference, same_columns},
    window_states::Pane,
};
use crate::{
    format::IpcRows,
    model::{BatchTime, Schema},
    operator::StepError,
};

/// What a partition remembers, written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum SavedState {
    /// Of `update-state-by-key`.
    Update(SavedKeys),
    /// Of `map-with-state`, with the times at which keys were touched.
    Map(SavedKeys),
    /// Of a window that is reduced.
    Window(SavedWindow),
}

/// What a window that is reduced remembers, written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedWindow {
    /// Batches, each with its number.
    pub panes: Vec<(u64, SavedRows)>,
    /// The number of the current block.
    pub block: u64,
    /// All of the current block in one.
    pub begun: Option<SavedRows>,
    /// Of the block before, from each place on.
    pub ends: Vec<(u64, SavedRows)>,
    /// The last result, if there is an inverse.
    pub previous: Option<SavedRows>,
    /// The number of its batch; 0: there was none.
    pub at: u64,
}

/// Rows that do not change once they are there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum SavedRows {
    /// These.
    Rows(IpcRows),
    /// What was written before, at the same place.
    AsBefore,
}

impl SavedRows {
    /// This one upon what was written before.
    ///
    /// # Errors
    /// When it is the same as what is not there.
    pub fn upon(self, before: Option<&Self>) -> Result<Self, StepError> {
        match (self, before) {
            (Self::AsBefore, Some(Self::Rows(rows))) => Ok(Self::Rows(rows.clone())),
            (Self::AsBefore, _) => Err(not_there()),
            (rows, _) => Ok(rows),
        }
    }

    /// The rows.
    ///
    /// # Errors
    /// When they were to be found in what was written before.
    pub fn rows(&self) -> Result<&IpcRows, StepError> {
        match self {
            Self::Rows(rows) => Ok(rows),
            Self::AsBefore => Err(not_there()),
        }
    }
}

fn not_there() -> StepError {
    StepError::Arrow("what was written before is not there".into())
}

impl SavedState {
    /// This one upon what was written before, if anything was.
    ///
    /// # Errors
    /// When it needs what is not there.
    pub fn upon(self, before: Option<&Self>) -> Result<Self, StepError> {
        Ok(match (self, before) {
            (Self::Update(keys), Some(Self::Update(before))) => Self::Update(keys.upon(before)),
            (Self::Map(keys), Some(Self::Map(before))) => Self::Map(keys.upon(before)),
            (Self::Window(window), Some(Self::Window(before))) => {
                Self::Window(window.upon(Some(before))?)
            }
            (Self::Window(window), _) => Self::Window(window.upon(None)?),
            (keys, _) => keys,
        })
    }
}

impl SavedWindow {
    fn upon(self, before: Option<&Self>) -> Result<Self, StepError> {
        let one = |rows: Option<SavedRows>, before: Option<&SavedRows>| {
            rows.map(|rows| rows.upon(before)).transpose()
        };
        Ok(Self {
            panes: numbered_upon(self.panes, before.map(|before| &*before.panes))?,
            block: self.block,
            at: self.at,
            begun: one(self.begun, before.and_then(|before| before.begun.as_ref()))?,
            ends: numbered_upon(self.ends, before.map(|before| &*before.ends))?,
            previous: one(
                self.previous,
                before.and_then(|before| before.previous.as_ref()),
            )?,
        })
    }
}

fn numbered_upon(
    rows: Vec<(u64, SavedRows)>,
    before: Option<&[(u64, SavedRows)]>,
) -> Result<Vec<(u64, SavedRows)>, StepError> {
    let before = before.unwrap_or_default();
    let rows = rows.into_iter().map(|(number, rows)| {
        let same = before.iter().find(|(known, _)| *known == number);
        Ok((number, rows.upon(same.map(|(_, rows)| rows))?))
    });
    rows.collect()
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
    /// Writes it down: the `whole`, or what changed since it was last written down.
    ///
    /// # Errors
    /// When Arrow cannot.
    pub fn save(
        &mut self,
        columns: StateColumns<'_>,
        whole: bool,
    ) -> Result<SavedState, StepError> {
        Ok(match self {
            Self::Update(states) => SavedState::Update(states.save(columns, whole)?),
            Self::Map(states) => SavedState::Map(states.save(columns, whole)?),
            Self::Window(states) => SavedState::Window(states.save(columns.all, whole)?),
        })
    }

    /// What was written down.
    ///
    /// # Errors
    /// When it is not of these columns, or is damaged.
    pub fn restore(saved: &SavedState, columns: StateColumns<'_>) -> Result<Self, StepError> {
        Ok(match saved {
            SavedState::Update(saved) => {
                let (rows, _) = saved.merged()?;
                let rows = of_columns(rows, columns.all)?;
                let keys = columns.keys.fields().len();
                Self::Update(UpdateStates::with_initial(columns.all, keys, &[rows])?)
            }
            SavedState::Map(saved) => {
                let (rows, touched) = saved.merged()?;
                let rows = of_columns(rows, columns.all)?;
                Self::Map(MapStates::restore(columns, &rows, &touched)?)
            }
            SavedState::Window(saved) => Self::Window(WindowStates::restore(saved, columns.all)?),
        })
    }
}

/// The rows, if they are of these columns.
fn of_columns(rows: RecordBatch, columns: &Schema) -> Result<RecordBatch, StepError> {
    let expected = columns.to_arrow();
    if rows.schema() != expected {
        return Err(StepError::Arrow(format!(
            "columns ({}) are not ({columns})",
            rows.schema()
        )));
    }
    Ok(rows)
}

fn ipc(schema: &Schema, rows: &RecordBatch) -> Result<IpcRows, StepError> {
    // States may say "no null" where what was put together says "maybe".
    let rows = rows.clone().with_schema(schema.to_arrow())?;
    Ok(IpcRows::new(schema, &[rows]))
}

/// A layer of rows that have the keys and states of `columns`.
fn layer(
    columns: StateColumns<'_>,
    removed: Option<Vec<ArrayRef>>,
    rows: Vec<ArrayRef>,
    touched: Vec<i64>,
) -> Result<Layer, StepError> {
    let removed = removed.filter(|keys| keys.first().is_some_and(|keys| !keys.is_empty()));
    let removed = removed.map(|keys| {
        let rows = RecordBatch::try_new(columns.keys.to_arrow(), keys)?;
        ipc(columns.keys, &rows)
    });
    let rows = RecordBatch::try_new(columns.all.to_arrow(), rows)?;
    Ok(Layer {
        removed: removed.transpose()?,
        rows: ipc(columns.all, &rows)?,
        touched,
    })
}

fn saved_keys(columns: StateColumns<'_>, whole: bool, layer: Layer) -> SavedKeys {
    SavedKeys {
        whole,
        keys: u32::try_from(columns.keys.fields().len()).unwrap_or(u32::MAX),
        layers: vec![layer],
    }
}

impl UpdateStates {
    fn save(&mut self, columns: StateColumns<'_>, whole: bool) -> Result<SavedKeys, StepError> {
        let all = [&*self.keys, &*self.states].concat();
        let all = RecordBatch::try_new(columns.all.to_arrow(), all)?;
        let before = self.saved.replace(all.clone()).filter(|_| !whole);
        let keys = columns.keys.fields().len();
        let difference = before.map(|before| difference(&before, &all, keys));
        Ok(match difference.transpose()?.flatten() {
            None => {
                let layer = layer(columns, None, all.columns().to_vec(), Vec::new())?;
                saved_keys(columns, true, layer)
            }
            Some((changed, gone)) => {
                let (changed, gone) = (changed.columns().to_vec(), gone.columns().to_vec());
                let layer = layer(columns, Some(gone), changed, Vec::new())?;
                saved_keys(columns, false, layer)
            }
        })
    }
}

impl MapStates {
    fn save(&mut self, columns: StateColumns<'_>, whole: bool) -> Result<SavedKeys, StepError> {
        let before = self.changes.replace(Changes::default());
        let (known, removed, whole) = match before.filter(|_| !whole) {
            None => (self.all(), None, true),
            Some(changes) => {
                let (changed, removed) = self.changed(&changes)?;
                (changed, Some(removed), false)
            }
        };
        let rows = [self.keys.read(&known)?, self.states.read(&known)?].concat();
        let touched = known.iter().filter_map(|key| self.touched(*key));
        let touched = touched.map(BatchTime::as_millis).collect();
        let layer = layer(columns, removed, rows, touched)?;
        Ok(saved_keys(columns, whole, layer))
    }

    pub(super) fn restore(
        columns: StateColumns<'_>,
        rows: &RecordBatch,
        touched: &[i64],
    ) -> Result<Self, StepError> {
        if touched.len() != rows.num_rows() {
            return Err(StepError::Arrow("rows and times are not as many".into()));
        }
        let mut fresh = Self::empty(columns.keys, columns.states)?;
        let (key, state) = rows.columns().split_at(columns.keys.fields().len());
        let numbers = fresh.number(key, rows.num_rows())?;
        fresh
            .states
            .write(numbers.iter().copied(), state.to_vec())?;
        for (number, time) in numbers.into_iter().zip(touched) {
            fresh.touch(number, BatchTime::from_millis(*time));
        }
        Ok(fresh)
    }
}

impl WindowStates {
    fn save(&mut self, schema: &Schema, whole: bool) -> Result<SavedWindow, StepError> {
        let before = self.saved.take().filter(|_| !whole).unwrap_or_default();
        let one = |rows: &RecordBatch, before: Option<&RecordBatch>| -> Result<_, StepError> {
            Ok(match before {
                Some(before) if same_columns(rows.columns(), before.columns()) => {
                    SavedRows::AsBefore
                }
                _ => SavedRows::Rows(ipc(schema, rows)?),
            })
        };
        let optional = |rows: &Option<RecordBatch>, before: &Option<RecordBatch>| {
            let rows = rows.as_ref().map(|rows| one(rows, before.as_ref()));
            rows.transpose()
        };
        let panes = self.panes.iter().map(|pane| {
            let mut known = before.panes.iter();
            let known = known.find(|known| known.number == pane.number);
            Ok((pane.number, one(&pane.rows, known.map(|k| &k.rows))?))
        });
        let ends = self.ends.iter().map(|(from, rows)| {
            let known = before.ends.iter().find(|(known, _)| known == from);
            Ok((*from, one(rows, known.map(|(_, rows)| rows))?))
        });
        let saved = SavedWindow {
            panes: panes.collect::<Result<_, StepError>>()?,
            block: self.block,
            begun: optional(&self.begun, &before.begun)?,
            ends: ends.collect::<Result<_, StepError>>()?,
            previous: optional(&self.previous, &before.previous)?,
            at: self.at,
        };
        self.saved = Some(Box::new(self.copied()));
        Ok(saved)
    }

    fn restore(saved: &SavedWindow, schema: &Schema) -> Result<Self, StepError> {
        let one = |rows: &SavedRows| -> Result<RecordBatch, StepError> {
            let mut rows = rows.rows()?.read_as(schema)?.into_iter();
            let none = || RecordBatch::new_empty(schema.to_arrow());
            Ok(rows.next().unwrap_or_else(none))
        };
        let numbered = |list: &[(u64, SavedRows)]| {
            let list = list.iter();
            let list = list.map(|(number, rows)| Ok((*number, one(rows)?)));
            list.collect::<Result<Vec<_>, StepError>>()
        };
        let panes = numbered(&saved.panes)?.into_iter();
        Ok(Self {
            panes: panes.map(|(number, rows)| Pane { number, rows }).collect(),
            block: saved.block,
            begun: saved.begun.as_ref().map(one).transpose()?,
            ends: numbered(&saved.ends)?,
            previous: saved.previous.as_ref().map(one).transpose()?,
            at: saved.at,
            saved: None,
        })
    }
}

#[cfg(test)]
mod tests;
