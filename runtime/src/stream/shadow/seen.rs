//! What a shadow is shown of a batch.

use std::collections::BTreeMap;

use super::ShadowCost;
use crate::{
    checkpoint::BatchLetters,
    model::{Batch, BatchTime, NodeName},
    scheduler::References,
    source::KeptClaim,
    stream::batches::{Claimed, Ended},
    topology::{StreamRef, Topology},
};

/// What a batch is made of, so that it can be made once more.
pub(in crate::stream) struct KeptInput {
    number: u64,
    /// By source.
    claims: Vec<(NodeName, KeptClaim)>,
    /// In the order of the running topology.
    references: References,
    letters: Vec<BatchLetters>,
}

impl KeptInput {
    /// Keeps what this version of the topology has claimed, which is read from there from now on.
    /// None: it could not be claimed.
    pub(in crate::stream) fn of(claimed: &mut Claimed, topology: &Topology) -> Option<Self> {
        let given = claimed.given.as_mut().ok()?;
        let claims = std::mem::take(&mut given.claims).into_iter();
        let claims: Vec<_> = claims
            .map(|(id, claim)| {
                let name = &topology.sources[id.0].name;
                (id, KeptClaim::new(name, claim))
            })
            .collect();
        let again = claims.iter().map(|(id, kept)| (*id, kept.claim()));
        given.claims = again.collect();
        let named = claims
            .into_iter()
            .map(|(id, kept)| (topology.sources[id.0].name.clone(), kept));
        Some(Self {
            number: claimed.number,
            claims: named.collect(),
            references: given.references.clone(),
            letters: claimed.letters.clone(),
        })
    }
}

/// A batch of the running version.
pub(super) struct Seen {
    pub(super) time: BatchTime,
    pub(super) number: u64,
    pub(super) claims: Vec<(NodeName, KeptClaim)>,
    pub(super) references: References,
    pub(super) letters: Vec<BatchLetters>,
    /// What sinks got.
    pub(super) streams: BTreeMap<StreamRef, Batch>,
    pub(super) cost: ShadowCost,
}

impl Seen {
    /// Takes what sinks got from there.
    pub(super) fn new(input: KeptInput, ended: &mut Ended) -> Self {
        let report = &ended.report;
        Self {
            time: report.time,
            number: input.number,
            claims: input.claims,
            references: input.references,
            letters: input.letters,
            streams: std::mem::take(&mut ended.streams),
            cost: ShadowCost::new(report.cpu, &report.operators),
        }
    }
}
