//! Which streams have a batch at one batch time (spec 2.2, 5.1). "No batch" is not an empty batch.

use std::collections::BTreeSet;

use crate::{
    model::NodeName,
    topology::{NodeId, Operator, OperatorId, StreamRef, Topology, Verb},
};

/// Which streams have a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    sources: Vec<bool>,
    operators: Vec<Has>,
}

/// What an operator has at a batch time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Batch,
    NoBatch,
    /// It needs a batch that is missing, or builds on one that does.
    Failed,
}

/// An operator that needs a batch of each input got none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("operator `{operator}` ({verb}) needs a batch of `{input}`, which has none at this time")]
pub struct Missing {
    /// The operator.
    pub operator: NodeName,
    /// What it does.
    pub verb: &'static str,
    /// The input without a batch.
    pub input: NodeName,
}

/// What is known before a batch runs.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The batch's number: its time is zero time + number x interval.
    pub number: u64,
    /// Operators that some sink depends on; the others are not looked at.
    pub needed: &'a BTreeSet<OperatorId>,
    /// `update-state-by-key` operators that have had a batch before.
    pub begun: &'a BTreeSet<OperatorId>,
}

impl Presence {
    /// What follows from which sources have a batch, and the first operator that lacks one it
    /// cannot do without.
    pub fn new(
        topology: &Topology,
        sources: Vec<bool>,
        known: Known<'_>,
    ) -> (Self, Option<Missing>) {
        let mut presence = Self {
            sources,
            operators: Vec::with_capacity(topology.operators.len()),
        };
        let mut missing = None;
        for (at, operator) in topology.operators.iter().enumerate() {
            let id = OperatorId(at);
            let has = if known.needed.contains(&id)
                && known.number.is_multiple_of(operator.every.get())
            {
                let lacking = presence.lacking(operator);
                if let (Some(input), true) = (lacking, demands(&operator.verb))
                    && !presence.failed(input)
                    && missing.is_none()
                {
                    missing = Some(Missing {
                        operator: operator.name.clone(),
                        verb: operator.verb.name(),
                        input: topology.node_name(input.node).clone(),
                    });
                }
                presence.has(id, operator, lacking, known.begun)
            } else {
                Has::NoBatch
            };
            presence.operators.push(has);
        }
        (presence, missing)
    }

    /// The first input without a batch.
    fn lacking(&self, operator: &Operator) -> Option<StreamRef> {
        operator
            .inputs
            .iter()
            .copied()
            .find(|input| !self.of(*input))
    }

    fn has(
        &self,
        id: OperatorId,
        operator: &Operator,
        lacking: Option<StreamRef>,
        begun: &BTreeSet<OperatorId>,
    ) -> Has {
        // What a window lost with a failed batch is known to the window.
        if operator.verb.window().is_some() {
            return Has::Batch;
        }
        let failed = operator.inputs.iter().any(|input| self.failed(*input));
        match (&operator.verb, lacking) {
            _ if failed => Has::Failed,
            (_, None) | (Verb::MapWithState(_), _) => Has::Batch,
            (Verb::UpdateStateByKey(_), _) if begun.contains(&id) => Has::Batch,
            (verb, Some(_)) if demands(verb) => Has::Failed,
            _ => Has::NoBatch,
        }
    }

    /// The stream has a batch.
    pub fn of(&self, stream: StreamRef) -> bool {
        match stream.node {
            NodeId::Source(id) => self.sources.get(id.0).copied().unwrap_or(false),
            NodeId::Operator(id) => self.operators.get(id.0) == Some(&Has::Batch),
        }
    }

    /// The stream would have a batch if nothing were missing.
    pub fn failed(&self, stream: StreamRef) -> bool {
        match stream.node {
            NodeId::Source(_) => false,
            NodeId::Operator(id) => self.operators.get(id.0) == Some(&Has::Failed),
        }
    }
}

/// A stream without a batch is an error for it (spec 5.1).
const fn demands(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Union
            | Verb::Count
            | Verb::Repartition { .. }
            | Verb::Transform { .. }
            | Verb::Join(_)
            | Verb::Cogroup { .. }
    )
}
