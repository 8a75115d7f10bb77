//! Batch time: when the scheduler closed a batch (spec 2.1).

use std::{fmt, num::NonZeroU64, time::Duration};

use serde::{Deserialize, Serialize};

/// The end of the interval that a batch covers, in milliseconds since the Unix epoch (spec 2.1).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BatchTime(i64);

impl BatchTime {
    /// A batch time of `millis` since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for BatchTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// An interval that no grid can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInterval {
    /// Shorter than the grid's unit.
    #[error("an interval must be at least 1 ms and a whole number of milliseconds")]
    TooShort,
    /// More milliseconds than a batch time can count.
    #[error("an interval must be shorter than 1,000 years")]
    TooLong,
}

/// How often a batch closes. At least one millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchInterval(NonZeroU64);

impl BatchInterval {
    /// An interval of whole milliseconds.
    ///
    /// # Errors
    /// When `length` is zero, has a part of a millisecond, or is longer than 1,000 years.
    pub fn new(length: Duration) -> Result<Self, InvalidInterval> {
        const LONGEST: u64 = 1_000 * 366 * 24 * 3_600 * 1_000;
        if !length.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(InvalidInterval::TooShort);
        }
        let millis = u64::try_from(length.as_millis()).map_err(|_| InvalidInterval::TooLong)?;
        match NonZeroU64::new(millis) {
            None => Err(InvalidInterval::TooShort),
            Some(millis) if millis.get() > LONGEST => Err(InvalidInterval::TooLong),
            Some(millis) => Ok(Self(millis)),
        }
    }

    /// Its length.
    pub fn as_duration(self) -> Duration {
        Duration::from_millis(self.0.get())
    }

    /// Its length in milliseconds; below 2^45.
    pub fn as_millis(self) -> i64 {
        i64::try_from(self.0.get()).unwrap_or(i64::MAX)
    }

    /// The first batch time after `now`: aligned to multiples of the interval since the epoch
    /// (spec 2.1).
    pub fn first_after(self, now: BatchTime) -> BatchTime {
        let interval = self.as_millis();
        BatchTime((now.0.div_euclid(interval) + 1).saturating_mul(interval))
    }

    /// The batch after `batch`.
    pub fn next(self, batch: BatchTime) -> BatchTime {
        BatchTime(batch.0.saturating_add(self.as_millis()))
    }

    /// The batch before `batch`.
    pub fn previous(self, batch: BatchTime) -> BatchTime {
        BatchTime(batch.0.saturating_sub(self.as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_is_on_the_grid_and_after_now() {
        // spec 2.1: interval, now, first batch
        let cases = [
            (1_000, 0, 1_000),
            (1_000, 999, 1_000),
            (1_000, 1_000, 2_000),
            (250, 1_001, 1_250),
            (300, 1_000, 1_200),
        ];
        for (interval, now, expected) in cases {
            let interval = BatchInterval::new(Duration::from_millis(interval)).unwrap();
            assert_eq!(
                interval.first_after(BatchTime(now)),
                BatchTime(expected),
                "{interval:?} {now}"
            );
        }
    }

    #[test]
    fn an_interval_is_whole_milliseconds() {
        assert_eq!(
            BatchInterval::new(Duration::ZERO),
            Err(InvalidInterval::TooShort)
        );
        assert_eq!(
            BatchInterval::new(Duration::from_micros(1_500)),
            Err(InvalidInterval::TooShort)
        );
        assert_eq!(
            BatchInterval::new(Duration::MAX),
            Err(InvalidInterval::TooShort)
        );
        assert_eq!(
            BatchInterval::new(Duration::from_secs(u64::MAX)),
            Err(InvalidInterval::TooLong)
        );
    }
}
