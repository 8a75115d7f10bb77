//! The one integration binary: each module is a suite.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but not in what tests call"
)]

mod attacks;
mod choices;
mod cli;
mod confine;
mod databases;
mod docs;
mod examples;
mod fuzz;
mod guests;
mod histories;
mod laws;
mod layering;
mod objects;
mod poison;
mod recovery;
mod sandbox;
mod sdk_bindings;
mod sdk_signatures;
mod secrets;
mod serve;
mod topology_ui;
