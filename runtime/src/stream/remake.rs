//! Batches that sinks have, made once more for what operators remember of them.

use std::sync::{Arc, Mutex};

use super::batches::{Batches, Claimed, Sources};
use crate::{
    checkpoint::{Before, RecoveredClaim, Retained},
    model::BatchTime,
    scheduler::{BatchError, BatchInput},
    source::{DataSet, ReplaySetup, open_replayed},
};

impl Batches {
    /// Makes a batch and gives it to nobody.
    pub(super) fn remake(&self, claimed: Claimed) -> Result<(), BatchError> {
        let given = claimed.given?;
        let again = self.again(claimed.time, &claimed.letters)?;
        let made = self.executor.run(BatchInput {
            time: claimed.time,
            number: claimed.number,
            claims: given.claims,
            references: given.references,
            again,
        });
        made.map(|_| ())
    }

    /// Comes to where it would be if it had made all batches from the first one up to the one
    /// before `at`. The sources of the stream are left alone.
    pub(super) fn return_from_checkpoint(
        &self,
        first: BatchTime,
        at: BatchTime,
    ) -> Result<(), String> {
        let checkpoint = self.checkpoint.as_ref().ok_or("there is no checkpoint")?;
        let retained = checkpoint.retained_from(first);
        let (retained, before) = retained.map_err(|error| error.to_string())?;
        let own = retained.versions().len().saturating_sub(2);
        let forgets = before.state.map(|state| retained.forgotten(state, own));
        let memory = before.memory.as_ref();
        let memory = memory.map(|memory| memory.without(&forgets.unwrap_or_default()));
        let restored = self.executor.restore(&memory.unwrap_or_default());
        restored.map_err(|error| error.to_string())?;
        let sources = self.replayed(&retained, &before)?;
        let own = self.with_sources(sources);
        let last = BatchTime::from_millis(at.as_millis().saturating_sub(1));
        for claim in retained.claims(before.state, last) {
            if claim.claim.is_none() {
                own.executor.give_up(claim.time, claim.number);
                continue;
            }
            // By the version behind this one.
            let superseded = RecoveredClaim {
                superseded: true,
                committed: claim.committed.or(Some(false)),
                ..claim.clone()
            };
            match own.remake(own.claim_again(&superseded)) {
                Err(error) if claim.committed != Some(true) => return Err(error.to_string()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sources that take again what was claimed, where they stood before.
    fn replayed(&self, retained: &Retained, before: &Before) -> Result<Sources, String> {
        let read = self.executor.sources();
        let sources = self.topology.sources.iter();
        let sources = sources.filter(|source| read.contains(&source.name));
        let opened = sources.map(|source| {
            let name = source.name.as_str();
            let setup = ReplaySetup {
                interval: self.topology.batch_interval,
                parallelism: self.topology.parallelism,
                blocks: retained.blocks(name, &source.schema),
            };
            let mut opened = open_replayed(source, setup).map_err(|error| error.to_string())?;
            let position = before.sources.iter().find(|of| of.source == name);
            if let Some(position) = position {
                let resumed = opened.resume(&position.position);
                resumed.map_err(|error| error.to_string())?;
            }
            Ok((source.name.clone(), opened))
        });
        opened.collect()
    }

    /// The same version, reading from elsewhere and giving to nobody.
    fn with_sources(&self, sources: Sources) -> Self {
        let references = self.topology.references.iter().cloned();
        Self {
            topology: self.topology.clone(),
            sources: Arc::new(Mutex::new(sources)),
            sinks: Mutex::default(),
            executor: self.executor.clone(),
            references: Mutex::new(references.map(DataSet::new).collect()),
            clock: self.clock.clone(),
            checkpoint: self.checkpoint.clone(),
        }
    }
}
