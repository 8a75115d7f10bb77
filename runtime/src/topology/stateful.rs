//! Operators that remember something of each key.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use super::{Call, ReferenceId};
use crate::model::Schema;

/// `update-state-by-key` (spec 6.1): key columns, then the state's columns, for every key that has a
/// state, in every batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateState {
    /// What is common to both verbs.
    pub keyed: KeyedState,
    /// A key without new values keeps its state: the function need not be asked.
    pub skips_idle: bool,
}

/// `map-with-state` (spec 6.5): the function's rows; `x.snapshots` has key and state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapWithState {
    /// What is common to both verbs.
    pub keyed: KeyedState,
    /// The function puts out rows; if not, the operator's output never has any.
    pub passes_on: bool,
    /// A key without new rows for longer than this is forgotten.
    pub timeout: Option<Duration>,
}

/// A function over the new values of a key and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedState {
    /// The function; its `input` are value columns.
    pub call: Call,
    /// Key columns of the input.
    pub keys: Vec<usize>,
    /// Those of the key columns that the function asked for, as columns of the input, in its
    /// order; none: no keys.
    pub asked: Option<Vec<usize>>,
    /// What is remembered of a key.
    pub state: Schema,
    /// The version that the function says this has: raised when it changes shape or meaning.
    pub version: u32,
    /// States to begin with: the key columns, then the state's.
    pub initial: Option<ReferenceId>,
    /// Of the result and of the state.
    pub partitions: NonZeroUsize,
    /// In batch intervals: batches whose number is a multiple of it are those in which state is
    /// checkpointed, and timeouts looked at (spec 8.3, 6.5).
    pub checkpoint: NonZeroU64,
}
