//! One running topology: its sources, its batches and its sinks.
//!
//! [`Plugins`] loads what a topology calls; [`Stream`] runs it. What is decided lies in
//! [`scheduler`](crate::scheduler); here it is done, in the order in which it was decided.

mod batches;
mod blocking;
mod charged;
mod conclusion;
mod grid;
mod letters;
mod plugins;
mod remake;
mod remembered;
mod report;
mod resume;
mod retry;
mod running;
mod shadow;
mod stop;
mod streaming;
mod swap;
mod take_over;
mod trial;
mod version_event;
mod writer;

pub use plugins::{NoPlugin, Plugins};
pub use report::{BatchReport, Listener, SinkReport, Summary};
pub use resume::ResumeError;
pub use running::{Run, Stream};
pub use shadow::{
    DifferentRow, OnlyIn, OperatorCost, Shadow, ShadowCost, ShadowProblem, ShadowReport,
};
pub use stop::Stop;
pub use streaming::{LifeError, StopMode, Streaming, StreamingState, Terminated};
pub use swap::{Next, SwapError, Swapped, Swapper, Swapping, check as check_swap};
pub use version_event::VersionEvent;
