//! What a tenant may use at once, or a second.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{Rate, Room};
use crate::clock::{Clock, SystemClock};

/// How much a tenant may use of what is held to while topologies run; none: any amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Bytes of memory of all instances that live at a time.
    pub memory: Option<usize>,
    /// Records a second that all receivers take in.
    pub ingest_rate: Option<NonZeroU64>,
    /// Bytes of states in checkpoints.
    pub state_bytes: Option<u64>,
    /// Bytes of blocks in memory and on disk.
    pub block_bytes: Option<usize>,
    /// Lines a second that all guests log.
    pub log_lines: Option<NonZeroU64>,
}

/// Says whether there is some left, for all topologies of a tenant.
#[derive(Debug)]
pub struct Allowance {
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    memory: AtomicUsize,
    memory_peak: AtomicUsize,
    state: AtomicU64,
    ingest: Option<Rate>,
    log: Option<Rate>,
    blocks: Option<Room>,
}

/// There is more of something than the quota allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the namespace's quota `state-bytes` is {limit} bytes, and its topologies' states take {used} now; let them remember less (timeouts, shorter windows, a lower `retain-batches`), or ask for a higher quota"
)]
pub struct TooMuch {
    /// The quota.
    pub limit: u64,
    /// What is used.
    pub used: u64,
}

/// What is used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InUse {
    /// Bytes of memory of all instances.
    pub memory: usize,
    /// The most that they ever were.
    pub memory_peak: usize,
    /// Bytes of states.
    pub state: u64,
    /// Bytes of blocks; none: they are not counted, as there is no limit.
    pub blocks: Option<usize>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self::new(Bounds::default(), Arc::new(SystemClock::new()))
    }
}

impl Allowance {
    /// For a tenant who may use this much.
    pub fn new(bounds: Bounds, clock: Arc<dyn Clock>) -> Self {
        Self {
            memory: AtomicUsize::new(0),
            memory_peak: AtomicUsize::new(0),
            state: AtomicU64::new(0),
            ingest: bounds.ingest_rate.map(Rate::new),
            log: bounds.log_lines.map(Rate::new),
            blocks: bounds.block_bytes.map(Room::new),
            bounds,
            clock,
        }
    }

    /// The limits.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// What is used now.
    pub fn in_use(&self) -> InUse {
        InUse {
            memory: self.memory.load(Ordering::Relaxed),
            memory_peak: self.memory_peak.load(Ordering::Relaxed),
            state: self.state.load(Ordering::Relaxed),
            blocks: self.blocks.as_ref().map(Room::taken),
        }
    }

    /// An instance grows; false: there is no memory left for that.
    pub fn grow(&self, by: usize) -> bool {
        let most = self.bounds.memory.unwrap_or(usize::MAX);
        let grown = |now: usize| now.checked_add(by).filter(|then| *then <= most);
        let order = Ordering::Relaxed;
        match self.memory.fetch_update(order, order, grown) {
            Ok(before) => {
                self.memory_peak.fetch_max(before + by, order);
                true
            }
            Err(_) => false,
        }
    }

    /// An instance is gone, and so is what it had.
    pub fn shrink(&self, by: usize) {
        self.memory.fetch_sub(by, Ordering::Relaxed);
    }

    /// How long these records have to wait. They count as let in.
    pub fn let_in(&self, records: u64) -> Duration {
        let now = || self.clock.monotonic();
        let wait = |ingest: &Rate| ingest.acquire(records, now());
        self.ingest.as_ref().map_or(Duration::ZERO, wait)
    }

    /// A line can be logged in this second; it counts then.
    pub(super) fn may_log(&self) -> bool {
        let may = |log: &Rate| log.try_one(self.clock.monotonic());
        self.log.as_ref().is_none_or(may)
    }

    /// Room for blocks, if it is limited.
    pub fn blocks(&self) -> Option<&Room> {
        self.blocks.as_ref()
    }

    /// A topology whose states took `before` takes so much now.
    ///
    /// # Errors
    /// When all topologies together take more than they may. It counts nevertheless.
    pub fn state_is(&self, before: u64, now: u64) -> Result<(), TooMuch> {
        let order = Ordering::Relaxed;
        let change = |all: u64| Some(all.saturating_sub(before).saturating_add(now));
        // There is always an answer.
        let all = self.state.fetch_update(order, order, change).unwrap_or(0);
        let used = all.saturating_sub(before).saturating_add(now);
        match self.bounds.state_bytes {
            Some(limit) if used > limit && now > before => Err(TooMuch { limit, used }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn allowance(bounds: Bounds) -> (Allowance, ManualClock) {
        let clock = ManualClock::at(0);
        clock.advance(Duration::from_secs(100));
        (Allowance::new(bounds, Arc::new(clock.clone())), clock)
    }

    #[test]
    fn instances_of_all_topologies_share_the_memory() {
        let (allowance, _) = allowance(Bounds {
            memory: Some(100),
            ..Bounds::default()
        });
        assert!(allowance.grow(60) && allowance.grow(40));
        assert!(!allowance.grow(1), "there is none left");
        allowance.shrink(60);
        assert!(allowance.grow(50));
        let used = allowance.in_use();
        assert_eq!((used.memory, used.memory_peak), (90, 100));
        let unlimited = Allowance::default();
        assert!(unlimited.grow(usize::MAX));
        assert!(!unlimited.grow(1), "a sum that overflows is refused");
    }

    #[test]
    fn states_are_counted_together_and_only_growth_is_refused() {
        let (allowance, _) = allowance(Bounds {
            state_bytes: Some(100),
            ..Bounds::default()
        });
        allowance.state_is(0, 60).unwrap();
        allowance.state_is(0, 40).unwrap();
        let refused = allowance.state_is(40, 50).unwrap_err();
        assert_eq!((refused.limit, refused.used), (100, 110));
        assert!(refused.to_string().contains("`state-bytes` is 100"));
        // Another one may shrink, although it is still too much.
        allowance.state_is(60, 55).unwrap();
        allowance.state_is(50, 0).unwrap();
        assert_eq!(allowance.in_use().state, 55);
    }

    #[test]
    fn lines_and_records_come_at_their_rate() {
        let (allowance, clock) = allowance(Bounds {
            log_lines: NonZeroU64::new(5),
            ingest_rate: NonZeroU64::new(100),
            ..Bounds::default()
        });
        assert_eq!((0..50).filter(|_| allowance.may_log()).count(), 6);
        clock.advance(Duration::from_secs(1));
        assert_eq!((0..50).filter(|_| allowance.may_log()).count(), 5);
        assert_eq!(allowance.let_in(100), Duration::ZERO);
        assert_eq!(allowance.let_in(50), Duration::ZERO);
        assert_eq!(allowance.let_in(1), Duration::from_millis(500));
    }
}
