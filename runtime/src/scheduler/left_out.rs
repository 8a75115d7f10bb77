//! What operators left out of a batch because their functions fail on it.

use std::collections::BTreeMap;

use super::{BatchError, TaskError, task::TaskOutput};
use crate::{
    model::{BatchTime, NodeName},
    operator::{Letter, StepError},
    topology::{OnError, OperatorId, Topology},
};

/// What an operator left out of a partition.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// The operator.
    pub operator: NodeName,
    /// What becomes of it.
    pub on_error: OnError,
    /// Of the operator.
    pub partition: usize,
    /// The rows, and why.
    pub letter: Letter,
}

/// How much an operator left out of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutRows {
    /// The operator.
    pub operator: NodeName,
    /// What became of them.
    pub on_error: OnError,
    /// Rows; a key that failed without values counts as one.
    pub rows: u64,
    /// Why the first was.
    pub reason: String,
}

impl LeftOutRows {
    /// Counts what was left out, in the order in which operators left something out first.
    pub fn count(all: &[LeftOut]) -> Vec<Self> {
        let mut counted: Vec<Self> = Vec::new();
        for one in all {
            let rows = one.letter.rows.num_rows() as u64;
            match counted.iter_mut().find(|of| of.operator == one.operator) {
                Some(of) => of.rows += rows,
                None => counted.push(Self {
                    operator: one.operator.clone(),
                    on_error: one.on_error,
                    rows,
                    reason: one.letter.reason.clone(),
                }),
            }
        }
        counted
    }
}

/// What was left out of a batch so far. Tasks count for themselves; over all of them together it is
/// looked at between stages, so that the outcome does not depend on which task is faster.
#[derive(Debug, Default)]
pub(super) struct LeftOutSoFar {
    counts: BTreeMap<OperatorId, usize>,
    all: Vec<LeftOut>,
}

impl LeftOutSoFar {
    /// Takes what the tasks of a stage left out.
    pub(super) fn take(
        &mut self,
        made: &mut [TaskOutput],
        topology: &Topology,
        (time, retried): (BatchTime, usize),
    ) -> Result<(), BatchError> {
        // What was left out before may be left out again, whatever else is.
        let most = topology.limits.faults + retried;
        for (partition, task) in made.iter_mut().enumerate() {
            for (id, letters) in std::mem::take(&mut task.letters) {
                let operator = &topology.operators[id.0];
                let count = self.counts.entry(id).or_default();
                *count += letters.len();
                if let (true, Some(first)) = (*count > most, letters.first()) {
                    let first = first.reason.clone();
                    return Err(BatchError::Task {
                        time,
                        error: TaskError::Operator {
                            operator: operator.name.clone(),
                            partition,
                            error: Box::new(StepError::TooManyFaults { most, first }),
                        },
                    });
                }
                self.all.extend(letters.into_iter().map(|letter| LeftOut {
                    operator: operator.name.clone(),
                    on_error: operator.on_error,
                    partition,
                    letter,
                }));
            }
        }
        Ok(())
    }

    pub(super) fn into_all(self) -> Vec<LeftOut> {
        self.all
    }
}
