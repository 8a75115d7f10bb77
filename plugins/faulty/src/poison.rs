//! Functions that fail on some numbers only: -1 panics, -2 takes all memory, -3 never ends, -4 aborts.

use rsrt::prelude::*;

use crate::traps;

/// The number, if it is none of those.
fn taste(number: i64) -> i64 {
    match number {
        -1 => panic!("poison"),
        -2 => traps::eats_memory(""),
        -3 => traps::spins(""),
        -4 => std::process::abort(),
        fine => fine,
    }
}

/// Twice the number.
#[rsrt::map]
pub(crate) fn poison_map(number: i64) -> i64 {
    taste(number) * 2
}

/// The number, as often as it is great, at most three times.
#[rsrt::flat_map]
pub(crate) fn poison_flat_map(number: i64, out: &mut Emitter<i64>) {
    let number = taste(number);
    for _ in 0..number.min(3) {
        out.emit(number);
    }
}

/// Even numbers.
#[rsrt::filter]
pub(crate) fn poison_filter(number: i64) -> bool {
    taste(number) % 2 == 0
}

/// The sum; a number that is alone is not looked at.
#[rsrt::reduce(associative)]
pub(crate) fn poison_add(a: i64, b: i64) -> i64 {
    taste(a) + taste(b)
}

/// The sum so far.
#[rsrt::update_state(skips_idle)]
#[expect(clippy::unnecessary_wraps, reason = "no sum is ever forgotten")]
pub(crate) fn poison_update(new: &[i64], sum: Option<i64>) -> Option<i64> {
    Some(sum.unwrap_or(0) + new.iter().map(|new| taste(*new)).sum::<i64>())
}

/// The sum so far, for each number.
#[rsrt::map_with_state]
pub(crate) fn poison_total(new: Option<i64>, sum: &mut State<i64>) -> Option<i64> {
    let total = sum.get().copied().unwrap_or(0) + taste(new?);
    sum.update(total);
    Some(total)
}

/// Numbers of a partition.
#[derive(Default)]
pub(crate) struct PoisonPartition {
    sum: i64,
}

/// The sum of a partition.
#[rsrt::map_partitions]
impl PoisonPartition {
    fn process(&mut self, number: i64, out: &mut Emitter<i64>) {
        self.sum += taste(number);
        if self.sum < 0 {
            out.emit(self.sum);
        }
    }

    fn finish(&mut self, out: &mut Emitter<i64>) {
        out.emit(self.sum);
    }
}

/// Numbers of a batch.
#[derive(Default)]
pub(crate) struct PoisonBatch;

/// All numbers of the batch.
#[rsrt::transform]
impl PoisonBatch {
    #[expect(clippy::unused_self, reason = "the form of `process`")]
    fn process(&mut self, number: i64, out: &mut Emitter<i64>) {
        out.emit(taste(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_poison_passes() {
        assert_eq!(poison_map(2), 4);
        assert_eq!(poison_add(1, 2), 3);
        assert!(poison_filter(2));
    }

    #[test]
    fn poison_does_not() {
        assert!(std::panic::catch_unwind(|| poison_map(-1)).is_err());
    }
}
