//! Makes batches of what their claims name.

use std::{collections::BTreeMap, sync::Arc};

use super::{ReplayError, Runnable};
use crate::{
    account::Account,
    checkpoint::{BatchLetters, ClaimFact, RecoveredClaim, Retained, SourceFact},
    model::BatchTime,
    scheduler::{
        Again, BatchError, BatchInput, BatchOutput, Executor, Plan, References, SavedMemory, Tenant,
    },
    source::{Claim, DataSet, ReplaySetup, Source, open_replayed},
    topology::{Reference, ReferenceId, SourceId, Topology},
};

/// What there is behind a batch.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// What operators remember.
    pub(super) memory: Option<SavedMemory>,
    /// How far sources have come.
    pub(super) sources: Vec<SourceFact>,
}

/// One program, which makes batches one after the other.
pub(super) struct Maker<'a> {
    retained: &'a Retained,
    topology: Arc<Topology>,
    plan: Plan,
    executor: Executor,
    sources: BTreeMap<SourceId, Box<dyn Source>>,
    account: Arc<Account>,
}

impl<'a> Maker<'a> {
    /// Goes on from here, but for what these operators remember; at the batch.
    pub(super) fn new(
        (program, topology): (&Runnable, Arc<Topology>),
        retained: &'a Retained,
        tenant: &Tenant,
        (point, forgets, batch): (&Point, &[String], BatchTime),
    ) -> Result<Self, ReplayError> {
        let plan = Plan::new(&topology);
        let account = Arc::new(Account::under(tenant.account()));
        let fellow = tenant.fellow().with_account(account.clone());
        let plugins = program.plugins.clone();
        let executor = Executor::new(topology.clone(), plugins, plan.clone(), fellow);
        if let Some(memory) = &point.memory {
            let restored = executor.restore(&memory.without(forgets));
            restored.map_err(|error| ReplayError::State { batch, error })?;
        }
        let mut sources = BTreeMap::new();
        for id in &plan.sources {
            let source = &topology.sources[id.0];
            let failed = |error| ReplayError::Source {
                batch,
                error: Box::new(error),
            };
            let setup = ReplaySetup {
                interval: topology.batch_interval,
                parallelism: topology.parallelism,
                blocks: retained.blocks(source.name.as_str(), &source.schema),
            };
            let mut opened = open_replayed(source, setup).map_err(failed)?;
            let mut known = point.sources.iter();
            if let Some(known) = known.find(|known| known.source == source.name.as_str()) {
                opened.resume(&known.position).map_err(failed)?;
            }
            sources.insert(*id, opened);
        }
        Ok(Self {
            retained,
            topology,
            plan,
            executor,
            sources,
            account,
        })
    }

    pub(super) fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What its batches are charged to.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Makes a batch of a claim with these data sets and dead letters. The outer error is that it
    /// cannot be made as it was, the inner one what it made of it.
    pub(super) fn make(
        &mut self,
        (time, number): (BatchTime, u64),
        claim: &ClaimFact,
        (references, again): (References, Vec<Again>),
    ) -> Result<Result<BatchOutput, BatchError>, ReplayError> {
        let mut claims = BTreeMap::new();
        for (id, source) in &mut self.sources {
            let name = self.topology.sources[id.0].name.as_str();
            let mut taken = claim.sources.iter();
            let taken = taken.find(|taken| taken.source == name);
            let again = taken.map_or(Ok(Claim::NoBatch), |taken| {
                let again = source.replay(time, &taken.range)?;
                source.resume(&taken.position)?;
                Ok(again)
            });
            let again = again.map_err(|error| ReplayError::Source {
                batch: time,
                error: Box::new(error),
            })?;
            claims.insert(*id, again);
        }
        Ok(self.executor.run(BatchInput {
            time,
            number,
            claims,
            references,
            again,
        }))
    }

    /// A batch that could not be claimed.
    pub(super) fn give_up(&self, claim: &RecoveredClaim) {
        self.executor.give_up(claim.time, claim.number);
    }

    /// What it remembers now.
    pub(super) fn memory(&self, batch: BatchTime) -> Result<SavedMemory, ReplayError> {
        let saved = self.executor.save(true);
        saved.map_err(|error| ReplayError::State { batch, error })
    }

    /// The data sets that a claim of this program names.
    pub(super) fn references(&self, claim: &ClaimFact) -> Result<References, ReplayError> {
        let named = self.topology.references.iter().zip(&claim.references);
        let rows = named.enumerate().map(|(at, (reference, digest))| {
            let rows = self.retained.reference(&reference.schema, digest)?;
            Ok((ReferenceId(at), rows))
        });
        rows.collect()
    }

    /// The same of a claim of another program; a data set that was not there then is read now.
    pub(super) fn references_of(
        &self,
        claim: &ClaimFact,
        other: &Topology,
    ) -> Result<References, ReplayError> {
        let own = self.topology.references.iter().enumerate();
        let rows = own.map(|(at, reference)| {
            let mut known = other.references.iter().zip(&claim.references);
            let known = known.find(|(known, _)| self.is_same(reference, known));
            let rows = match known {
                Some((_, digest)) => self.retained.reference(&reference.schema, digest)?,
                None => DataSet::new(reference.clone()).rows()?,
            };
            Ok((ReferenceId(at), rows))
        });
        rows.collect()
    }

    /// It is the same data set of an operator, which may have had another name.
    fn is_same(&self, own: &Reference, other: &Reference) -> bool {
        let mut operators = self.topology.operators.iter();
        let operator = operators.find(|operator| operator.name == own.operator);
        let before = operator.and_then(|operator| operator.renamed_from.as_deref());
        let named = own.operator == other.operator || before == Some(other.operator.as_str());
        named && own.role == other.role && own.schema == other.schema
    }

    /// Dead letters that a claim takes; those that have no place are counted.
    pub(super) fn letters(&self, letters: &[BatchLetters]) -> (Vec<Again>, Vec<String>) {
        let letters = letters.iter().flat_map(|of| &of.letters);
        let (mut again, mut left) = (Vec::new(), Vec::new());
        for letter in letters {
            match letter.again(&self.topology) {
                Ok(rows) => again.push(rows),
                Err(why) => left.push(why),
            }
        }
        (again, left)
    }
}
