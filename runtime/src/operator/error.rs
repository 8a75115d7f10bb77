//! Why a step failed.

use arrow_schema::ArrowError;

use crate::{format::IpcError, plugin::PluginFault};

/// Why a step failed. The task adds operator, batch and partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// A plugin's function failed.
    #[error("function `{function}` of plugin `{plugin}`: {fault}")]
    Plugin {
        /// The plugin's own name.
        plugin: String,
        /// The function.
        function: String,
        /// What happened.
        fault: PluginFault,
    },
    /// A `map` function returned another number of rows.
    #[error(
        "function `{function}` of plugin `{plugin}` is a map: {wanted} rows were wanted for {given} less the rejected, {got} came back"
    )]
    NotOneToOne {
        /// The plugin's own name.
        plugin: String,
        /// The function.
        function: String,
        /// Rows of the chunk.
        given: usize,
        /// Those less the rejected.
        wanted: usize,
        /// Rows that came back.
        got: usize,
    },
    /// All calls of a task together put out too much.
    #[error(
        "function `{function}` of plugin `{plugin}` put out more than {limit} bytes in one task; raise `output` in [limits] if it is meant to"
    )]
    TaskOutput {
        /// The plugin's own name.
        plugin: String,
        /// The function.
        function: String,
        /// [`TASK_OUTPUTS`](super::TASK_OUTPUTS) times the limit for one call, in bytes.
        limit: usize,
    },
    /// What was written down of a state is not what a state is.
    #[error("state: {0}")]
    Saved(#[from] IpcError),
    /// A side was fed to a step that has none.
    #[error("{rows} rows of side {side} came to an operator that knows no such side")]
    NoSide {
        /// Its number.
        side: usize,
        /// Rows of the chunk.
        rows: usize,
    },
    /// Too many rows belong together.
    #[error(
        "the rows of the join take more than {limit} bytes in one task: a key is frequent on both sides; reduce one of them first, or use more partitions"
    )]
    JoinTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// A function said not which rows its own came from.
    #[error(
        "function `{function}` of plugin `{plugin}` gave no origins, so the keys of what it put out are not known"
    )]
    NoOrigins {
        /// The plugin's own name.
        plugin: String,
        /// The function.
        function: String,
    },
    /// A key leaves a window that it is not in.
    #[error(
        "a key leaves the window, but neither the previous window nor the new batches have a value of it; its filter dropped it too early"
    )]
    NotInWindow,
    /// A difference does not fit.
    #[error("taking what leaves the window out of a sum overflows int64")]
    Underflow,
    /// A sum does not fit.
    #[error("std:sum overflows int64 for key {key}; sum as float64, or in a function of your own")]
    Overflow {
        /// The key, as text.
        key: String,
    },
    /// One key has more values than a call can carry.
    #[error(
        "key {key} has {bytes} bytes of values in one batch, more than the limit of {limit} for a function that is not associative"
    )]
    GroupTooLarge {
        /// The key, as text.
        key: String,
        /// Bytes of its values.
        bytes: usize,
        /// The limit on memory.
        limit: usize,
    },
    /// More was to be left out of a batch than may be.
    #[error(
        "the function fails on more than {most} rows, keys or partitions of one batch, so none is left out; raise `faults` in [limits] if that is meant to be; {first}"
    )]
    TooManyFaults {
        /// The limit.
        most: usize,
        /// Why the first was to be left out.
        first: String,
    },
    /// Rows that Arrow cannot hold, such as 2 GiB of text in one column of a partition.
    #[error("the rows do not fit: {0}")]
    Arrow(String),
}

impl StepError {
    /// The function is to blame, and fails again on the same rows.
    pub fn is_poison(&self) -> bool {
        match self {
            StepError::Plugin { fault, .. } => fault.is_deterministic(),
            StepError::NotOneToOne { .. }
            | StepError::NoOrigins { .. }
            | StepError::GroupTooLarge { .. } => true,
            StepError::TaskOutput { .. }
            | StepError::Saved(_)
            | StepError::NoSide { .. }
            | StepError::JoinTooLarge { .. }
            | StepError::NotInWindow
            | StepError::Underflow
            | StepError::Overflow { .. }
            | StepError::TooManyFaults { .. }
            | StepError::Arrow(_) => false,
        }
    }
}

impl From<ArrowError> for StepError {
    fn from(error: ArrowError) -> Self {
        StepError::Arrow(error.to_string())
    }
}
