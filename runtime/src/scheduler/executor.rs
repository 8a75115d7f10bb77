//! Runs the batches of one topology, and keeps what its operators remember in between.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arrow_array::RecordBatch;

use super::{
    Again, BatchError, LeftOut, MemoryError, Plan, SavedMemory, Taps, Tenant, again::AllAgain,
    batch_run::BatchRun, memory::Memory, presence::Known, presence::Presence, steps::StepMaker,
};
use crate::{
    account::{Account, Node},
    model::{Batch, BatchTime, NodeName},
    plugin::Plugin,
    source::Claim,
    topology::{Code, OperatorId, ReferenceId, SourceId, StreamRef, Topology},
};

/// Runs the batches of one topology.
pub struct Executor {
    pub(super) topology: Arc<Topology>,
    pub(super) plan: Plan,
    pub(super) maker: StepMaker,
    /// What each source uses.
    pub(super) sources: Vec<Arc<Node>>,
    pub(super) tenant: Tenant,
    pub(super) taps: Taps,
    memory: Mutex<Memory>,
}

/// What there is for a batch.
pub struct BatchInput {
    /// The batch.
    pub time: BatchTime,
    /// Its number: its time is zero time + number x interval, and the first is 1 (spec 2.1).
    pub number: u64,
    /// One for each source that is opened; one that is not has no batch.
    pub claims: BTreeMap<SourceId, Claim>,
    /// The rows of data sets from files.
    pub references: References,
    /// Rows that operators take in addition.
    pub again: Vec<Again>,
}

/// The rows of data sets from files, as they are for one batch.
pub type References = BTreeMap<ReferenceId, Arc<[RecordBatch]>>;

/// What came of a batch.
#[derive(Debug, Default)]
pub struct BatchOutput {
    /// The streams that sinks read; a stream without a batch is not there.
    pub streams: BTreeMap<StreamRef, Batch>,
    /// Records read from sources, the rejected among them.
    pub records: u64,
    /// Bytes read from sources.
    pub bytes: u64,
    /// Lines in which broken UTF-8 was replaced.
    pub replaced: u64,
    /// Rejected rows that nothing reads, by who rejected them, with the first reason.
    pub dropped: Vec<(NodeName, u64, String)>,
    /// What operators left out, in the order of stages and partitions.
    pub left_out: Vec<LeftOut>,
    /// CPU time of all tasks.
    pub cpu: Duration,
    /// What instances used.
    pub operators: Vec<OperatorUsage>,
}

/// What the instances of an operator have used in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorUsage {
    /// The operator.
    pub operator: NodeName,
    /// CPU time in the sandbox, all instances together.
    pub sandbox: Duration,
    /// The most memory of one instance, in bytes.
    pub memory_peak: usize,
}

impl Executor {
    /// An executor for a topology whose plugins are loaded, in the topology's order.
    pub fn new(topology: Arc<Topology>, plugins: Vec<Plugin>, plan: Plan, tenant: Tenant) -> Self {
        Self {
            taps: Taps::new(&topology, &plan, &tenant),
            maker: StepMaker::new(
                topology.clone(),
                plugins,
                plan.snapshots.clone(),
                tenant.account(),
            ),
            sources: (topology.sources.iter())
                .map(|source| tenant.account().node(source.name.as_str()))
                .collect(),
            topology,
            plan,
            tenant,
            memory: Mutex::default(),
        }
    }

    /// Where its streams can be looked at, until it is dropped.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }

    /// What its batches are charged to.
    pub fn account(&self) -> &Arc<Account> {
        self.tenant.account()
    }

    /// An executor of another version of the topology, which runs as this one does. It remembers
    /// nothing yet.
    #[must_use]
    pub fn successor(&self, topology: Arc<Topology>, plugins: Vec<Plugin>, plan: Plan) -> Self {
        Self::new(topology, plugins, plan, self.tenant.clone())
    }

    /// An executor of the same version for a shadow: it takes turns at the cores with this one, is
    /// aborted by itself, and what it reads is not counted once more. It remembers nothing yet.
    #[must_use]
    pub fn shadow(&self) -> Self {
        let account = Arc::new(Account::shadow_of(self.account()));
        let tenant = self.tenant.fellow().with_account(account);
        let plugins = self.maker.0.plugins.clone();
        Self::new(self.topology.clone(), plugins, self.plan.clone(), tenant)
    }

