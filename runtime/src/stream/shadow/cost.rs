//! What batches cost.

use std::{collections::BTreeMap, time::Duration};

use crate::{model::NodeName, scheduler::OperatorUsage};

/// What the batches of one version cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowCost {
    /// CPU time of all tasks.
    pub cpu: Duration,
    /// Of operators that call plugins.
    pub operators: BTreeMap<NodeName, OperatorCost>,
}

/// What an operator cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperatorCost {
    /// CPU time in the sandbox.
    pub cpu: Duration,
    /// The most memory of one instance, in bytes.
    pub memory_peak: usize,
}

impl ShadowCost {
    /// Of one batch.
    pub(super) fn new(cpu: Duration, operators: &[OperatorUsage]) -> Self {
        let operators = operators.iter().map(|of| {
            let cost = OperatorCost {
                cpu: of.sandbox,
                memory_peak: of.memory_peak,
            };
            (of.operator.clone(), cost)
        });
        Self {
            cpu,
            operators: operators.collect(),
        }
    }

    /// And of more.
    pub(super) fn add(&mut self, more: Self) {
        self.cpu += more.cpu;
        for (name, more) in more.operators {
            let cost = self.operators.entry(name).or_default();
            cost.cpu += more.cpu;
            cost.memory_peak = cost.memory_peak.max(more.memory_peak);
        }
    }
}
