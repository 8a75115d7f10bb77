//! Batches made once more, for whoever wants to see them: from what a checkpoint keeps, by the
//! program that made them, and by another one beside it. No sink is given anything, nobody is
//! reached, and nothing is written.

mod answer;
mod difference;
mod engine;
mod error;
mod looked_at;
mod made;
mod maker;

use std::sync::Arc;

pub use answer::{ReplayAnswer, ShownCost, ShownDifference, ShownMade, ShownStream};
pub use difference::{Difference, Verdict};
pub use engine::{Replay, Replayed, Way, way};
pub use error::ReplayError;
pub use made::{Cost, Made, MadeStream};

use crate::{plugin::Plugin, topology::Topology};

/// A program that can make batches.
#[derive(Clone)]
pub struct Runnable {
    /// With the values of its operators' secrets.
    pub topology: Arc<Topology>,
    /// In the topology's order.
    pub plugins: Vec<Plugin>,
}