    /// Goes on with what this executor of the same version remembers, which forgets it, and with a
    /// copy of what the one of the version before does; `place` is as in
    /// [`take_over`](Self::take_over).
    pub fn shadows(
        &self,
        version: &Self,
        before: &Self,
        place: impl Fn(OperatorId) -> Option<OperatorId>,
    ) {
        let copied = before.remembered().copied().moved(place);
        let own = std::mem::take(&mut *version.remembered());
        let mut memory = self.remembered();
        memory.add(own);
        memory.add(copied);
    }

    /// Goes on with what the executor of the version before remembers, which forgets it, besides
    /// what it has [migrated](Self::migrate_from). `place`
    /// says which operator of this topology goes on with what one of that topology remembers.
    pub fn take_over(&self, before: &Self, place: impl Fn(OperatorId) -> Option<OperatorId>) {
        let mut old = before.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = std::mem::take(&mut *old).moved(place);
        drop(old);
        self.remembered().add(memory);
        self.take_taps(before);
    }

    /// Whoever looks at streams of another executor goes on looking at those of this one.
    pub fn take_taps(&self, other: &Self) {
        other.taps.hand_over(&self.taps);
    }

    /// Its operators keep something from batch to batch.
    pub fn remembers(&self) -> bool {
        let mut needed = self.plan.needed.iter();
        needed.any(|id| {
            let verb = &self.topology.operators[id.0].verb;
            verb.remembers() || verb.window().is_some()
        })
    }

    /// What its plugins are, in the topology's order.
    pub fn code(&self) -> Vec<Code> {
        let plugins = self.maker.0.plugins.iter();
        plugins
            .map(|plugin| Code {
                digest: plugin.digest().to_string(),
                migrates: plugin.info().migrates,
            })
            .collect()
    }

    /// The streams that are read from outside, by name.
    pub fn sources(&self) -> Vec<NodeName> {
        let sources = self.plan.sources.iter();
        let names = sources.map(|id| self.topology.sources[id.0].name.clone());
        names.collect()
    }

    pub(super) fn remembered(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes running tasks stop soon.
    pub fn abort(&self) {
        self.tenant.abort();
    }

    /// [`abort`](Self::abort) was called.
    pub fn is_aborted(&self) -> bool {
        self.tenant.is_aborted()
    }

    /// Runs a batch on the pool and on this thread, until all of it is done. Batches are run one at
    /// a time, in the order of their numbers.
    ///
    /// # Errors
    /// The first failure, in the order of stages and partitions. No sink gets anything of the batch
    /// then; operators that do not build on what failed still remember it.
    pub fn run(&self, input: BatchInput) -> Result<BatchOutput, BatchError> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let BatchInput {
            time,
            number,
            claims,
            references,
            again,
        } = input;
        let mut present = vec![false; self.topology.sources.len()];
        let mut readers = BTreeMap::new();
        for (id, claim) in claims {
            if let Claim::Batch(partitions) = claim {
                present[id.0] = true;
                readers.insert(id, partitions);
            }
        }
        let known = Known {
            number,
            needed: &self.plan.needed,
            begun: &memory.begun,
        };
        let (presence, missing) = Presence::new(&self.topology, present, known);
        let missing = missing.map(|missing| BatchError::Missing { time, missing });
        let mut run = BatchRun::new(self, (time, number), presence, readers, &references);
        run.again = AllAgain::new(again);
        let failed = run.all(&mut memory);
        match missing.or(failed) {
            Some(error) => Err(error),
            None => Ok(run.into_output()),
        }
    }

    /// What operators remember after the last batch: the `whole`, or what changed since this was
    /// last called, to be put [upon](SavedMemory::upon) it.
    ///
    /// # Errors
    /// When rows cannot be written. What comes next must be whole then.
    pub fn save(&self, whole: bool) -> Result<SavedMemory, MemoryError> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.save(&self.topology, whole)
    }

    /// Goes on from what an executor of a topology like this one has saved.
    ///
    /// # Errors
    /// When it does not fit this topology, or is damaged.
    pub fn restore(&self, saved: &SavedMemory) -> Result<(), MemoryError> {
        let restored = Memory::restore(saved, &self.topology, &self.migrator())?;
        *self.remembered() = restored;
        Ok(())
    }

    /// Notes that a batch was given up before it could run: what builds on it cannot go on.
    pub fn give_up(&self, time: BatchTime, number: u64) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        for id in &self.plan.needed {
            memory.miss(*id, &self.topology.operators[id.0], (time, number));
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.taps.close();
    }
}
