//! A version takes over from the one before it: at a batch boundary, when none of its batches runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::batches::{Batches, Claimed, Given, Sinks, lock};
use crate::{
    model::{BatchTime, NodeName},
    scheduler::BatchError,
    sink::Sink,
    source::{Claim, DataSet},
    stream::swap::Next,
    topology::{Code, Diff, Edition, Topology},
};

impl Batches {
    /// What it is, to be compared with another one.
    pub(super) fn edition<'a>(&'a self, code: &'a [Code]) -> Edition<'a> {
        Edition {
            topology: &self.topology,
            code,
        }
    }

    /// The next version, with the sources and the clock of this one. It remembers nothing yet, and
    /// has only its own sinks.
    pub(super) fn successor(&self, next: Next) -> Self {
        let Next {
            topology,
            plugins,
            plan,
            sinks,
            ..
        } = next;
        let executor = self.executor.successor(topology.clone(), plugins, plan);
        let references = topology.references.iter().cloned().map(DataSet::new);
        Self {
            references: Mutex::new(references.collect()),
            sinks: Mutex::new(named(&topology, sinks)),
            executor: Arc::new(executor),
            sources: self.sources.clone(),
            clock: self.clock.clone(),
            checkpoint: self.checkpoint.clone(),
            topology,
        }
    }

    /// Goes on with what the version before remembers, but for operators whose state is forgotten or
    /// was migrated, and with
    /// those of its sinks that do the same here. Nothing is copied, and nothing can fail.
    pub(super) fn take_over(&self, before: &Self, left: &[String]) {
        let (old, new) = (before.topology.clone(), self.topology.clone());
        self.executor.take_over(&before.executor, |id| {
            let name = old.operators[id.0].name.as_str();
            match left.iter().any(|left| left == name) {
                true => None,
                false => Diff::place(&old, &new, id),
            }
        });
        let (old, new) = (before.executor.code(), self.executor.code());
        let (old, new) = (before.edition(&old), self.edition(&new));
        swap_sinks((before, old), (self, new));
    }

    /// What [`take_over`](Self::take_over) has given to the version behind this one comes back, but
    /// for what operators remember.
    pub(super) fn take_sinks_back(&self, after: &Self) {
        let (old, new) = (self.executor.code(), after.executor.code());
        swap_sinks((self, self.edition(&old)), (after, after.edition(&new)));
        self.executor.take_taps(&after.executor);
    }

    /// What the version before claimed for a batch that has not begun, durably claimed once more:
    /// no sink has anything of it, and this version makes it.
    pub(super) fn claim_instead(&self, claimed: Claimed, before: &Self) -> Claimed {
        let given = claimed.given.and_then(|given| {
            let claims = given.claims.into_iter();
            let named = claims.map(|(id, claim)| {
                let name = &before.topology.sources[id.0].name;
                (name.clone(), claim)
            });
            self.given(claimed.time, named)
        });
        self.claim_anew(Claimed { given, ..claimed })
    }

    /// What is taken of sources of these names.
    pub(super) fn given(
        &self,
        time: BatchTime,
        claims: impl Iterator<Item = (NodeName, Claim)>,
    ) -> Result<Given, BatchError> {
        let claims = claims.filter_map(|(name, claim)| Some((self.source_id(&name)?, claim)));
        Ok(Given {
            claims: claims.collect::<BTreeMap<_, _>>(),
            references: self.read_references(time)?,
        })
    }

    /// Claims what another version had claimed, durably.
    pub(super) fn claim_anew(&self, claimed: Claimed) -> Claimed {
        let given = claimed.given;
        // Dead letters may not fit this version, which the next claim finds out. They wait for it
        // already when this one is durable.
        let (time, number) = (claimed.time, claimed.number);
        let back = self.retry_later(time, claimed.letters);
        let written =
            back.and_then(|()| self.write_claim((time, number), &given, &claimed.sources, &[]));
        let fatal = claimed.fatal || written.is_err();
        Claimed {
            given: written.and(given),
            letters: Vec::new(),
            fatal,
            ..claimed
        }
    }
}

/// Sinks that do the same in two versions change places.
fn swap_sinks((before, old): (&Batches, Edition<'_>), (after, new): (&Batches, Edition<'_>)) {
    let mut sinks = lock(&after.sinks);
    let mut olds = lock(&before.sinks);
    for (at, is) in after.topology.sinks.iter().enumerate() {
        let mut was = before.topology.sinks.iter();
        let same = was.position(|was| Diff::is_same_sink(old, new, was, is));
        if let Some(same) = same {
            std::mem::swap(&mut sinks[at].1, &mut olds[same].1);
        }
    }
}

/// Sinks in the topology's order, with what they take.
pub(super) fn named(topology: &Topology, sinks: Vec<Box<dyn Sink>>) -> Sinks {
    let names = topology.sinks.iter();
    names
        .map(|sink| (sink.name.clone(), sink.input))
        .zip(sinks)
        .collect()
}
