//! What plugins say of themselves: the types of `describe` and `functions`, checked.

use serde::{Deserialize, Serialize};

use super::Schema;

/// A plugin and its functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginInfo {
    /// The plugin's own name; a topology may call it otherwise.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// First line: what it is for.
    pub doc: String,
    /// Names are unique, across interfaces.
    pub functions: Vec<Function>,
    /// Exports `resolution`: settings are checked at load.
    pub resolves: bool,
    /// Exports `migration`: it can make today's state of an older one.
    pub migrates: bool,
}

impl PluginInfo {
    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

/// A function of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// As topologies name it.
    pub name: String,
    /// For people.
    pub doc: String,
    /// The columns it wants, by name and type; none: all that there are.
    pub input: Option<Schema>,
    /// Which interface it belongs to, and what that interface says of it.
    pub role: Role,
}

/// The interface that a function belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Rows to rows.
    Transform(TransformFunction),
    /// Keep a row or not.
    Filter,
    /// Rows of one key to one row.
    Aggregate(AggregateFunction),
    /// Rows of one key and what is remembered of it.
    Stateful(StatefulFunction),
    /// Rows out of the topology.
    Foreach,
}

impl Role {
    /// What people call such a function.
    pub fn noun(&self) -> &'static str {
        match self {
            Role::Transform(f) => f.verb.name(),
            Role::Filter => "filter",
            Role::Aggregate(_) => "aggregate (reduce-by-key)",
            Role::Stateful(f) => f.verb.name(),
            Role::Foreach => "foreach",
        }
    }
}

/// What a `transform` function does with chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransformVerb {
    /// One row for each row, less the rejected ones.
    Map,
    /// Any number of rows for each chunk.
    FlatMap,
    /// Any number of rows, also at the partition's end.
    MapPartitions,
    /// As `MapPartitions`, over a whole batch.
    Transform,
}

impl TransformVerb {
    /// As topologies write it.
    pub const fn name(self) -> &'static str {
        match self {
            TransformVerb::Map => "map",
            TransformVerb::FlatMap => "flat-map",
            TransformVerb::MapPartitions => "map-partitions",
            TransformVerb::Transform => "transform",
        }
    }
}

/// A function of the interface `transform`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformFunction {
    /// How it is called.
    pub verb: TransformVerb,
    /// What it wants to see whole before its first chunk.
    pub sides: Vec<Side>,
    /// The columns that come out.
    pub output: Schema,
    /// It stands for two operators.
    pub fusion: Option<Fusion>,
}

/// Rows that a function wants whole before its first chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// As topologies name it.
    pub name: String,
    /// The columns it wants; none: all that there are.
    pub input: Option<Schema>,
}

/// Says that a `map-partitions` function does `first`, then combines by key with `combine`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fusion {
    /// A `transform` function of the same plugin.
    pub first: String,
    /// An `aggregate` function of the same plugin, or a built-in such as `std:sum`.
    pub combine: String,
}

/// A function of the interface `aggregate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateFunction {
    /// The key columns to pass; none: no keys, and any will do.
    pub keys: Option<Schema>,
    /// One row a group.
    pub output: Schema,
    /// May be applied in parts. Then `output` equals the function's input.
    pub associative: bool,
    /// For `combine-by-key`: merges what this function made.
    pub merge: Option<String>,
    /// Takes values out again, for windows.
    pub inverse: Option<String>,
}

/// How a `stateful` function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatefulVerb {
    /// Once per known key and batch.
    UpdateStateByKey,
    /// Once per record.
    MapWithState,
}

impl StatefulVerb {
    /// As topologies write it.
    pub const fn name(self) -> &'static str {
        match self {
            StatefulVerb::UpdateStateByKey => "update-state-by-key",
            StatefulVerb::MapWithState => "map-with-state",
        }
    }
}

/// A function of the interface `stateful`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatefulFunction {
    /// How it is called.
    pub verb: StatefulVerb,
    /// The key columns to pass; none: no keys, and any will do.
    pub keys: Option<Schema>,
    /// What is remembered of a key.
    pub state: Schema,
    /// Raised when `state` changes shape or meaning.
    pub state_version: u32,
    /// Rows passed on; none: no rows.
    pub output: Option<Schema>,
    /// Need not be called for keys without new values.
    pub skips_idle: bool,
}
