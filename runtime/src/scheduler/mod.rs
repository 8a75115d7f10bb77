//! When things run, and where: batches in order, stages cut at shuffles, tasks on one fair pool.

mod batch_run;
mod catch_up;
mod error;
mod event;
mod executor;
mod fair;
mod flow;
mod grid;
mod guarded;
mod left_out;
mod memory;
mod migration;
mod pane;
mod plan;
mod pool;
mod presence;
mod routes;
mod saved_memory;
mod stage_input;
mod state_steps;
mod steps;
mod task;

pub use catch_up::{catch_up, rhythm};
pub use error::{BatchError, TaskError};
pub use event::{Command, Event, Outcome};
pub use executor::{BatchInput, BatchOutput, Executor, OperatorUsage, References};
pub use fair::{Fair, TenantId, Ticket};
pub use grid::{Mode, Scheduler};
pub use left_out::{LeftOut, LeftOutRows};
pub use memory::Lost;
pub use pane::PaneError;
pub use plan::{Part, Plan, Stage, StageInput, StageOutput, StepSpec};
pub use pool::{Permit, Pool, Tenant};
pub use presence::{Known, Missing, Presence};
pub use saved_memory::{MemoryError, SavedLost, SavedMemory, SavedOperator, SavedPane};
