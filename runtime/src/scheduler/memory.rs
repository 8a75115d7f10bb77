//! What operators keep from batch to batch, and which of it was lost with a failed one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Part,
    pane::{KeptPartition, Pane, PaneError, PaneStore},
    task::TaskOutput,
};
use crate::{
    model::{BatchTime, NodeName, Partition, Schema},
    operator::PartitionState,
    topology::{Operator, OperatorId},
};

/// What operators remember.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// `update-state-by-key` operators that have had a batch (spec 6.2).
    pub(super) begun: BTreeSet<OperatorId>,
    pub(super) states: BTreeMap<OperatorId, Vec<PartitionState>>,
    pub(super) panes: BTreeMap<OperatorId, VecDeque<Pane>>,
    pub(super) pane_stores: BTreeMap<OperatorId, PaneStore>,
    pub(super) lost: BTreeMap<OperatorId, Lost>,
    pub(super) gaps: BTreeMap<OperatorId, (u64, Lost)>,
}

/// An operator cannot go on: a batch that it builds on has failed. Later batches that need it fail,
/// too, as a recomputation would (spec 4.6).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("operator `{operator}` builds on batch {since}, which failed")]
pub struct Lost {
    /// The operator.
    pub operator: NodeName,
    /// The batch that failed.
    pub since: BatchTime,
}

impl Memory {
    /// The same of another version of the topology. What has no place there is forgotten.
    pub(super) fn moved(self, place: impl Fn(OperatorId) -> Option<OperatorId>) -> Self {
        fn keys<T>(
            of: BTreeMap<OperatorId, T>,
            place: impl Fn(OperatorId) -> Option<OperatorId>,
        ) -> BTreeMap<OperatorId, T> {
            let moved = of.into_iter();
            let moved = moved.filter_map(|(id, kept)| Some((place(id)?, kept)));
            moved.collect()
        }
        Self {
            begun: self.begun.into_iter().filter_map(&place).collect(),
            states: keys(self.states, &place),
            panes: keys(self.panes, &place),
            pane_stores: keys(self.pane_stores, &place),
            lost: keys(self.lost, &place),
            gaps: keys(self.gaps, &place),
        }
    }

    /// The same once more, of which nothing was ever written down. Columns are shared.
    pub(super) fn copied(&self) -> Self {
        let states = self.states.iter().map(|(id, states)| {
            let states = states.iter().map(PartitionState::copied);
            (*id, states.collect())
        });
        let panes = self.panes.iter().map(|(id, panes)| {
            let panes = panes.iter().map(Pane::copied);
            (*id, panes.collect())
        });
        Self {
            begun: self.begun.clone(),
            states: states.collect(),
            panes: panes.collect(),
            // What lies on disk stays there as long as someone has it.
            pane_stores: BTreeMap::new(),
            lost: self.lost.clone(),
            gaps: self.gaps.clone(),
        }
    }

    /// What other operators remember, too.
    pub(super) fn add(&mut self, mut others: Self) {
        self.begun.append(&mut others.begun);
        self.states.append(&mut others.states);
        self.panes.append(&mut others.panes);
        self.pane_stores.append(&mut others.pane_stores);
        self.lost.append(&mut others.lost);
        self.gaps.append(&mut others.gaps);
    }

    /// Takes out what the operator remembers, to be changed; none at the first time.
    pub(super) fn take(
        &mut self,
        operator: OperatorId,
    ) -> Result<Option<Vec<PartitionState>>, Lost> {
        match self.lost.get(&operator) {
            Some(lost) => Err(lost.clone()),
            None => Ok(self.states.remove(&operator)),
        }
    }

    /// Puts back what operators remember from now on: what the tasks of a stage give back.
    pub(super) fn keep_all(&mut self, made: &mut [TaskOutput]) {
        let mut states: BTreeMap<OperatorId, Vec<PartitionState>> = BTreeMap::new();
        for task in made {
            for (operator, state) in std::mem::take(&mut task.states) {
                states.entry(operator).or_default().push(state);
            }
        }
        self.states.append(&mut states);
    }

