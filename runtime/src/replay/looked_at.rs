//! Which streams are looked at: those of the sinks, or one by its name. Pure.

use std::{collections::BTreeMap, sync::Arc};

use super::ReplayError;
use crate::{
    scheduler::Plan,
    topology::{NodeId, OperatorId, Port, Sink, SinkKind, SourceId, StreamRef, Topology},
};

/// A stream, by what is shown of it: the name of a sink, or its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookedAt {
    pub(super) name: String,
    pub(super) stream: StreamRef,
}

/// What is looked at, and the topology that makes it.
pub(super) fn looked_at(
    topology: &Arc<Topology>,
    stream: Option<&str>,
) -> Result<(Arc<Topology>, Vec<LookedAt>), ReplayError> {
    let Some(name) = stream else {
        let sinks = topology.sinks.iter().map(|sink| LookedAt {
            name: sink.name.to_string(),
            stream: sink.input,
        });
        return Ok((topology.clone(), sinks.collect()));
    };
    let streams = made(topology);
    let Some(stream) = streams.get(name).copied() else {
        return Err(ReplayError::NoStream {
            name: name.to_owned(),
            there: streams.into_keys().collect(),
        });
    };
    let seen = LookedAt {
        name: name.to_owned(),
        stream,
    };
    // Someone must want it, or it is not kept whole.
    let mut topology = (**topology).clone();
    let name = topology.node_name(stream.node).clone();
    topology.sinks.push(Sink {
        name,
        input: stream,
        kind: SinkKind::Null,
    });
    Ok((Arc::new(topology), vec![seen]))
}

/// The streams that had rows, by name: what no sink depends on was never made.
fn made(topology: &Topology) -> BTreeMap<String, StreamRef> {
    let plan = Plan::new(topology);
    let mut streams = BTreeMap::new();
    let mut add = |node, ports: &[Port]| {
        for port in ports {
            let stream = StreamRef { node, port: *port };
            streams.insert(stream_name(topology, stream), stream);
        }
    };
    for id in &plan.sources {
        add(NodeId::Source(*id), &[Port::Main, Port::Rejected]);
    }
    for id in &plan.needed {
        let node = NodeId::Operator(*id);
        add(node, &[Port::Main, Port::Rejected]);
        if topology.operators[id.0].snapshots.is_some() {
            add(node, &[Port::Snapshots]);
        }
    }
    streams
}

/// A stream as topologies write it.
pub(super) fn stream_name(topology: &Topology, stream: StreamRef) -> String {
    let name = topology.node_name(stream.node);
    match stream.port {
        Port::Main => name.to_string(),
        Port::Rejected => format!("{name}.rejected"),
        Port::Snapshots => format!("{name}.snapshots"),
    }
}

/// The names of what a plan does work for, in the topology's order.
pub(super) fn nodes(topology: &Topology, plan: &Plan) -> Vec<String> {
    let sources = topology.sources.iter().enumerate();
    let sources = sources.filter(|(at, _)| plan.sources.contains(&SourceId(*at)));
    let operators = topology.operators.iter().enumerate();
    let operators = operators.filter(|(at, _)| plan.needed.contains(&OperatorId(*at)));
    let names = sources.map(|(_, source)| source.name.to_string());
    names
        .chain(operators.map(|(_, operator)| operator.name.to_string()))
        .collect()
}
