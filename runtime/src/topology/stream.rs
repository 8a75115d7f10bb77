//! Which stream: a node and one of its ports.

/// A source, by its place in [`Topology::sources`](super::Topology::sources).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub usize);

/// An operator, by its place in [`Topology::operators`](super::Topology::operators).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorId(pub usize);

/// A sink, by its place in [`Topology::sinks`](super::Topology::sinks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinkId(pub usize);

/// A plugin, by its place in [`Topology::plugins`](super::Topology::plugins).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(pub usize);

/// What yields a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// A source.
    Source(SourceId),
    /// An operator.
    Operator(OperatorId),
}

/// Which of a node's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// What the node is for.
    Main,
    /// `x.rejected`: the input rows it could not handle, with `reason` as one more column.
    Rejected,
    /// `x.snapshots`: every key and its state, of `map-with-state`.
    Snapshots,
}

/// A stream of a topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamRef {
    /// What yields it.
    pub node: NodeId,
    /// Which of its outputs.
    pub port: Port,
}

impl StreamRef {
    /// A source's rows.
    pub const fn source(id: SourceId) -> Self {
        Self {
            node: NodeId::Source(id),
            port: Port::Main,
        }
    }

    /// An operator's rows.
    pub const fn operator(id: OperatorId) -> Self {
        Self {
            node: NodeId::Operator(id),
            port: Port::Main,
        }
    }
}
