//! Before a batch is given to sinks, and when it is over.

use std::{sync::Arc, time::Duration};

use super::batches::{Batches, Committed, Ended, lock, not_durable};
use crate::{
    checkpoint::SourceFact,
    model::BatchTime,
    receiver::BatchTimes,
    scheduler::{BatchError, BatchOutput},
    topology::OnFailedBatch,
};

impl Batches {
    /// What came of a batch is written down, and sources hear of it.
    pub(super) fn conclude(&self, mut ended: Ended, committed: Option<bool>) -> Ended {
        let (time, errors) = (ended.report.time, &mut ended.report.errors);
        // A batch that was given up because of an abort has not failed: the next run makes it.
        let continues =
            self.topology.on_failed_batch == OnFailedBatch::Continue && !self.executor.is_aborted();
        let goes_on = errors.is_empty() || continues;
        if !goes_on && ended.untouched {
            self.write_failed(time);
        }
        ended.committed = match (committed, &self.checkpoint) {
            (Some(failed), _) => Committed::Before { failed },
            (None, Some(checkpoint)) if goes_on && !ended.fatal => {
                match checkpoint.commit(time, !errors.is_empty()) {
                    Ok(()) => Committed::Now,
                    Err(error) => {
                        errors.push(Arc::new(not_durable(time, "commit it", &error)));
                        ended.fatal = true;
                        Committed::No
                    }
                }
            }
            _ => Committed::No,
        };
        let times = BatchTimes {
            ended: self.clock.wall_millis(),
            processing: millis(ended.report.processing),
            scheduling: millis(ended.report.scheduling_delay),
        };
        for (_, source) in lock(&self.sources).iter_mut() {
            source.batch_ended(time, times);
        }
        ended.goes_back = false;
        ended
    }

    /// All that must be durable before a sink gets anything of a batch is.
    pub(super) fn may_give(
        &self,
        (time, on_trial): (BatchTime, bool),
        output: &BatchOutput,
        sources: &[SourceFact],
    ) -> Result<(), BatchError> {
        self.keep_letters(time, output, sources)?;
        let Some(checkpoint) = self.checkpoint.as_ref().filter(|_| on_trial) else {
            return Ok(());
        };
        let given = checkpoint.given(time);
        given.map_err(|error| not_durable(time, "give it to sinks", &error))
    }

    /// An operator failed on the batch, and the run ends.
    fn write_failed(&self, time: BatchTime) {
        if let Some(checkpoint) = self
            .checkpoint
            .as_ref()
            .filter(|_| !self.executor.is_aborted())
            && let Err(error) = checkpoint.failed(time)
        {
            tracing::warn!("batch {time} is bound to this version of the topology: {error}");
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
