//! What operators remember from batch to batch, partition by partition, and the steps that use it.

mod calls;
mod changes;
mod invert;
mod layers;
mod map;
mod migrated;
mod redistribute;
mod saved;
mod slots;
mod table;
mod update;
mod window;
mod window_states;

pub use layers::{Layer, SavedKeys};
pub use map::{MapSpec, MapStep};
pub use migrated::{CopiedStates, OldStates, TouchedStates};
pub use saved::{SavedRows, SavedState, SavedWindow, StateColumns};
pub use table::MapStates;
pub use update::{UpdateSpec, UpdateStates, UpdateStep};
pub use window::{Inverting, Kept, WindowSpec, WindowStep};
pub use window_states::WindowStates;

use crate::model::BatchTime;

/// What one partition of an operator remembers. A step takes it in, and gives it back when the
/// partition is done; if the task fails it is gone with it.
#[derive(Debug)]
pub enum PartitionState {
    /// Of `update-state-by-key`.
    Update(UpdateStates),
    /// Of `map-with-state`.
    Map(MapStates),
    /// Of a window that is reduced.
    Window(WindowStates),
}

impl PartitionState {
    /// The same, of which nothing was ever written down. Columns are shared.
    #[must_use]
    pub fn copied(&self) -> Self {
        match self {
            Self::Update(states) => Self::Update(states.copied()),
            Self::Map(states) => Self::Map(states.copied()),
            Self::Window(states) => Self::Window(states.copied()),
        }
    }
}

/// Which batch it is, to an operator with state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTime {
    /// The batch.
    pub time: BatchTime,
    /// State is checkpointed in it, and timeouts are looked at (spec 6.5, 8.3).
    pub checkpoint: bool,
}
