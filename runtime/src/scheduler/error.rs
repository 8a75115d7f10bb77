//! Why a batch failed: what, where and why, for the person who reads it.

use crate::{
    model::{BatchTime, NodeName},
    operator::StepError,
    sink::{SinkError, SinkProblem},
    source::{DataSetError, SourceError},
};

use super::{Lost, Missing, PaneError};

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A source's rows could not be read.
    #[error("partition {partition}: {error}")]
    Source {
        /// The partition.
        partition: usize,
        /// Why.
        error: Box<SourceError>,
    },
    /// An operator failed.
    #[error("operator `{operator}`, partition {partition}: {error}")]
    Operator {
        /// The operator.
        operator: NodeName,
        /// The partition.
        partition: usize,
        /// Why.
        error: Box<StepError>,
    },
    /// A batch in a window could not be put on disk, or read from there.
    #[error(transparent)]
    Pane(Box<PaneError>),
    /// Rows could not be sent to the next stage.
    #[error("partition {partition}, between stages: {error}")]
    Exchange {
        /// The partition.
        partition: usize,
        /// Why.
        error: Box<StepError>,
    },
    /// The run is being aborted.
    #[error("partition {partition}: stopped because the run is being aborted")]
    Aborted {
        /// The partition.
        partition: usize,
    },
    /// The runtime itself failed.
    #[error("partition {partition}: the task panicked; this is a bug in rsrt")]
    Panicked {
        /// The partition.
        partition: usize,
    },
}

/// Why a batch failed.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A source could not say what belongs to the batch.
    #[error("batch {time}: {error}")]
    Claim {
        /// The batch.
        time: BatchTime,
        /// Which, and why.
        error: Box<SourceError>,
    },
    /// A data set could not be read.
    #[error("batch {time}: {error}")]
    DataSet {
        /// The batch.
        time: BatchTime,
        /// Which, and why.
        error: Box<DataSetError>,
    },
    /// A stream that is needed has no batch.
    #[error("batch {time}: {missing}")]
    Missing {
        /// The batch.
        time: BatchTime,
        /// Which.
        missing: Missing,
    },
    /// An operator builds on an earlier batch that failed.
    #[error("batch {time}: {lost}")]
    Lost {
        /// The batch.
        time: BatchTime,
        /// Which operator, and since when.
        lost: Lost,
    },
    /// A task failed.
    #[error("batch {time}: {error}")]
    Task {
        /// The batch.
        time: BatchTime,
        /// Which, and why.
        error: TaskError,
    },
    /// What must outlive the process could not be written: the run ends.
    #[error("batch {time}: cannot {what}: {why}")]
    NotDurable {
        /// The batch.
        time: BatchTime,
        /// As in "cannot claim it".
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A sink could not take the batch.
    #[error("batch {time}: sink {}: {}", .error.sink(), .error.problem())]
    Sink {
        /// The batch.
        time: BatchTime,
        /// Which, and why.
        error: Box<SinkError>,
    },
}

impl BatchError {
    /// More lines for people: a guest's stack trace. May be empty.
    pub fn detail(&self) -> String {
        match self {
            BatchError::Task {
                error: TaskError::Operator { error, .. },
                ..
            } => match &**error {
                StepError::Plugin { fault, .. } => fault.detail(),
                _ => String::new(),
            },
            BatchError::Sink { error, .. } => match error.problem() {
                SinkProblem::Plugin { fault, .. } => fault.detail(),
                _ => String::new(),
            },
            _ => String::new(),
        }
    }
}
