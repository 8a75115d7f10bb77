//! Write plugins for rsrt as plain functions.
//!
//! A complete plugin:
//!
//! ```
//! # extern crate rsrt_sdk as rsrt;
//! use rsrt::prelude::*;
//!
//! /// Splits a line at white space.
//! #[rsrt::flat_map(combine = sum)]
//! fn split(line: &str, out: &mut Emitter<(&str, i64)>) {
//!     for word in line.split_whitespace() {
//!         out.emit((word, 1));
//!     }
//! }
//!
//! /// Adds.
//! #[rsrt::reduce(associative)]
//! fn sum(a: i64, b: i64) -> i64 {
//!     a + b
//! }
//!
//! /// Counts since the beginning.
//! #[rsrt::update_state]
//! fn running(new: &[i64], state: Option<i64>) -> Option<i64> {
//!     Some(state.unwrap_or(0) + new.iter().sum::<i64>())
//! }
//!
//! rsrt::plugin! { split, sum, running }
//! #
//! # fn main() {
//! let mut out = Emitter::new();
//! split("to be or", &mut out);
//! assert_eq!(out.rows(), [("to", 1), ("be", 1), ("or", 1)]);
//! # }
//! ```
//!
//! Its `Cargo.toml` has `rsrt = { package = "rsrt-sdk", .. }` and `crate-type = ["cdylib", "rlib"]`;
//! name, version and description of the plugin are the crate's. Functions stay functions: tests call
//! them natively, and only for `wasm32` are they exported as well. In topologies `field_of` is
//! `field-of`, and so are settings; the first lines of a doc comment are what `rsrt inspect` shows.
//!
//! # Functions
//!
//! | attribute | signature |
//! |---|---|
//! | [`map`] | `fn(row) -> T` |
//! | [`filter`] | `fn(row) -> bool` |
//! | [`flat_map`] | `fn(row, &mut Emitter<T>)` |
//! | [`map_partitions`], [`transform`] | `impl S { fn process(&mut self, row, &mut Emitter<T>) .. }` |
//! | [`reduce`] | `fn(T, T) -> T` |
//! | [`aggregate`] | `fn(&[T]) -> U` |
//! | [`update_state`] | `fn(&[T], Option<S>) -> Option<S>` |
//! | [`map_with_state`] | `fn(Option<T>, &mut State<S>) -> Option<U>` |
//! | [`migrate`] | `fn(Old) -> S` |
//! | [`foreach`] | `fn(row)` |
//!
//! Functions of one key take the key as a first argument if they want it. Functions of one row may
//! return `Result<_, Reject>` (or any other error that can be shown): an error rejects that row, with
//! its reason, and the batch goes on. A panic fails the task; its message is logged.
//!
//! # Rows
//!
//! A row is a scalar (`bool`, `i64`, `f64`, `&str` or `String`, `&[u8]` or `Vec<u8>`, [`Timestamp`]),
//! an `Option` of one, a `Vec` of rows, a tuple of up to six, or a struct with `#[derive(Record)]`,
//! which may borrow (write `Click<'_>` where it is a parameter). `&str` and `&[u8]` are read where they
//! lie; prefer them to `String` and `Vec<u8>`, also in an `Emitter`. A pair is a key and a value.
//!
//! # Settings
//!
//! ```
//! # extern crate rsrt_sdk as rsrt;
//! use rsrt::prelude::*;
//!
//! #[derive(Settings)]
//! struct Match {
//!     pattern: String,
//!     #[setting(default = 0)]
//!     min_length: usize,
//! }
//!
//! /// Keeps lines that contain `pattern`.
//! #[rsrt::filter]
//! fn matching(#[settings] wanted: &Match, line: &str) -> bool {
//!     line.len() >= wanted.min_length && line.contains(&wanted.pattern)
//! }
//!
//! rsrt::plugin! { matching }
//! #
//! # fn main() {
//! let wanted = rsrt::testing::settings(&[("pattern", "b")]).unwrap();
//! assert!(matching(&wanted, "abc"));
//! # }
//! ```
//!
//! They are checked when a topology is loaded and parsed once per task. What else a function may know
//! of its task is what [`task()`] says; there is no clock, no file and no network.
//!
//! # Combining early
//!
//! `combine = sum` compiles a `flat_map` function a second time, straight into a table by key, and the
//! host uses that where `reduce-by-key` with that function follows: several times less to move. So
//! rows are added up while they are put out. `combine = [sum, "std:sum"]` also serves the host's own
//! sum. Only the function itself is compiled again: if it hands its `Emitter` to another function, that
//! one must take `&mut Emitter<T, impl Sink<T>>`.

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
