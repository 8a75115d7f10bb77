//! The sandbox: plugins are WebAssembly components, and this is the only folder that knows the
//! engine that runs them.
//!
//! Four verbs, one lifetime each: [`Engine::new`] once per process, [`Loader::load`] once per
//! plugin (checked, compiled, asked who it is), [`Plugin::instantiate`] once per task (operator,
//! partition, batch), [`Instance`]'s calls once per chunk. It knows nothing of topologies, tokio or
//! files other than its cache and what [`Grants`] hold, so it can be embedded elsewhere.
//!
//! **Always:** what a guest returns is checked before anyone sees it, and an instance that faulted
//! is never called again.

mod abi;
mod blame;
mod cache;
mod compiler;
mod describe;
mod engine;
mod exports;
mod fault;
mod host;
mod instance;
mod lift;
mod loaded;
mod loader;
mod lower;
mod outcome;
mod preempt;
mod task;
mod wasi;

pub use cache::{CacheError, CodeCache};
pub use compiler::{CompileLimits, Compiler, compile_child};
pub use engine::{Engine, EngineError, EngineOptions};
pub use fault::PluginFault;
pub use instance::{Grouped, Groups, Instance, Usage};
pub use loaded::Plugin;
pub use loader::{LoadError, Loader, is_component, is_core_module};
pub use outcome::{RejectedRow, Selected, Transformed, Updated};
pub use preempt::{Preempt, Tick, Unhurried};
pub use task::{InstanceLimits, Task};
pub use wasi::{Access, Grants, NoDirectory, is_wasi};
