//! State that is migrated behind the back of batches: a copy first, then what they have touched since.

use std::sync::Arc;

use super::{
    Executor, Lost, MemoryError,
    memory::Memory,
    migration::{Migrator, NOT_KEYED},
    saved_memory::Columns,
};
use crate::{
    operator::{CopiedStates, OldStates, PartitionState, TouchedStates},
    topology::{Diff, Operator, OperatorId},
};

/// States of one version of a topology on their way to the next one. When it is dropped, nothing is
/// noted any more of what becomes of them.
pub struct Moving {
    before: Arc<Executor>,
    after: Arc<Executor>,
    migrator: Arc<Migrator>,
    operators: Vec<MovingOperator>,
}

/// Makes what a migration is at stop soon, once it is dropped.
pub struct MovingGuard(Arc<Migrator>);

impl Drop for MovingGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct MovingOperator {
    /// In the version before.
    old: OperatorId,
    new: OperatorId,
    since: u32,
    to: u32,
    /// By partition; none: it remembered nothing.
    copied: Option<Vec<CopiedStates>>,
    /// What was made of that.
    made: Vec<PartitionState>,
}

impl Executor {
    /// Copies what these operators of the version before remember, to be migrated to this one. To be
    /// called between two batches; columns are shared.
    ///
    /// # Errors
    /// When a plugin cannot migrate it.
    pub fn migrate_from(
        self: &Arc<Self>,
        before: &Arc<Self>,
        operators: &[String],
    ) -> Result<(Moving, MovingGuard), MemoryError> {
        let migrator = Arc::new(self.migrator());
        let mut moving = Moving {
            before: before.clone(),
            after: self.clone(),
            migrator: migrator.clone(),
            operators: Vec::new(),
        };
        let (old, new) = (&before.topology, &self.topology);
        let versions = |id: OperatorId, topology: &[Operator]| {
            let keyed = topology[id.0].verb.keyed_state();
            keyed.map_or(0, |keyed| keyed.version)
        };
        let mut memory = before.remembered();
        for (at, operator) in old.operators.iter().enumerate() {
            let id = OperatorId(at);
            let is_one = operators.iter().any(|one| one == operator.name.as_str());
            let Some(place) = Diff::place(old, new, id).filter(|_| is_one) else {
                continue;
            };
            let since = versions(id, &old.operators);
            let mut operator = MovingOperator {
                old: id,
                new: place,
                since,
                to: versions(place, &new.operators),
                copied: None,
                made: Vec::new(),
            };
            let can = migrator.can(place, (since, operator.to));
            let copied = can.and_then(|()| copy(&mut memory, id));
            operator.copied = copied.map_err(|why| moving.refused(&operator, why))?;
            moving.operators.push(operator);
        }
        drop(memory);
        Ok((moving, MovingGuard(migrator)))
    }
}

/// A copy of what an operator remembers, and from now on it is noted what becomes of it.
fn copy(memory: &mut Memory, id: OperatorId) -> Result<Option<Vec<CopiedStates>>, String> {
    let Some(states) = memory.states.get_mut(&id) else {
        return Ok(None);
    };
    let copied = states.iter_mut().map(PartitionState::copy_keys);
    let copied: Option<Vec<_>> = copied.collect();
    copied.map(Some).ok_or_else(|| NOT_KEYED.to_owned())
}

impl Moving {
    /// Lets plugins make states of the copies. Blocks, while batches go on.
    ///
    /// # Errors
    /// When one cannot, or what it makes is no state.
    pub fn migrate(mut self) -> Result<Self, MemoryError> {
        let mut operators = std::mem::take(&mut self.operators);
        for operator in &mut operators {
            let made = self.made(operator);
            operator.made = made.map_err(|why| self.refused(operator, why))?;
        }
        self.operators = operators;
        Ok(self)
    }

    fn made(&self, operator: &MovingOperator) -> Result<Vec<PartitionState>, String> {
        let copied = operator.copied.iter().flatten();
        let old = copied.map(|copied| copied.read().map_err(|error| error.to_string()));
        let old: Vec<OldStates> = old.collect::<Result<_, _>>()?;
        let columns = Columns::of(&self.after.topology.operators[operator.new.0]);
        let made = self
            .migrator
            .states((operator.new, operator.since), old)?
            .into_iter()
            .map(|(old, new)| old.with(&new, columns.as_state()));
        let made: Result<_, _> = made.collect();
        made.map_err(|error| error.to_string())
    }

    /// Migrates what batches have touched since, between two of them: the next version remembers then
    /// what these operators of the version before do, which remembers it still.
    ///
    /// # Errors
    /// As [`migrate`](Self::migrate).
    pub fn finish(mut self) -> Result<(), MemoryError> {
        let mut migrated = Memory::default();
        for mut operator in std::mem::take(&mut self.operators) {
            let states = match self.touched(&operator) {
                Ok(Some(touched)) => self.caught_up(&mut operator, touched),
                // It is another state than was copied: all of it is taken.
                Ok(None) => copy(&mut self.before.remembered(), operator.old).and_then(|copied| {
                    operator.copied = copied;
                    self.made(&operator)
                }),
                Err(why) => Err(why),
            };
            let states = states.map_err(|why| self.refused(&operator, why))?;
            let memory = self.before.remembered();
            let lost: Option<Lost> = memory.lost.get(&operator.old).cloned();
            if memory.states.contains_key(&operator.old) && lost.is_none() {
                migrated.states.insert(operator.new, states);
            }
            migrated.lost.extend(lost.map(|lost| (operator.new, lost)));
            if memory.begun.contains(&operator.old) {
                migrated.begun.insert(operator.new);
            }
        }
        *self.after.remembered() = migrated;
        Ok(())
    }

    /// By partition what has become of the copies; none: it cannot be told.
    fn touched(&self, operator: &MovingOperator) -> Result<Option<Vec<TouchedStates>>, String> {
        let mut memory = self.before.remembered();
        let states = memory.states.get_mut(&operator.old);
        let (Some(states), Some(copied)) = (states, &operator.copied) else {
            return Ok(None);
        };
        if states.len() != copied.len() {
            return Ok(None);
        }
        let columns = Columns::of(&self.before.topology.operators[operator.old.0]);
        let pairs = states.iter_mut().zip(copied);
        let touched = pairs.map(|(state, copied)| state.touched_since(copied, columns.as_state()));
        let touched: Result<Option<Vec<_>>, _> = touched.collect();
        touched.map_err(|error| error.to_string())
    }

    fn caught_up(
        &self,
        operator: &mut MovingOperator,
        touched: Vec<TouchedStates>,
    ) -> Result<Vec<PartitionState>, String> {
        let columns = Columns::of(&self.after.topology.operators[operator.new.0]);
        let since = (operator.new, operator.since);
        let made = self.migrator.states(since, touched)?;
        for (state, (touched, new)) in operator.made.iter_mut().zip(made) {
            let caught_up = state.catch_up(&touched, &new, columns.as_state());
            caught_up.map_err(|error| error.to_string())?;
        }
        Ok(std::mem::take(&mut operator.made))
    }

    fn refused(&self, operator: &MovingOperator, why: String) -> MemoryError {
        let name = &self.before.topology.operators[operator.old.0].name;
        MemoryError::Version {
            operator: name.to_string(),
            since: operator.since,
            to: operator.to,
            why,
        }
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        let mut memory = self.before.remembered();
        for state in memory.states.values_mut().flatten() {
            state.forget_copy();
        }
    }
}
