//! What a function may ask: which task it serves.

use crate::row::Timestamp;

/// The task that this instance of the plugin serves: one partition of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The topology's name.
    pub topology: String,
    /// The operator's (or sink's) name.
    pub operator: String,
    /// The batch. The only clock there is.
    pub batch_time: Timestamp,
    /// From 0.
    pub partition: u32,
    /// For random numbers: the same whenever this batch runs. Below 2^31.
    pub seed: u32,
    pub(crate) settings: Vec<(String, String)>,
}

/// The task that this call belongs to.
///
/// Natively, in tests: a task of topology `test` at time 0 with seed 0.
#[cfg(target_arch = "wasm32")]
pub fn task() -> Task {
    let task = crate::abi::host::current_task();
    Task {
        topology: task.topology,
        operator: task.operator,
        batch_time: Timestamp(task.batch_time),
        partition: task.partition,
        seed: task.seed,
        settings: crate::settings::pairs(task.settings),
    }
}

/// The task that this call belongs to.
///
/// Natively, in tests: a task of topology `test` at time 0 with seed 0.
#[cfg(not(target_arch = "wasm32"))]
pub fn task() -> Task {
    Task {
        topology: "test".into(),
        operator: "test".into(),
        batch_time: Timestamp(0),
        partition: 0,
        seed: 0,
        settings: crate::session::test_settings(),
    }
}