    /// The gap in a window of this length that ends with this batch.
    pub(super) fn gap_in(&self, operator: OperatorId, number: u64, length: u64) -> Option<&Lost> {
        let (at, lost) = self.gaps.get(&operator)?;
        (at + length > number).then_some(lost)
    }

    /// The operator got nothing of a batch that failed: it cannot go on, unless it is a window that
    /// is reduced anew, or one of rows, which knows what it lacks.
    pub(super) fn miss(
        &mut self,
        id: OperatorId,
        operator: &Operator,
        (time, number): (BatchTime, u64),
    ) {
        let lost = Lost {
            operator: operator.name.clone(),
            since: time,
        };
        match &operator.verb {
            verb if verb.reduces_window() && !verb.has_inverse() => {
                self.gaps.insert(id, (number, lost));
            }
            verb if verb.remembers() => self.lose(id, lost),
            verb => {
                if let Some(window) = verb.window() {
                    self.add_pane(id, (number, window.length.get()), Some(Err(lost)));
                }
            }
        }
    }

    /// What the operator remembers went with a task that failed.
    pub(super) fn lose(&mut self, operator: OperatorId, lost: Lost) {
        self.states.remove(&operator);
        self.lost.entry(operator).or_insert(lost);
    }

    /// Adds a batch to the window of this length, and forgets those that are out of it by then.
    pub(super) fn add_pane(
        &mut self,
        operator: OperatorId,
        (number, length): (u64, u64),
        rows: Option<Result<Vec<KeptPartition>, Lost>>,
    ) {
        self.forget_panes(operator, (number, length));
        if let Some(rows) = rows {
            let panes = self.panes.entry(operator).or_default();
            panes.push_back(Pane {
                number,
                rows,
                is_saved: false,
            });
        }
    }

    fn forget_panes(&mut self, operator: OperatorId, (number, length): (u64, u64)) {
        let panes = self.panes.entry(operator).or_default();
        while panes
            .front()
            .is_some_and(|pane| pane.number + length <= number)
        {
            panes.pop_front();
        }
    }

    /// The same, with the rows of a batch, which go where the window keeps its rows.
    pub(super) fn keep_pane(
        &mut self,
        (id, operator): (OperatorId, &Operator),
        (number, length): (u64, u64),
        schema: &Schema,
        partitions: &[Partition],
    ) -> Result<(), PaneError> {
        self.forget_panes(id, (number, length));
        let kept = self.put(id, operator, schema, partitions)?;
        self.add_pane(id, (number, length), Some(Ok(kept)));
        Ok(())
    }

    /// Puts a batch where the window keeps its rows.
    pub(super) fn put(
        &mut self,
        id: OperatorId,
        operator: &Operator,
        schema: &Schema,
        partitions: &[Partition],
    ) -> Result<Vec<KeptPartition>, PaneError> {
        let panes = self.panes.get(&id).into_iter().flatten();
        let in_memory = panes.map(Pane::in_memory).sum();
        let store = self.pane_stores.entry(id).or_default();
        store.keep(
            (&operator.name, &operator.panes),
            schema,
            partitions,
            in_memory,
        )
    }

    /// The rows in the window, partition after partition, in time order (spec 7.3).
    pub(super) fn window(&self, operator: OperatorId) -> Result<Vec<KeptPartition>, Lost> {
        let mut partitions = Vec::new();
        for pane in self.panes.get(&operator).into_iter().flatten() {
            partitions.extend(pane.rows.as_ref().map_err(Clone::clone)?.iter().cloned());
        }
        Ok(partitions)
    }
}

/// The step at which a stage starts has something to do without rows.
pub(super) fn remembers(operator: &Operator, part: &Part) -> bool {
    let after = matches!(part, Part::AfterShuffle | Part::Whole);
    after && operator.verb.remembers()
}

/// This step takes in and gives back what the operator remembers.
pub(super) fn remembers_here(operator: &Operator, part: &Part) -> bool {
    match part {
        Part::Window => true,
        Part::AfterShuffle | Part::Whole => operator.verb.keyed_state().is_some(),
        Part::BeforeShuffle | Part::Fused(_) => false,
    }
}
