//! How long batches take.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use super::lock;

/// Between one size and twice that there are so many.
const STEPS: u64 = 8;

/// How long things took: not each by itself, but how many took about so long (to one part in eight).
#[derive(Debug, Default)]
pub struct Latency(Mutex<BTreeMap<u64, u64>>);

impl Latency {
    /// One more took so long.
    pub fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        *lock(&self.0).entry(bucket(micros)).or_default() += 1;
    }

    /// So many of a thousand took at most about this long, rounded up; zero if there were none.
    pub fn of_a_thousand(&self, part: u64) -> Duration {
        let buckets = lock(&self.0);
        let all: u64 = buckets.values().sum();
        let wanted = (all * part).div_ceil(1_000);
        let mut so_far = 0;
        let reached = buckets.iter().find(|(_, count)| {
            so_far += **count;
            so_far >= wanted
        });
        reached.map_or(Duration::ZERO, |(bucket, _)| {
            Duration::from_micros(upper(*bucket))
        })
    }
}

/// Numbers below `STEPS` are buckets of their own; from there on each doubling has `STEPS`.
fn bucket(value: u64) -> u64 {
    if value < STEPS {
        return value;
    }
    let shift = u64::from(value.ilog2() - STEPS.ilog2());
    shift * STEPS + (value >> shift)
}

/// The largest number in a bucket.
fn upper(bucket: u64) -> u64 {
    if bucket < 2 * STEPS {
        return bucket;
    }
    let (shift, step) = (bucket / STEPS - 1, bucket % STEPS + STEPS);
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_a_bucket_that_reaches_little_further() {
        for value in (0..100_000).chain([1 << 40, (1 << 40) + 12_345]) {
            let most = upper(bucket(value));
            assert!(most >= value, "{value} {most}");
            assert!(most - value <= value / STEPS, "{value} {most}");
            assert!(bucket(most) == bucket(value) && bucket(most + 1) == bucket(value) + 1);
        }
    }

    #[test]
    fn parts_of_a_thousand() {
        let latency = Latency::default();
        assert_eq!(latency.of_a_thousand(990), Duration::ZERO);
        for millis in 1..=100 {
            latency.took(Duration::from_millis(millis));
        }
        for (part, millis) in [(500, 50), (990, 99), (1_000, 100)] {
            let found = latency.of_a_thousand(part);
            let exact = Duration::from_millis(millis);
            assert!(
                found >= exact && found <= exact * 9 / 8,
                "{part}: {found:?}"
            );
        }
    }
}
