//! The wall clock as it was at the start, moved on by the monotonic one.

use std::{sync::Arc, time::Duration};

use crate::{clock::Clock, model::BatchTime};

/// Time for ticks: a wall clock that is set while a stream runs moves none.
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
