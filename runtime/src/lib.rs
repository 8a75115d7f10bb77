//! A streaming runtime: micro-batches, keyed state and windows, with every user function in a
//! WebAssembly sandbox.

pub mod codec;
pub mod model;
pub mod operator;
pub mod plugin;
pub mod topology;
