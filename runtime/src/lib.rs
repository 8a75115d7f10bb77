//! A streaming runtime: micro-batches, keyed state and windows, with every user function in a
//! WebAssembly sandbox.

pub mod clock;
pub mod format;
pub mod model;
pub mod receiver;
pub mod sink;
pub mod source;
pub mod topology;
