//! Plugins for rsrt, as plain functions.
#![doc = concat!("\n", "")]

extern crate self as rsrt;

#[doc(hidden)]
pub mod abi;
#[doc(hidden)]
pub mod combine;
mod emitter;
#[doc(hidden)]
pub mod functions;
#[doc(hidden)]
pub mod log;
#[doc(hidden)]
pub mod outcome;
mod panic;
mod reject;
pub mod row;
mod session;
#[doc(hidden)]
pub mod settings;
mod task;
pub mod testing;

pub use emitter::{Collect, Emitter, Sink};
pub use functions::State;
pub use reject::{Reject, reject};
pub use row::{Row, Timestamp};
pub use rsrt_sdk_macros::{
    Record, Settings, aggregate, filter, flat_map, foreach, map, map_partitions, map_with_state,
    migrate, plugin, reduce, transform, update_state,
};
pub use settings::Settings;
pub use task::{Task, task};

/// What most plugins use.
pub mod prelude {
    pub use crate::{Emitter, Record, Reject, Row, Settings, State, Timestamp, reject, task};
}
