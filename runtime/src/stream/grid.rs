//! The wall clock as it was at the start, moved on by the monotonic one.

use std::{sync::Arc, time::Duration};

use crate::{clock::Clock, model::BatchTime};

/// Time for ticks: a wall clock that is set while a stream runs moves none, and one that was set
/// back between two runs makes none wait.
pub(super) struct Grid {
    clock: Arc<dyn Clock>,
    wall: i64,
    monotonic: Duration,
}

impl Grid {
    pub(super) fn new(clock: Arc<dyn Clock>, wall: i64) -> Self {
        Self {
            wall,
            monotonic: clock.monotonic(),
            clock,
        }
    }

    pub(super) fn now(&self) -> BatchTime {
        let since = self.clock.monotonic().saturating_sub(self.monotonic);
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        BatchTime::from_millis(self.wall.saturating_add(since))
    }

    /// Puts the clock forward if it shows less than this; answers with how much that was, if it did.
    pub(super) fn not_before(&mut self, time: BatchTime) -> Option<Duration> {
        let behind = time.as_millis().saturating_sub(self.now().as_millis());
        if behind <= 0 {
            return None;
        }
        self.wall = self.wall.saturating_add(behind);
        Some(Duration::from_millis(behind.unsigned_abs()))
    }

    /// Waits until it is `time` or later, and says what it is then.
    pub(super) async fn until(&self, time: Option<BatchTime>) -> BatchTime {
        let Some(time) = time else {
            return std::future::pending().await;
        };
        loop {
            let now = self.now();
            if now >= time {
                return now;
            }
            let left = time.as_millis().saturating_sub(now.as_millis());
            tokio::time::sleep(Duration::from_millis(left.unsigned_abs())).await;
        }
    }
}
