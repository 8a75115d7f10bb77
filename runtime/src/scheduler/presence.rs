//! Which streams have a batch at one batch time (spec 5.1). "No batch" is not an empty batch.

use crate::{
    model::NodeName,
    topology::{NodeId, OperatorId, StreamRef, Topology, Verb},
};

/// Which streams have a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    sources: Vec<bool>,
    operators: Vec<bool>,
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

impl Presence {
    /// What follows from which sources have a batch. Only operators that `needed` holds for are
    /// looked at.
    ///
    /// # Errors
    /// When a union, count or repartition lacks an input's batch.
    pub fn new(
        topology: &Topology,
        sources: Vec<bool>,
        needed: impl Fn(OperatorId) -> bool,
    ) -> Result<Self, Missing> {
        let mut presence = Self {
            sources,
            operators: Vec::with_capacity(topology.operators.len()),
        };
        for (at, operator) in topology.operators.iter().enumerate() {
            let absent = operator.inputs.iter().find(|input| !presence.of(**input));
            let demanding = match operator.verb {
                Verb::Union => Some("union"),
                Verb::Count => Some("count"),
                Verb::Repartition { .. } => Some("repartition"),
                _ => None,
            };
            if let (Some(input), Some(verb), true) = (absent, demanding, needed(OperatorId(at))) {
                return Err(Missing {
                    operator: operator.name.clone(),
                    verb,
                    input: topology.node_name(input.node).clone(),
                });
            }
            presence.operators.push(absent.is_none());
        }
        Ok(presence)
    }

    /// The stream has a batch.
    pub fn of(&self, stream: StreamRef) -> bool {
        match stream.node {
            NodeId::Source(id) => self.sources.get(id.0).copied().unwrap_or(false),
            NodeId::Operator(id) => self.operators.get(id.0).copied().unwrap_or(false),
        }
    }
}
