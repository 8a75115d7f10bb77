//! State that a plugin makes into that of another version: keys and times stay, states are others.
//!
//! Batches go on while it does: it is given a copy, and afterwards what has changed since.

use arrow_array::{Array, ArrayRef, RecordBatch};

use super::{
    MapStates, PartitionState, SavedState, StateColumns, UpdateStates, layers::difference,
    slots::Slots,
};
use crate::{model::BatchTime, operator::StepError};

/// What a partition remembered of its keys in an older version.
#[derive(Debug)]
pub struct OldStates {
    /// Of keys, then of states.
    columns: Vec<ArrayRef>,
    keys: usize,
    /// When each key was last touched, if that is remembered.
    touched: Option<Vec<i64>>,
}

/// What a partition remembers of its keys at one time. It shares its columns with what goes on.
#[derive(Debug)]
pub struct CopiedStates(Copied);

#[derive(Debug)]
enum Copied {
    Update {
        keys: Vec<ArrayRef>,
        states: Vec<ArrayRef>,
    },
    Map {
        keys: Slots,
        states: Slots,
        touched: Vec<Option<BatchTime>>,
    },
}

/// What has become of keys since they were copied.
#[derive(Debug)]
pub struct TouchedStates {
    /// The columns of keys that are forgotten, some of which are there again.
    gone: Vec<ArrayRef>,
    /// Keys that have another state, or are new.
    pub others: OldStates,
}

impl OldStates {
    /// None: it is no state of keys.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn of(saved: &SavedState) -> Result<Option<Self>, StepError> {
        let (keys, has_times) = match saved {
            SavedState::Update(keys) => (keys, false),
            SavedState::Map(keys) => (keys, true),
            SavedState::Window(_) => return Ok(None),
        };
        let (rows, touched) = keys.merged()?;
        Ok(Some(Self {
            columns: rows.columns().to_vec(),
            keys: usize::try_from(keys.keys).unwrap_or(usize::MAX),
            touched: has_times.then_some(touched),
        }))
    }

    /// The columns of the state, a row for each key.
    pub fn states(&self) -> &[ArrayRef] {
        self.columns.get(self.keys..).unwrap_or_default()
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Array::len)
    }

    /// There is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same keys with these states, a row for each.
    fn rows(
        &self,
        states: &RecordBatch,
        columns: StateColumns<'_>,
    ) -> Result<RecordBatch, StepError> {
        let keys = self.columns.get(..self.keys).unwrap_or_default();
        let all = [keys, states.columns()].concat();
        Ok(RecordBatch::try_new(columns.all.to_arrow(), all)?)
    }

    /// The same keys with these states, a row for each.
    ///
    /// # Errors
    /// When they are not of these columns, or the keys are not.
    pub fn with(
        self,
        states: &RecordBatch,
        columns: StateColumns<'_>,
    ) -> Result<PartitionState, StepError> {
        let rows = self.rows(states, columns)?;
        Ok(match self.touched {
            None => {
                let states = UpdateStates::with_initial(columns.all, self.keys, &[rows])?;
                PartitionState::Update(states)
            }
            Some(touched) => PartitionState::Map(MapStates::restore(columns, &rows, &touched)?),
        })
    }
}

impl PartitionState {
    /// Copies what is remembered of keys, and notes from now on which of them
    /// [change](Self::touched_since). None: it is no state of keys.
    pub fn copy_keys(&mut self) -> Option<CopiedStates> {
        Some(CopiedStates(match self {
            Self::Update(states) => Copied::Update {
                keys: states.keys.clone(),
                states: states.states.clone(),
            },
            Self::Map(states) => {
                states.since_copy = Some(Box::default());
                Copied::Map {
                    keys: states.keys.clone(),
                    states: states.states.clone(),
                    touched: states.touched.clone(),
                }
            }
            Self::Window(_) => return None,
        }))
    }

    /// Notes no longer which keys change.
    pub fn forget_copy(&mut self) {
        if let Self::Map(states) = self {
            states.since_copy = None;
        }
    }

    /// What has become of its keys since this was copied; none: it cannot be told.
    ///
    /// # Errors
    /// When Arrow cannot.
    pub fn touched_since(
        &mut self,
        copied: &CopiedStates,
        columns: StateColumns<'_>,
    ) -> Result<Option<TouchedStates>, StepError> {
        match (self, &copied.0) {
            (Self::Update(now), Copied::Update { keys, states }) => {
                let rows = |keys: &[ArrayRef], states: &[ArrayRef]| {
                    RecordBatch::try_new(columns.all.to_arrow(), [keys, states].concat())
                };
                let before = rows(keys, states)?;
                let after = rows(&now.keys, &now.states)?;
                let difference = difference(&before, &after, keys.len())?;
                Ok(difference.map(|(changed, gone)| TouchedStates {
                    gone: gone.columns().to_vec(),
                    others: OldStates {
                        columns: changed.columns().to_vec(),
                        keys: keys.len(),
                        touched: None,
                    },
                }))
            }
            (Self::Map(now), Copied::Map { .. }) => {
                let Some(changes) = now.since_copy.take() else {
                    return Ok(None);
                };
                let (changed, gone) = now.changed(&changes)?;
                let touched = changed.iter().filter_map(|key| now.touched(*key));
                let keys = now.keys.read(&changed)?;
                Ok(Some(TouchedStates {
                    gone,
                    others: OldStates {
                        touched: Some(touched.map(BatchTime::as_millis).collect()),
                        columns: [keys.clone(), now.states.read(&changed)?].concat(),
                        keys: keys.len(),
                    },
                }))
            }
            _ => Ok(None),
        }
    }

    /// What was made of a copy becomes what is made of it now: `states` are those of what has
    /// become [other](TouchedStates::others) keys since.
    ///
    /// # Errors
    /// When they are not of these columns, or the keys are not.
    pub fn catch_up(
        &mut self,
        touched: &TouchedStates,
        states: &RecordBatch,
        columns: StateColumns<'_>,
    ) -> Result<(), StepError> {
        let rows = touched.others.rows(states, columns)?;
        let (keys, states) = rows.columns().split_at(touched.others.keys);
        match self {
            Self::Update(own) => own.put(&touched.gone, keys, states),
            Self::Map(own) => {
                let times = touched.others.touched.as_deref().unwrap_or_default();
                own.put(&touched.gone, (keys, states), times)
            }
            Self::Window(_) => Err(StepError::Arrow("it is no state of keys".into())),
        }
    }
}

impl CopiedStates {
    /// The rows, in no order.
    ///
    /// # Errors
    /// When Arrow cannot.
    pub fn read(&self) -> Result<OldStates, StepError> {
        Ok(match &self.0 {
            Copied::Update { keys, states } => OldStates {
                columns: [&**keys, &**states].concat(),
                keys: keys.len(),
                touched: None,
            },
            Copied::Map {
                keys,
                states,
                touched,
            } => {
                let known = touched.iter().zip(0_u32..);
                let known = known.filter_map(|(time, key)| Some((key, (*time)?.as_millis())));
                let (known, times): (Vec<u32>, Vec<i64>) = known.unzip();
                let keys = keys.read(&known)?;
                OldStates {
                    columns: [keys.clone(), states.read(&known)?].concat(),
                    keys: keys.len(),
                    touched: Some(times),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
