//! State that a plugin makes into that of another version: keys and times stay, states are others.

use arrow_array::{ArrayRef, RecordBatch};

use super::{MapStates, PartitionState, SavedState, StateColumns, UpdateStates};
use crate::operator::StepError;

/// What a partition remembered of its keys in an older version.
#[derive(Debug)]
pub struct OldStates {
    rows: RecordBatch,
    keys: usize,
    /// When each key was last touched, if that is remembered.
    touched: Option<Vec<i64>>,
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
            rows,
            keys: usize::try_from(keys.keys).unwrap_or(usize::MAX),
            touched: has_times.then_some(touched),
        }))
    }

    /// The columns of the state, a row for each key.
    pub fn states(&self) -> &[ArrayRef] {
        self.rows.columns().get(self.keys..).unwrap_or_default()
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// There is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let keys = self.rows.columns().get(..self.keys).unwrap_or_default();
        let all = [keys, states.columns()].concat();
        let rows = RecordBatch::try_new(columns.all.to_arrow(), all)?;
        Ok(match self.touched {
            None => {
                let states = UpdateStates::with_initial(columns.all, self.keys, &[rows])?;
                PartitionState::Update(states)
            }
            Some(touched) => PartitionState::Map(MapStates::restore(columns, &rows, &touched)?),
        })
    }
}
