//! How fast a receiver should be, from how long its batches take (spec 11). Pure.

use crate::model::ControllerState;

/// The weights of the estimator, each not negative, and the least rate (records/s, positive).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PidSettings {
    /// Of the difference between the last rate and the speed of the last batch.
    pub proportional: f64,
    /// Of what waited when the last batch began.
    pub integral: f64,
    /// Of how that difference changes.
    pub derived: f64,
    /// In records per second.
    pub min_rate: f64,
}

impl Default for PidSettings {
    fn default() -> Self {
        Self {
            proportional: 1.0,
            integral: 0.2,
            derived: 0.0,
            min_rate: 100.0,
        }
    }
}

/// A batch that is over; times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchTimes {
    /// When its processing ended: since the epoch, so that it is later than that of any batch of an
    /// earlier process.
    pub ended: i64,
    /// How long its processing took.
    pub processing: i64,
    /// How long it waited before that.
    pub scheduling: i64,
}

/// A controller of rates: proportional, integral, derivative.
#[derive(Debug, Clone)]
pub struct PidEstimator {
    settings: PidSettings,
    /// In milliseconds.
    batch: f64,
    latest: Option<Latest>,
}

#[derive(Debug, Clone, Copy)]
struct Latest {
    ended: i64,
    rate: f64,
    error: f64,
}

impl PidEstimator {
    /// For batches of so many milliseconds.
    pub fn new(batch_millis: i64, settings: PidSettings) -> Self {
        Self {
            settings,
            batch: to_float(batch_millis),
            latest: None,
        }
    }

    /// What it has learned; none if that is nothing.
    pub fn state(&self) -> Option<ControllerState> {
        self.latest.map(|latest| ControllerState {
            ended: latest.ended,
            rate: latest.rate.to_bits(),
            error: latest.error.to_bits(),
        })
    }

    /// Goes on with what another has learned (spec 11.4). What is no number is left alone.
    pub fn resume(&mut self, state: ControllerState) {
        let (rate, error) = (f64::from_bits(state.rate), f64::from_bits(state.error));
        if rate.is_finite() && error.is_finite() {
            let ended = state.ended;
            self.latest = Some(Latest { ended, rate, error });
        }
    }

    /// The rate from now on, in records per second; none if the batch says nothing about it, or is
    /// the first that does.
    pub fn compute(&mut self, elements: u64, times: BatchTimes) -> Option<f64> {
        let before = self.latest.map_or(-1, |latest| latest.ended);
        if times.ended <= before || elements == 0 || times.processing <= 0 {
            return None;
        }
        let elements = to_float(i64::try_from(elements).unwrap_or(i64::MAX));
        let speed = elements / to_float(times.processing) * 1_000.0;
        let Some(latest) = self.latest else {
            self.latest = Some(Latest {
                ended: times.ended,
                rate: speed,
                error: 0.0,
            });
            return None;
        };
        let seconds = to_float(times.ended - latest.ended) / 1_000.0;
        let error = latest.rate - speed;
        let waited = to_float(times.scheduling) * speed / self.batch;
        let change = (error - latest.error) / seconds;
        let PidSettings {
            proportional,
            integral,
            derived,
            min_rate,
        } = self.settings;
        let rate = latest.rate - proportional * error - integral * waited - derived * change;
        let rate = rate.max(min_rate);
        self.latest = Some(Latest {
            ended: times.ended,
            rate,
            error,
        });
        Some(rate)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is no more exact")]
fn to_float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ended: i64, processing: i64, scheduling: i64) -> BatchTimes {
        BatchTimes {
            ended,
            processing,
            scheduling,
        }
    }

    #[test]
    fn rates_follow_the_formula() {
        // spec 11.2, worked by hand: batches of 1 s, 1000 records in 2 s are 500/s.
        let mut pid = PidEstimator::new(1_000, PidSettings::default());
        assert_eq!(
            pid.compute(1_000, times(2_000, 2_000, 0)),
            None,
            "the first gives none"
        );
        // 800 in 1 s: error -300, waited 0.5 s x 800/s: 500 + 300 - 0.2 x 400.
        assert_eq!(pid.compute(800, times(3_000, 1_000, 500)), Some(720.0));
        // The same speed as the rate, nothing waited.
        assert_eq!(pid.compute(720, times(4_000, 1_000, 0)), Some(720.0));
        // 10 in 1 s is far below what must be.
        assert_eq!(pid.compute(10, times(5_000, 1_000, 0)), Some(100.0));
        let derived = PidSettings {
            derived: 1.0,
            integral: 0.0,
            min_rate: 1.0,
            ..PidSettings::default()
        };
        let mut pid = PidEstimator::new(1_000, derived);
        pid.compute(100, times(1_000, 1_000, 0));
        // Error 50, changed by 50 in 2 s: 100 - 50 - 25.
        assert_eq!(pid.compute(50, times(3_000, 1_000, 0)), Some(25.0));
    }

    /// spec 11.4
    #[test]
    fn what_is_learned_goes_on_elsewhere() {
        let fresh = || PidEstimator::new(1_000, PidSettings::default());
        let mut pid = fresh();
        assert_eq!(pid.state(), None);
        pid.compute(1_000, times(2_000, 2_000, 0));
        pid.compute(800, times(3_000, 1_000, 500));
        let mut other = fresh();
        other.resume(pid.state().unwrap());
        assert_eq!(
            other.compute(700, times(3_000, 1_000, 0)),
            None,
            "not later"
        );
        let next = times(4_000, 1_000, 100);
        assert_eq!(other.compute(700, next), pid.compute(700, next));
        let mut untouched = fresh();
        let nonsense = ControllerState {
            ended: 1,
            rate: f64::NAN.to_bits(),
            error: 0,
        };
        untouched.resume(nonsense);
        assert_eq!(untouched.state(), None);
    }

    #[test]
    fn batches_that_say_nothing_change_nothing() {
        let mut pid = PidEstimator::new(1_000, PidSettings::default());
        pid.compute(1_000, times(1_000, 1_000, 0));
        for (elements, nothing) in [
            (0, times(2_000, 1_000, 0)),
            (10, times(2_000, 0, 0)),
            (10, times(1_000, 1_000, 0)),
            (10, times(500, 1_000, 0)),
        ] {
            assert_eq!(pid.compute(elements, nothing), None, "{nothing:?}");
        }
        assert_eq!(pid.compute(1_000, times(2_000, 1_000, 0)), Some(1_000.0));
    }
}
