//! Tells what comes of each batch, while the topology runs.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use super::super::{
    console::Console,
    output::{counted, grouped},
};
use crate::{
    clock::Clock,
    scheduler::BatchError,
    sink::SinkProblem,
    stream::{BatchReport, Listener, Stop},
    topology::OnError,
};

/// Hears of batches and tells people.
pub(super) struct Narrator {
    console: Console,
    clock: Arc<dyn Clock>,
    started: Duration,
    stop: Stop,
    batches: u64,
    records: u64,
    reader_left: bool,
}

impl Narrator {
    pub(super) fn new(console: Console, clock: Arc<dyn Clock>, stop: Stop) -> Self {
        Self {
            started: clock.monotonic(),
            console,
            clock,
            stop,
            batches: 0,
            records: 0,
            reader_left: false,
        }
    }

    /// Whoever read standard output has gone.
    pub(super) fn reader_left(&self) -> bool {
        self.reader_left
    }

    fn show_progress(&self, batch: &BatchReport) {
        let elapsed = self.clock.monotonic().saturating_sub(self.started);
        let lag = batch.scheduling_delay + batch.processing;
        self.console.progress(format!(
            "{}, {}, {} records/s, lag {} ms",
            counted(self.batches, "batch", "batches"),
            counted(self.records, "record", "records"),
            per_second(self.records, elapsed),
            lag.as_millis()
        ));
    }
}

impl Listener for Narrator {
    fn batch_ended(&mut self, batch: &BatchReport) {
        self.batches += 1;
        self.records += batch.records;
        for (node, rows, reason) in &batch.dropped {
            let rows = counted(*rows, "row was", "rows were");
            self.console.warning(&format!(
                "batch {}: {node}: {rows} rejected, and nothing reads `{node}.rejected`; the first: {reason}",
                batch.time
            ));
        }
        for of in &batch.left_out {
            let rows = counted(of.rows, "row was", "rows were");
            let what = match of.on_error {
                OnError::DeadLetter => "put with the dead letters",
                OnError::Skip | OnError::Fail => "skipped",
            };
            self.console.warning(&format!(
                "batch {}: {}: {rows} {what}; the first: {}",
                batch.time, of.operator, of.reason
            ));
        }
        if batch.replaced > 0 {
            let lines = counted(batch.replaced, "line was", "lines were");
            self.console.warning(&format!(
                "batch {}: {lines} no UTF-8 and repaired with U+FFFD",
                batch.time
            ));
        }
        for error in &batch.errors {
            if is_closed_pipe(error) {
                self.reader_left = true;
            } else {
                self.console.error(&with_detail(error));
            }
        }
        if self.reader_left {
            self.stop.abort();
        }
        self.show_progress(batch);
    }
}

/// The reader of standard output has closed it.
fn is_closed_pipe(error: &BatchError) -> bool {
    let BatchError::Sink { error, .. } = error else {
        return false;
    };
    matches!(error.problem(), SinkProblem::Print(error) if error.kind() == ErrorKind::BrokenPipe)
}

/// The error, with the guest's stack below it.
pub(in crate::cli) fn with_detail(error: &BatchError) -> String {
    let mut text = error.to_string();
    for line in error.detail().lines() {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text
}

/// So many a second, as people read it.
pub(super) fn per_second(number: u64, elapsed: Duration) -> String {
    let nanos = elapsed.as_nanos().max(1);
    let rate = u128::from(number) * 1_000_000_000 / nanos;
    grouped(u64::try_from(rate).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_over_all_the_time_so_far() {
        for (number, millis, expected) in
            [(0, 1_000, "0"), (3, 2_000, "1"), (5_000, 2, "2,500,000")]
        {
            assert_eq!(per_second(number, Duration::from_millis(millis)), expected);
        }
    }
}
