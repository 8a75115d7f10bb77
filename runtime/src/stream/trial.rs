//! A version that took over not long ago. For so many batches there is a way back: one that fails
//! because of it is made by the version before, from where that had come.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::batches::{Batches, Claimed, Given};
use crate::{
    checkpoint::{BatchLetters, SourceFact},
    model::{BatchTime, NodeName},
    operator::StepError,
    plugin::PluginFault,
    scheduler::{BatchError, SavedMemory, TaskError},
    source::{Claim, KeptClaim},
    topology::Topology,
};

/// Where nothing outlives the process.
pub(super) const BATCHES: u64 = 10;

/// Of the version that runs.
pub(super) struct Trial {
    /// Its first batch.
    pub(super) first: BatchTime,
    /// The number of the first batch from which there is no way back.
    pub(super) until: u64,
    pub(super) before: Before,
}

/// The version before.
pub(super) enum Before {
    /// It was left behind by an earlier run.
    Gone,
    /// It waits.
    Here(Waiting),
}

/// A version that may go on.
pub(super) struct Waiting {
    pub(super) batches: Arc<Batches>,
    /// What it remembered at last, and the batches since; none: a checkpoint has that, or there is
    /// nothing.
    pub(super) since: Option<(SavedMemory, Vec<KeptBatch>)>,
    /// The batch that runs.
    pub(super) running: Option<KeptBatch>,
}

impl Trial {
    /// There is a way back from this batch.
    pub(super) fn covers(&self, number: u64) -> bool {
        number < self.until
    }

    /// A batch begins, and may have to be made by the version before. It was claimed by this one, or
    /// by another: then it is claimed anew, and its letters are given back.
    pub(super) fn begins(&mut self, claimed: &mut Claimed, (by, is_own): (&Topology, bool)) {
        claimed.on_trial = true;
        if let Before::Here(waiting) = &mut self.before {
            let kept = KeptBatch::of(claimed, by);
            waiting.running = kept.map(|kept| KeptBatch {
                letters: if is_own { kept.letters } else { Vec::new() },
                ..kept
            });
        }
    }

    /// The batch that began has ended.
    pub(super) fn has_ended(&mut self) {
        if let Before::Here(waiting) = &mut self.before {
            let ended = waiting.running.take();
            if let Some((_, since)) = &mut waiting.since {
                since.extend(ended);
            }
        }
    }
}

/// A claimed batch, of which any number of others can be made.
pub(super) struct KeptBatch {
    pub(super) time: BatchTime,
    pub(super) number: u64,
    /// By the names of sources, as each version has its own numbers.
    claims: BTreeMap<NodeName, KeptClaim>,
    sources: Vec<SourceFact>,
    letters: Vec<BatchLetters>,
    at: Duration,
    exhausted: bool,
}

impl KeptBatch {
    /// Of what this version has claimed; none if it could not.
    fn of(claimed: &mut Claimed, topology: &Topology) -> Option<Self> {
        let given = claimed.given.as_mut().ok()?;
        let mut claims = BTreeMap::new();
        for (id, claim) in &mut given.claims {
            let name = &topology.sources[id.0].name;
            let kept = KeptClaim::new(name, std::mem::replace(claim, Claim::NoBatch));
            *claim = kept.claim();
            claims.insert(name.clone(), kept);
        }
        Some(Self {
            time: claimed.time,
            number: claimed.number,
            claims,
            sources: claimed.sources.clone(),
            letters: claimed.letters.clone(),
            at: claimed.at,
            exhausted: claimed.exhausted,
        })
    }

    /// The batch, for this version.
    pub(super) fn claimed(&self, by: &Batches) -> Claimed {
        let claims = self.claims.iter();
        let claims = claims.map(|(name, kept)| (name.clone(), kept.claim()));
        let given: Result<Given, BatchError> = by.given(self.time, claims);
        Claimed {
            time: self.time,
            number: self.number,
            given,
            sources: self.sources.clone(),
            at: self.at,
            letters: self.letters.clone(),
            exhausted: self.exhausted,
            fatal: false,
            untouched: true,
            on_trial: false,
        }
    }
}

/// Another version may well succeed: not a source, a disk or the machine has failed.
pub(super) fn is_of_version(error: &BatchError) -> bool {
    match error {
        BatchError::Missing { .. } => true,
        BatchError::Task { error, .. } => match error {
            TaskError::Operator { error, .. } => !matches!(
                **error,
                StepError::Plugin {
                    fault: PluginFault::Aborted | PluginFault::Host(_),
                    ..
                }
            ),
            TaskError::Exchange { .. } | TaskError::Panicked { .. } => true,
            TaskError::Source { .. } | TaskError::Pane(_) | TaskError::Aborted { .. } => false,
        },
        BatchError::Claim { .. }
        | BatchError::DataSet { .. }
        | BatchError::Lost { .. }
        | BatchError::NotDurable { .. }
        | BatchError::Sink { .. } => false,
    }
}
