//! What a hosted topology does, for whoever asks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a topology does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is loaded and opened.
    Starting,
    /// It runs.
    Running,
    /// It was told to stop, and finishes what is in flight.
    Stopping,
    /// It was stopped.
    Stopped,
    /// Its sources have ended.
    Finished,
    /// It failed; `why` says what happened.
    Failed,
    /// It had a task in flight at several crashes of the server; it waits for `start`.
    Quarantined,
}

impl Phase {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Quarantined => "quarantined",
        }
    }

    /// Something of it runs.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

/// What a deployed topology is and does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Counts what was deployed under this name.
    pub version: u64,
    /// What it does now.
    pub phase: Phase,
    /// Why it failed or is quarantined.
    pub why: Option<String>,
    /// Batches since it was started.
    pub batches: u64,
    /// Those that failed.
    pub failed_batches: u64,
    /// Records read from sources since it was started.
    pub records: u64,
    /// The last batch's time, in milliseconds since the epoch.
    pub last_batch: Option<i64>,
    /// The latest error of any batch since it was started.
    pub last_error: Option<String>,
    /// Who deployed it.
    pub deployed_by: String,
    /// When, in milliseconds since the epoch.
    pub deployed_at: i64,
    /// Who last started or stopped it.
    pub changed_by: String,
    /// When.
    pub changed_at: i64,
}
