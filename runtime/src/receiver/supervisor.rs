//! Runs a receiver, again and again (spec 9.5).

use std::{num::NonZeroUsize, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Receiver, ReceiverError, Store};
use crate::model::NodeName;

/// Between the end of a receiver and its next start (spec 9.5).
const RESTART_DELAY: Duration = Duration::from_secs(2);
/// The same, of one that does not reach its source: twice as long each time, up to this.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// A receiver that is not run any more, though nobody stopped it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gave up after {attempts} failed attempts: {last}")]
pub struct GaveUp {
    /// How often it failed in a row.
    pub attempts: usize,
    /// How it failed the last time.
    pub last: String,
}

/// Whether to go on. Pure.
#[derive(Debug)]
struct Attempts {
    most: Option<NonZeroUsize>,
    failed: usize,
}

impl Attempts {
    /// Until the next start.
    fn delay(&self) -> Duration {
        let doublings = u32::try_from(self.failed.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.saturating_pow(doublings.min(16));
        RESTART_DELAY.saturating_mul(factor).min(LONGEST_DELAY)
    }

    /// Takes the end of a run into account; an error if it was one failure too many. Only not
    /// reaching the source counts as one, and reaching it starts the count anew.
    fn ended(&mut self, end: &Result<(), ReceiverError>) -> Result<(), GaveUp> {
        let Err(error @ ReceiverError::Unreachable { .. }) = end else {
            self.failed = 0;
            return Ok(());
        };
        self.failed = self.failed.saturating_add(1);
        match self.most {
            Some(most) if self.failed >= most.get() => Err(GaveUp {
                attempts: self.failed,
                last: error.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

/// Runs the receiver until it is stopped.
///
/// # Errors
/// When it failed too often in a row.
pub(super) async fn supervise(
    name: NodeName,
    mut receiver: Box<dyn Receiver>,
    store: Store,
    stop: CancellationToken,
    most: Option<NonZeroUsize>,
) -> Result<(), GaveUp> {
    let mut attempts = Attempts { most, failed: 0 };
    loop {
        let from = store.position().await;
        let end = receiver.run(store.clone(), stop.clone(), from).await;
        if stop.is_cancelled() {
            return Ok(());
        }
        attempts.ended(&end)?;
        let why = end.map_or_else(
            |error| error.to_string(),
            |()| "the source ended".to_owned(),
        );
        let delay = attempts.delay();
        tracing::warn!(source = %name, why, "the receiver starts again in {} s", delay.as_secs());
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_to_reach_the_source_in_a_row_count() {
        let unreachable = || {
            Err(ReceiverError::Unreachable {
                source_name: "host:1".to_owned(),
                error: "refused".into(),
            })
        };
        let lost = || {
            Err(ReceiverError::Lost {
                source_name: "host:1".to_owned(),
                error: "reset".into(),
            })
        };
        let mut attempts = Attempts {
            most: NonZeroUsize::new(2),
            failed: 0,
        };
        for end in [unreachable(), Ok(()), unreachable(), lost(), unreachable()] {
            assert_eq!(attempts.ended(&end), Ok(()), "{end:?}");
        }
        let gave_up = attempts.ended(&unreachable()).unwrap_err();
        assert_eq!(
            gave_up.to_string(),
            "gave up after 2 failed attempts: cannot reach host:1: refused"
        );
        let mut attempts = Attempts {
            most: None,
            failed: 0,
        };
        let mut delays = Vec::new();
        for end in [
            lost(),
            unreachable(),
            unreachable(),
            unreachable(),
            unreachable(),
            unreachable(),
            Ok(()),
        ] {
            assert_eq!(attempts.ended(&end), Ok(()));
            delays.push(attempts.delay().as_secs());
        }
        assert_eq!(delays, [2, 2, 4, 8, 16, 30, 2]);
        let mut patient = Attempts {
            most: None,
            failed: usize::MAX,
        };
        assert_eq!(patient.ended(&unreachable()), Ok(()));
    }
}
