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

type Resolve = fn(Vec<Setting>) -> Result<Vec<Field>, String>;

/// A function of the interface `transform`.
pub struct TransformEntry {
    pub(crate) name: &'static str,
    pub(crate) describe: fn() -> transform::Function,
    pub(crate) feed: fn(u32, Batch) -> Result<(), Fault>,
    pub(crate) process: fn(Batch) -> Result<transform::Outcome, Fault>,
    pub(crate) finish: fn() -> Result<Option<Batch>, Fault>,
    pub(crate) resolve: Resolve,
}

/// A function of the interface `filter`.
pub struct FilterEntry {
    pub(crate) name: &'static str,
    pub(crate) describe: fn() -> filter::Function,
    pub(crate) select: fn(Batch) -> Result<filter::Selection, Fault>,
    pub(crate) resolve: Resolve,
}

/// A function of the interface `aggregate`.
pub struct AggregateEntry {
    pub(crate) name: &'static str,
    pub(crate) describe: fn() -> aggregate::Function,
    pub(crate) reduce: fn(Grouped) -> Result<Batch, Fault>,
    pub(crate) resolve: Resolve,
}

/// A function of the interface `stateful`.
pub struct StatefulEntry {
    pub(crate) name: &'static str,
    pub(crate) describe: fn() -> stateful::Function,
    pub(crate) update: fn(stateful::Input) -> Result<stateful::Outcome, Fault>,
    pub(crate) resolve: Resolve,
}

/// A function of the interface `foreach`.
pub struct ForeachEntry {
    pub(crate) name: &'static str,
    pub(crate) describe: fn() -> foreach::Function,
    pub(crate) accept: fn(Batch) -> Result<Vec<Rejected>, Fault>,
    pub(crate) finish: fn() -> Result<(), Fault>,
    pub(crate) resolve: Resolve,
}

/// A migration of a stateful function's state.
pub struct MigrationEntry {
    pub(crate) of: &'static str,
    pub(crate) since: u32,
    pub(crate) migrate: fn(Batch) -> Result<Batch, Fault>,
}
