//! What happens to rows: one step per operator, or two where it is cut by a shuffle.
//!
//! A task drives the chunks of one partition through a chain of [`Step`]s. A step sees one chunk at
//! a time and may keep something back until [`Step::finish`]. Steps know nothing of scheduling,
//! sources or sinks.

mod accumulate;
mod aggregate;
mod error;
mod exchange;
mod extreme;
mod filter;
mod glom;
mod group;
mod group_values;
mod isolate;
mod join;
mod key;
mod letter;
mod limit;
mod lists;
mod nan;
mod reducer;
mod reject;
mod sandbox;
mod sort;
mod state;
mod step;
mod transform;

pub use aggregate::{Aggregate, AggregateSpec, Phase, Reduction};
pub use error::StepError;
pub use exchange::Exchange;
pub use filter::Filter;
pub use glom::Glom;
pub use group_values::GroupValues;
pub use isolate::{Bounded, Isolate, Unit};
pub use join::JoinStep;
pub use key::{KeyEncoder, partition_of};
pub use letter::Letter;
pub use limit::Limit;
pub use sandbox::Sandbox;
pub use sort::Sort;
pub use state::{
    CopiedStates, Inverting, Kept, Layer, MapSpec, MapStates, MapStep, OldStates, PartitionState,
    SavedKeys, SavedRows, SavedState, SavedWindow, StateColumns, StateTime, TouchedStates,
    UpdateSpec, UpdateStates, UpdateStep, WindowSpec, WindowStates, WindowStep,
};
pub use step::{Emitted, Step};
pub use transform::{TASK_OUTPUTS, Transform};
