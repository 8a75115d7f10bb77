//! The vocabulary: names, batch times, schemas, functions, batches. No I/O, no clock.

mod batch;
mod function;
mod grant;
mod input_range;
mod location;
mod name;
mod persist;
mod pieces;
mod position;
mod schema;
mod secret;
mod shape;
mod time;

pub use batch::{Batch, CHUNK_BYTES, CHUNK_ROWS, Partition};
pub use function::{
    AggregateFunction, Function, Fusion, PluginInfo, Role, Side, StatefulFunction, StatefulVerb,
    TransformFunction, TransformVerb,
};
pub use grant::{Grant, InvalidGrant};
pub use input_range::{FileStamp, InputPosition, InputRange};
pub use location::{InvalidLocation, Location, ObjectUrl};
pub use name::{InvalidName, Namespace, NodeName, PluginName, RootName, SecretName, TopologyName};
pub use persist::PersistLevel;
pub use pieces::pieces;
pub use position::Position;
pub use schema::{Field, InvalidSchema, Kind, Schema, TypeExpr};
pub use secret::{NoValue, Secret, SecretError, SecretSource, Text, hide};
pub use shape::{Shape, Tree};
pub use time::{BatchInterval, BatchTime, InvalidInterval};
