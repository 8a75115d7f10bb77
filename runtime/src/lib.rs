//! A streaming runtime: micro-batches, keyed state and windows, with every user function in a
//! WebAssembly sandbox.

pub mod account;
pub mod cases;
pub mod checkpoint;
pub mod cli;
pub mod clock;
pub mod codec;
pub mod confine;
mod crash_points;
pub mod format;
pub mod hosting;
pub mod journal;
pub mod launch;
pub mod model;
pub mod operator;
pub mod plugin;
pub mod receiver;
pub mod replay;
pub mod scheduler;
pub mod secrets;
pub mod server;
pub mod sink;
pub mod source;
pub mod spill;
pub mod stream;
pub mod telemetry;
pub mod toolchain;
pub mod topology;
