//! The types of `wit/plugin.wit`, as wasmtime lowers and lifts them. Nothing here is checked yet:
//! `lower` makes the incoming half, `lift` checks the outgoing one.
//!
//! What goes in borrows from Arrow arrays, so a call copies each buffer once, into the guest. What
//! comes out is owned, and its buffers become Arrow's without another copy.

use wasmtime::component::{ComponentType, Lift, Lower};

/// `columns.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Kind {
    #[component(name = "boolean")]
    Boolean,
    #[component(name = "int64")]
    Int64,
    #[component(name = "float64")]
    Float64,
    #[component(name = "utf8")]
    Utf8,
    #[component(name = "binary")]
    Binary,
    #[component(name = "timestamp")]
    Timestamp,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(super) struct NestingIn<'a> {
    pub(super) offsets: &'a [u8],
    pub(super) validity: Option<&'a [u8]>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(super) struct ColumnIn<'a> {
    pub(super) kind: Kind,
    pub(super) offsets: &'a [u8],
    pub(super) data: &'a [u8],
    pub(super) validity: Option<&'a [u8]>,
    pub(super) lists: Option<NestingIn<'a>>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(super) struct BatchIn<'a> {
    pub(super) rows: u32,
    pub(super) columns: &'a [ColumnIn<'a>],
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(super) struct GroupedIn<'a> {
    pub(super) keys: BatchIn<'a>,
    pub(super) groups: &'a [u8],
    pub(super) values: BatchIn<'a>,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(super) struct NestingOut {
    pub(super) offsets: Vec<u8>,
    pub(super) validity: Option<Vec<u8>>,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(super) struct ColumnOut {
    pub(super) kind: Kind,
    pub(super) offsets: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) validity: Option<Vec<u8>>,
    pub(super) lists: Option<NestingOut>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct BatchOut {
    pub(super) rows: u32,
    pub(super) columns: Vec<ColumnOut>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct FieldOut {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    pub(super) listed: bool,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(super) struct FieldIn<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    pub(super) listed: bool,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) row: Option<u32>,
    pub(super) detail: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Rejected {
    pub(super) row: u32,
    pub(super) reason: String,
}

/// `host.level`.
#[expect(dead_code, reason = "variants are made by lifting")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

#[derive(Clone, ComponentType, Lower)]
#[component(record)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Clone, ComponentType, Lower)]
#[component(record)]
pub(super) struct Task {
    pub(super) topology: String,
    pub(super) operator: String,
    #[component(name = "batch-time")]
    pub(super) batch_time: i64,
    pub(super) partition: u32,
    pub(super) seed: u32,
    pub(super) settings: Vec<Setting>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) doc: String,
}

/// `transform.verb`.
#[expect(dead_code, reason = "variants are made by lifting")]
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum TransformVerb {
    #[component(name = "map")]
    Map,
    #[component(name = "flat-map")]
    FlatMap,
    #[component(name = "map-partitions")]
    MapPartitions,
    #[component(name = "transform")]
    Transform,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Fusion {
    pub(super) first: String,
    pub(super) combine: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Side {
    pub(super) name: String,
    pub(super) input: Option<Vec<FieldOut>>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct TransformFunction {
    pub(super) name: String,
    pub(super) verb: TransformVerb,
    pub(super) input: Option<Vec<FieldOut>>,
    pub(super) sides: Vec<Side>,
    pub(super) output: Vec<FieldOut>,
    pub(super) fusion: Option<Fusion>,
    pub(super) doc: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct TransformOutcome {
    pub(super) rows: BatchOut,
    pub(super) origins: Option<Vec<u8>>,
    pub(super) rejected: Vec<Rejected>,
}

/// The function record of `filter` and of `foreach`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct PlainFunction {
    pub(super) name: String,
    pub(super) input: Option<Vec<FieldOut>>,
    pub(super) doc: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Selection {
    pub(super) keep: Vec<u8>,
    pub(super) rejected: Vec<Rejected>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct AggregateFunction {
    pub(super) name: String,
    pub(super) keys: Option<Vec<FieldOut>>,
    pub(super) input: Vec<FieldOut>,
    pub(super) output: Vec<FieldOut>,
    pub(super) associative: bool,
    pub(super) merge: Option<String>,
    pub(super) inverse: Option<String>,
    pub(super) doc: String,
}

/// `stateful.verb`.
#[expect(dead_code, reason = "variants are made by lifting")]
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum StatefulVerb {
    #[component(name = "update-state-by-key")]
    UpdateStateByKey,
    #[component(name = "map-with-state")]
    MapWithState,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct StatefulFunction {
    pub(super) name: String,
    pub(super) verb: StatefulVerb,
    pub(super) keys: Option<Vec<FieldOut>>,
    pub(super) input: Vec<FieldOut>,
    pub(super) state: Vec<FieldOut>,
    #[component(name = "state-version")]
    pub(super) state_version: u32,
    pub(super) output: Vec<FieldOut>,
    #[component(name = "skips-idle")]
    pub(super) skips_idle: bool,
    pub(super) doc: String,
}

/// `stateful.input`.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(super) struct StatefulIn<'a> {
    pub(super) rows: GroupedIn<'a>,
    pub(super) states: BatchIn<'a>,
    pub(super) present: Option<&'a [u8]>,
    pub(super) expired: Option<&'a [u8]>,
}

/// `stateful.outcome`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct StatefulOutcome {
    pub(super) states: BatchOut,
    pub(super) keep: Option<Vec<u8>>,
    pub(super) output: BatchOut,
    pub(super) origins: Option<Vec<u8>>,
}
