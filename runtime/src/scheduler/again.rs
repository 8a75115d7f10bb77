//! Rows that an operator is given besides those of its input: dead letters that are tried again.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;

use super::{Executor, Part, Presence, StepSpec, presence::Known};
use crate::topology::{OperatorId, SourceId, StreamRef};

/// Rows of an operator's input that it takes in addition, before those of the batch.
#[derive(Debug, Clone)]
pub struct Again {
    /// The operator.
    pub operator: OperatorId,
    /// Where they go, modulo the number of partitions.
    pub partition: usize,
    /// The rows.
    pub rows: Vec<RecordBatch>,
}

/// What is left to be given, by operator: partitions and rows.
#[derive(Default)]
pub(super) struct AllAgain {
    left: BTreeMap<OperatorId, Vec<(usize, Vec<RecordBatch>)>>,
    /// How many there were in all.
    pub(super) count: usize,
}

impl AllAgain {
    pub(super) fn new(all: Vec<Again>) -> Self {
        let mut again = Self {
            count: all.len(),
            ..Self::default()
        };
        for one in all {
            let of = again.left.entry(one.operator).or_default();
            of.push((one.partition, one.rows));
        }
        again
    }

    /// Some are for these steps.
    pub(super) fn is_for(&self, steps: &[StepSpec]) -> bool {
        let mut steps = steps.iter();
        steps.any(|step| self.left.contains_key(&step.operator))
    }

    /// Takes out what this step is given in each of so many partitions; a part of an operator that
    /// comes after another one is given nothing.
    pub(super) fn take(&mut self, step: &StepSpec, partitions: usize) -> Vec<Vec<RecordBatch>> {
        let begins = matches!(step.part, Part::Whole | Part::BeforeShuffle);
        let given = match begins {
            true => self.left.remove(&step.operator).unwrap_or_default(),
            false => Vec::new(),
        };
        let mut by_partition = vec![Vec::new(); partitions];
        for (partition, rows) in given {
            by_partition[partition % partitions].extend(rows);
        }
        by_partition
    }
}

impl Executor {
    /// Operators that surely read their input in a batch with this number, of which these sources
    /// have one.
    pub fn takers(&self, number: u64, present: &BTreeSet<SourceId>) -> BTreeSet<OperatorId> {
        let sources = (0..self.topology.sources.len()).map(|at| present.contains(&SourceId(at)));
        let known = Known {
            number,
            needed: &self.plan.needed,
            begun: &BTreeSet::new(),
        };
        let (presence, missing) = Presence::new(&self.topology, sources.collect(), known);
        if missing.is_some() {
            return BTreeSet::new();
        }
        let takes = |id: &OperatorId| {
            let mut inputs = self.topology.operators[id.0].inputs.iter();
            let reads = inputs.all(|input| presence.of(*input));
            reads && presence.of(StreamRef::operator(*id))
        };
        let needed = self.plan.needed.iter().copied();
        needed.filter(takes).collect()
    }
}
