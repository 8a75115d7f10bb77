//! How Rust guests are compiled: finding a compiler for wasm, building a plugin crate with it,
//! making a component of what comes out, and writing a new plugin's project.
//!
//! Used by `rsrt build` and `rsrt new`, never by a running topology, but for [`componentize()`],
//! which is pure. What to do is decided in `decide.rs`, which runs nothing; everything else is a
//! thin shell around `cargo`, `rustup` and `apt-get`. Nothing is installed unless
//! [`Install::Allowed`].

mod artifact;
mod build;
mod command;
mod componentize;
mod decide;
mod environment;
mod find;
mod machine;
mod no_toolchain;
mod plugin_project;
mod sdk_sources;

mod sysroot;

pub use build::{BuildError, Guest, build};
pub use componentize::{ComponentizeError, componentize};
pub use decide::Install;
pub use environment::{Environment, InvalidWay, Way};
pub use find::{GuestToolchain, find};
pub use no_toolchain::NoToolchain;
pub use plugin_project::{NewPluginError, new_plugin};

/// What guests are compiled for: no operating system, so no import but those of the interface.
pub const TARGET: &str = "wasm32-unknown-unknown";
