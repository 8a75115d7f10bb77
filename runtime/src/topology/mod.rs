//! From `topo.toml` to what can run. Pure: no I/O, no clock.
//!
//! Text is parsed twice: [`Manifest`] is what the file says, with places; [`Topology`] is what it
//! means, with every name resolved and every type checked. [`compile()`] goes from one to the other
//! and reports every problem at once.

mod assignment;
mod builder;
mod calls;
mod catalog;
mod compile;
mod compiled;
mod confined;
mod diff;
mod join;
mod manifest;
mod on_error;
mod operator;
mod postgres_url;
mod problem;
mod reference;
mod secrets;
mod sink;
mod source;
mod stateful;
mod stream;
mod table_name;
mod window;

pub use assignment::{Assignment, BadAssignment, assign};
pub use builder::{Builder, Part, operator, sink, source};
pub use catalog::Catalog;
pub use compile::{Defaults, compile};
pub use compiled::{CatchUp, Checkpoint, Limits, OnFailedBatch, Plugin, Topology};
pub use confined::{NotConfined, Violation, check_confined, confine};
pub use diff::{Change, Code, Diff, Edition, Fate, Part as ChangedPart, Reason, Remembered};
pub use join::{Join, JoinKind};
pub(crate) use manifest::parse_duration;
pub use manifest::{Manifest, NamedFile, NoOwnPlugin, OwnPlugin};
pub use on_error::OnError;
pub use operator::{
    Call, FusedCall, Operator, Reducer, Side, SideFrom, SortKey, StdFunction, Verb,
};
pub use postgres_url::{InvalidUrl, PostgresUrl};
pub(crate) use problem::choices;
pub(crate) use problem::suggest;
pub use problem::{InvalidTopology, Problem, ProblemKind};
pub use reference::{Reference, ReferenceId};
pub use secrets::{SecretUse, SecretsOf, UnusableSecret, UnusableSecrets};
pub use sink::{FileFormat, Sink, SinkKind};
pub use source::{
    Backpressure, BlockStorage, Decoder, FileRows, Format, Framing, GeneratorSpec, Intake,
    OnInvalid, QueueOrder, Source, SourceKind,
};
pub use stateful::{KeyedState, MapWithState, UpdateState};
pub use stream::{NodeId, OperatorId, PluginId, Port, SinkId, SourceId, StreamRef};
pub(crate) use table_name::IDENTITIES;
pub use table_name::{InvalidTableName, TableName};
pub use window::{Inverse, PaneStorage, Window, WindowReduce};
