//! A streaming runtime: micro-batches, keyed state and windows, with every user function in a
//! WebAssembly sandbox.

pub mod model;
pub mod toolchain;
pub mod topology;
