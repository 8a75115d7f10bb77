//! A limit on records per second (spec 9.4). Pure: whoever asks has the clock.

use std::time::Duration;

/// What was not used in the last second may be used at once.
const BURST: Duration = Duration::from_secs(1);

/// Lets so many records a second through.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// In records per second; none: any rate.
    rate: Option<u64>,
    most: Option<u64>,
    /// When the next record may come.
    next: Duration,
}

impl RateLimit {
    /// At most `most` records per second ever, and `initial` to begin with.
    pub fn new(initial: Option<u64>, most: Option<u64>) -> Self {
        let lowest = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        Self {
            rate: lowest(initial, most),
            most,
            next: Duration::ZERO,
        }
    }

    /// The limit, in records per second; none: there is none.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// A new rate, as an estimate gives it: its fraction is cut off, it is ignored if it is not
    /// positive, and it is never above the most (spec 9.4, 11.3).
    pub fn update(&mut self, estimate: f64, now: Duration) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts of floats stop at the ends, and what is not positive is ignored"
        )]
        let rate = estimate as u64;
        if rate == 0 {
            return;
        }
        let rate = rate.min(self.most.unwrap_or(rate));
        self.rate = Some(rate);
        self.next = self.next.min(now + interval(rate));
    }

    /// How long the next record has to wait. It counts as let through.
    pub fn acquire(&mut self, now: Duration) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let slot = self.next.max(now.saturating_sub(BURST));
        self.next = slot + interval(rate);
        slot.saturating_sub(now)
    }
}

fn interval(rate: u64) -> Duration {
    BURST / u32::try_from(rate).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Records let through in each of some seconds by somebody who always has more.
    fn let_through(limit: &mut RateLimit, seconds: u64) -> Vec<u64> {
        let mut counts = vec![0; usize::try_from(seconds).unwrap()];
        let mut now = Duration::ZERO;
        loop {
            now += limit.acquire(now);
            match counts.get_mut(usize::try_from(now.as_secs()).unwrap()) {
                Some(count) => *count += 1,
                None => return counts,
            }
        }
    }

    #[test]
    fn no_second_has_more_than_the_rate() {
        let mut limit = RateLimit::new(None, Some(50));
        assert_eq!(let_through(&mut limit, 4), [50; 4]);
    }

    #[test]
    fn the_lower_of_both_limits_holds_at_first_and_the_most_always() {
        for (initial, most, rate) in [
            (None, None, None),
            (Some(10), None, Some(10)),
            (None, Some(10), Some(10)),
            (Some(20), Some(10), Some(10)),
            (Some(5), Some(10), Some(5)),
        ] {
            assert_eq!(RateLimit::new(initial, most).rate(), rate);
        }
        let mut limit = RateLimit::new(Some(5), Some(10));
        for (estimate, rate) in [(7.9, 7), (0.9, 7), (-3.0, 7), (f64::NAN, 7), (1e30, 10)] {
            limit.update(estimate, at(0));
            assert_eq!(limit.rate(), Some(rate), "{estimate}");
        }
    }

    #[test]
    fn a_new_rate_holds_at_once() {
        let mut limit = RateLimit::new(Some(1), None);
        limit.acquire(at(5_000));
        limit.acquire(at(5_000));
        assert_eq!(limit.acquire(at(5_000)), at(1_000), "the burst is used up");
        limit.update(1_000.0, at(5_000));
        assert_eq!(limit.acquire(at(5_000)), at(1));
    }
}
