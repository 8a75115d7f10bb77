//! State of an older version of a function becomes state of today's: the plugin makes it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;

use super::{
    Executor, MemoryError, Part, Permit, StepSpec, Tenant,
    memory::Memory,
    steps::{For, Making, StepMaker},
};
use crate::{
    model::{BatchTime, NodeName},
    operator::{OldStates, PartitionState, SavedState, StateColumns, StepError},
    plugin::Usage,
    topology::OperatorId,
};

/// States of one call.
const CHUNK: usize = 4_096;

/// Calls plugins for states.
pub(super) struct Migrator<'a> {
    maker: &'a StepMaker,
    tenant: &'a Tenant,
}

impl Executor {
    pub(super) fn migrator(&self) -> Migrator<'_> {
        Migrator {
            maker: &self.maker,
            tenant: &self.tenant,
        }
    }

    /// Remembers what these operators of the version before remember, as their plugins migrate it;
    /// that version remembers it still. Whether or not it fails, what that one writes down next must be whole.
    ///
    /// # Errors
    /// When a plugin cannot, or what it makes is no state.
    pub fn migrate_from(&self, before: &Self, operators: &[String]) -> Result<(), MemoryError> {
        let is_one = |name: &NodeName| operators.iter().any(|one| one == name.as_str());
        let topology = &before.topology;
        let saved = before.remembered().save_these(topology, true, is_one)?;
        let migrated = Memory::restore(&saved, &self.topology, &self.migrator())?;
        *self.remembered() = migrated;
        Ok(())
    }
}

impl Migrator<'_> {
    /// The operator's plugin exports a migration.
    pub(super) fn is_there(&self, id: OperatorId) -> bool {
        let inner = &self.maker.0;
        let keyed = inner.topology.operators[id.0].verb.keyed_state();
        let plugin = keyed.and_then(|keyed| inner.plugins.get(keyed.call.plugin.0));
        plugin.is_some_and(|plugin| plugin.info().migrates)
    }

    /// What the partitions of an operator remember, in its version.
    pub(super) fn migrate(
        &self,
        id: OperatorId,
        since: u32,
        saved: &[SavedState],
        columns: StateColumns<'_>,
    ) -> Result<Vec<PartitionState>, String> {
        let mut tasks = Vec::with_capacity(saved.len());
        for (partition, saved) in saved.iter().enumerate() {
            let old = OldStates::of(saved).map_err(|error| error.to_string())?;
            let old = old.ok_or("only the state of keys can be migrated")?;
            let maker = self.maker.clone();
            tasks.push(move |permit: &Arc<Permit>| {
                let new = migrated(&maker, (id, partition), since, &old, permit);
                new.map(|new| (old, new))
            });
        }
        let done = self.tenant.run(tasks).into_iter();
        done.map(|done| {
            let done = done.ok_or("the task panicked; this is a bug in rsrt")?;
            let (old, new) = done.map_err(|error| error.to_string())?;
            let state = old.with(&new, columns);
            state.map_err(|error| error.to_string())
        })
        .collect()
    }
}

/// Of one partition. There is no batch that it belongs to, so that it is the same whenever it is
/// done.
fn migrated(
    maker: &StepMaker,
    (id, partition): (OperatorId, usize),
    since: u32,
    old: &OldStates,
    permit: &Arc<Permit>,
) -> Result<RecordBatch, StepError> {
    let operator = &maker.0.topology.operators[id.0];
    let Some(keyed) = operator.verb.keyed_state() else {
        return Err(StepError::Arrow("it has no state of keys".into()));
    };
    let to = For {
        time: BatchTime::from_millis(0),
        number: 0,
        partition,
        emits: false,
        retried: 0,
    };
    let making = Making {
        to: &to,
        permit,
        spent: Usage::default(),
    };
    let spec = StepSpec {
        operator: id,
        part: Part::Whole,
    };
    let (plugin, function) = (keyed.call.plugin, &keyed.call.function);
    let mut sandbox = maker.sandbox(&spec, plugin, function, &making);
    let schema = &keyed.state;
    let mut chunks = Vec::new();
    for start in (0..old.len()).step_by(CHUNK) {
        let length = CHUNK.min(old.len() - start);
        let states = old.states().iter();
        let states: Vec<_> = states.map(|column| column.slice(start, length)).collect();
        chunks.push(
            sandbox
                .call(|instance, function| instance.migrate(function, since, &states, schema))?,
        );
    }
    Ok(concat_batches(&schema.to_arrow(), &chunks)?)
}
