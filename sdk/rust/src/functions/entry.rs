//! What a plugin's table of functions holds: plain function pointers, called once per chunk.

use crate::abi::{
    columns::{Batch, Field, Grouped},
    exports::{aggregate, filter, foreach, stateful, transform},
    faults::{Fault, Rejected},
    settings::Setting,
};

/// A function of a plugin.
pub enum Entry {
    /// Rows to rows.
    Transform(TransformEntry),
    /// Keep a row or not.
    Filter(FilterEntry),
    /// Rows of one key to one row.
    Aggregate(AggregateEntry),
    /// Rows of one key and what is remembered of it.
    Stateful(StatefulEntry),
    /// Rows out of the topology.
    Foreach(ForeachEntry),
    /// State of an older version to today's.
    Migration(MigrationEntry),
}

/// How settings are checked.
pub type Resolve = fn(Vec<Setting>) -> Result<Vec<Field>, String>;

/// A function of the interface `transform`.
pub struct TransformEntry {
    /// As topologies call it.
    pub name: &'static str,
    /// What the plugin says of it.
    pub describe: fn() -> transform::Function,
    /// Takes a chunk of a side.
    pub feed: fn(u32, Batch) -> Result<(), Fault>,
    /// Takes a chunk.
    pub process: fn(Batch) -> Result<transform::Outcome, Fault>,
    /// After the last chunk.
    pub finish: fn() -> Result<Option<Batch>, Fault>,
    /// Checks settings and tells the columns of the result.
    pub resolve: Resolve,
}

/// A function of the interface `filter`.
pub struct FilterEntry {
    /// As topologies call it.
    pub name: &'static str,
    /// What the plugin says of it.
    pub describe: fn() -> filter::Function,
    /// Takes a chunk.
    pub select: fn(Batch) -> Result<filter::Selection, Fault>,
    /// Checks settings and tells the columns of the result.
    pub resolve: Resolve,
}

/// A function of the interface `aggregate`.
pub struct AggregateEntry {
    /// As topologies call it.
    pub name: &'static str,
    /// What the plugin says of it.
    pub describe: fn() -> aggregate::Function,
    /// Takes groups.
    pub reduce: fn(Grouped) -> Result<Batch, Fault>,
    /// Checks settings and tells the columns of the result.
    pub resolve: Resolve,
}

/// A function of the interface `stateful`.
pub struct StatefulEntry {
    /// As topologies call it.
    pub name: &'static str,
    /// What the plugin says of it.
    pub describe: fn() -> stateful::Function,
    /// Takes groups and their states.
    pub update: fn(stateful::Input) -> Result<stateful::Outcome, Fault>,
    /// Checks settings and tells the columns of the result.
    pub resolve: Resolve,
}

/// A function of the interface `foreach`.
pub struct ForeachEntry {
    /// As topologies call it.
    pub name: &'static str,
    /// What the plugin says of it.
    pub describe: fn() -> foreach::Function,
    /// Takes a chunk.
    pub accept: fn(Batch) -> Result<Vec<Rejected>, Fault>,
    /// After the last chunk.
    pub finish: fn() -> Result<(), Fault>,
    /// Checks settings and tells the columns of the result.
    pub resolve: Resolve,
}

/// A migration of a stateful function's state.
pub struct MigrationEntry {
    /// The stateful function.
    pub of: &'static str,
    /// The version that the state has.
    pub since: u32,
    /// Takes states.
    pub migrate: fn(Batch) -> Result<Batch, Fault>,
}
