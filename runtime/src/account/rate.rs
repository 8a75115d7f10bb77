//! So many a second. Pure: whoever asks has the clock.

use std::{num::NonZeroU64, sync::Mutex, time::Duration};

use super::lock;

/// What was not used in the last second may be used at once.
const BURST: Duration = Duration::from_secs(1);

/// Lets so many a second through, for all who ask together.
#[derive(Debug)]
pub struct Rate {
    each: Duration,
    /// When the next may come.
    next: Mutex<Duration>,
}

impl Rate {
    /// So many a second.
    pub fn new(per_second: NonZeroU64) -> Self {
        Self {
            each: Duration::from_nanos(1_000_000_000 / per_second).max(Duration::from_nanos(1)),
            next: Mutex::default(),
        }
    }

    /// How long these have to wait. They count as let through.
    pub fn acquire(&self, count: u64, now: Duration) -> Duration {
        let mut next = lock(&self.next);
        let slot = (*next).max(now.saturating_sub(BURST));
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        *next = slot.saturating_add(self.each.saturating_mul(count));
        slot.saturating_sub(now)
    }

    /// One is let through if it does not have to wait.
    pub fn try_one(&self, now: Duration) -> bool {
        let mut next = lock(&self.next);
        let slot = (*next).max(now.saturating_sub(BURST));
        let passes = slot <= now;
        if passes {
            *next = slot.saturating_add(self.each);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_so_many_and_no_more() {
        let rate = Rate::new(NonZeroU64::new(10).unwrap());
        let at = |millis: u64| Duration::from_millis(10_000 + millis);
        // What a second without lines has left may come at once, and one more.
        let first = (0..100).filter(|_| rate.try_one(at(0))).count();
        assert_eq!(first, 11);
        let second = (1..=1_000).filter(|ms| rate.try_one(at(*ms))).count();
        assert_eq!(second, 10);
    }

    #[test]
    fn those_who_wait_are_spread_over_time() {
        let rate = Rate::new(NonZeroU64::new(1_000).unwrap());
        let now = Duration::from_secs(5);
        assert_eq!(rate.acquire(1_000, now), Duration::ZERO);
        assert_eq!(rate.acquire(500, now), Duration::ZERO);
        assert_eq!(rate.acquire(1, now), Duration::from_millis(500));
        assert_eq!(rate.acquire(1, now), Duration::from_millis(501));
        // After a second of waiting it is as if there had been nothing.
        let later = now + Duration::from_secs(3);
        assert_eq!(rate.acquire(1, later), Duration::ZERO);
    }
}
