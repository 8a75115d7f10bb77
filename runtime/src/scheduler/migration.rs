//! State of an older version of a function becomes state of today's: the plugin makes it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;

use super::{
    Executor, Part, Permit, StepSpec, Tenant,
    steps::{For, Making, StepMaker},
};
use crate::{
    account::Account,
    model::BatchTime,
    operator::{OldStates, PartitionState, SavedState, StateColumns, StepError, TouchedStates},
    plugin::Usage,
    topology::OperatorId,
};

/// States of one call.
const CHUNK: usize = 4_096;

/// Calls plugins for states.
pub(super) struct Migrator {
    maker: StepMaker,
    tenant: Tenant,
}

impl Executor {
    /// Its tasks take turns with those of batches, and are charged to the same account.
    pub(super) fn migrator(&self) -> Migrator {
        let account = Arc::new(Account::under(self.account()));
        Migrator {
            maker: self.maker.clone(),
            tenant: self.tenant.fellow().with_account(account),
        }
    }
}

impl Migrator {
    /// Makes its tasks stop soon.
    pub(super) fn abort(&self) {
        self.tenant.abort();
    }

    /// The operator's plugin exports a migration.
    pub(super) fn is_there(&self, id: OperatorId) -> bool {
        let inner = &self.maker.0;
        let keyed = inner.topology.operators[id.0].verb.keyed_state();
        let plugin = keyed.and_then(|keyed| inner.plugins.get(keyed.call.plugin.0));
        plugin.is_some_and(|plugin| plugin.info().migrates)
    }

    /// The plugin makes today's state of that version, if the state is of it.
    pub(super) fn can(&self, id: OperatorId, (since, to): (u32, u32)) -> Result<(), String> {
        if since > to {
            return Err("no plugin makes an older state of a newer one".to_owned());
        }
        match self.is_there(id) {
            true => Ok(()),
            false => Err("its plugin exports no migration".to_owned()),
        }
    }

    /// What the partitions of an operator remember, in its version.
    pub(super) fn migrate(
        &self,
        id: OperatorId,
        since: u32,
        saved: &[SavedState],
        columns: StateColumns<'_>,
    ) -> Result<Vec<PartitionState>, String> {
        let old = saved.iter().map(|saved| {
            let old = OldStates::of(saved).map_err(|error| error.to_string())?;
            old.ok_or_else(|| NOT_KEYED.to_owned())
        });
        let old: Vec<OldStates> = old.collect::<Result<_, String>>()?;
        let made = self.states((id, since), old)?;
        let made = made.into_iter().map(|(old, new)| old.with(&new, columns));
        let made: Result<_, StepError> = made.collect();
        made.map_err(|error| error.to_string())
    }

    /// The states of these partitions in the operator's version, with what they were.
    pub(super) fn states<T: Migrated>(
        &self,
        (id, since): (OperatorId, u32),
        partitions: Vec<T>,
    ) -> Result<Vec<(T, RecordBatch)>, String> {
        let mut tasks = Vec::with_capacity(partitions.len());
        for (partition, old) in partitions.into_iter().enumerate() {
            let maker = self.maker.clone();
            tasks.push(move |permit: &Arc<Permit>| {
                let new = migrated(&maker, (id, partition), since, old.old(), permit);
                new.map(|new| (old, new))
            });
        }
        let done = self.tenant.run(tasks).into_iter();
        done.map(|done| {
            let done = done.ok_or("the task panicked; this is a bug in rsrt")?;
            done.map_err(|error| error.to_string())
        })
        .collect()
    }
}

/// Why a state is not migrated that is none of keys.
pub(super) const NOT_KEYED: &str = "only the state of keys can be migrated";

/// States of which others are made.
pub(super) trait Migrated: Send + 'static {
    fn old(&self) -> &OldStates;
}

impl Migrated for OldStates {
    fn old(&self) -> &OldStates {
        self
    }
}

impl Migrated for TouchedStates {
    fn old(&self) -> &OldStates {
        &self.others
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
