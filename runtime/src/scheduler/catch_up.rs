//! Which of the batches that were missed are made. Pure.

use crate::{
    model::{BatchInterval, BatchTime},
    topology::Topology,
};

/// The batch that stands for all that were missed: the last tick after `last` and not after `now`
/// whose number is a multiple of `rhythm`, counted from `zero`. None: no such tick was missed.
pub fn catch_up(
    (zero, last, now): (BatchTime, BatchTime, BatchTime),
    interval: BatchInterval,
    rhythm: i64,
) -> Option<BatchTime> {
    let step = interval.as_millis().saturating_mul(rhythm.max(1));
    let passed = now.as_millis().saturating_sub(zero.as_millis());
    let steps = passed.div_euclid(step).saturating_mul(step);
    let tick = zero.as_millis().saturating_add(steps);
    (tick > last.as_millis()).then(|| BatchTime::from_millis(tick))
}

/// After so many batches all slides and checkpoint intervals of operators fall together.
pub fn rhythm(topology: &Topology) -> i64 {
    let operators = topology.operators.iter();
    let intervals = operators.flat_map(|operator| {
        let keyed = operator.verb.keyed_state();
        [
            operator.every,
            keyed.map_or(operator.every, |keyed| keyed.checkpoint),
        ]
    });
    let all = intervals.fold(1_u64, |all, interval| {
        let interval = interval.get();
        (all / common(all, interval)).saturating_mul(interval)
    });
    i64::try_from(all).unwrap_or(i64::MAX)
}

/// The greatest common divisor.
fn common(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_tick_in_the_rhythm_stands_for_all() {
        let interval = BatchInterval::new(Duration::from_secs(1)).unwrap();
        let t = |seconds: i64| BatchTime::from_millis(seconds * 1_000 + 500);
        let one = |last, now, rhythm| catch_up((t(0), t(last), now), interval, rhythm);
        // Ticks 4 to 9 were missed.
        let now = BatchTime::from_millis(9_900);
        assert_eq!(one(3, now, 1), Some(t(9)));
        assert_eq!(one(3, now, 4), Some(t(8)));
        assert_eq!(one(3, now, 6), Some(t(6)));
        assert_eq!(one(3, now, 10), None);
        assert_eq!(one(8, now, 4), None, "it was claimed");
        assert_eq!(one(9, now, 1), None, "none was missed");
        // The clock went back.
        assert_eq!(one(30, now, 1), None);
        assert_eq!((common(4, 6), common(0, 3), common(5, 1)), (2, 3, 1));
    }
}
