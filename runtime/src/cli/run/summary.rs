//! What is said at the end of a run.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use super::{super::output::counted, narrator::per_second};
use crate::{checkpoint::Left, stream::Summary};

/// A run that is over.
pub(super) struct Ended {
    pub(super) how: How,
    pub(super) run: Summary,
    /// For the next run; none without a checkpoint.
    pub(super) left: Option<Left>,
}

/// How a run ended, for whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// All sources have ended.
    Exhausted,
    /// It was stopped, gracefully.
    Stopped,
    /// Whoever read standard output has gone, as with `| head`: they have seen enough.
    Unread,
    /// It was stopped at once.
    Aborted,
    /// A batch failed.
    Failed,
}

impl How {
    const fn name(self) -> &'static str {
        match self {
            How::Exhausted => "exhausted",
            How::Stopped => "stopped",
            How::Unread => "unread",
            How::Aborted => "aborted",
            How::Failed => "failed",
        }
    }
}

/// For people.
pub(super) fn text(ended: &Ended) -> String {
    let run = &ended.run;
    let mut text = format!(
        "{} in {}, {} in {}: {} records/s, {}/s\n",
        counted(run.records, "record", "records"),
        counted(run.batches, "batch", "batches"),
        bytes(run.bytes as f64),
        seconds(run.elapsed),
        per_second(run.records, run.elapsed),
        bytes(rate(run.bytes, run.elapsed)),
    );
    let share = run.sandbox.as_secs_f64() / run.cpu.as_secs_f64().max(f64::MIN_POSITIVE);
    let _ = writeln!(
        text,
        "{} of CPU in tasks, {} of it in the sandbox ({:.0} %)",
        seconds(run.cpu),
        seconds(run.sandbox),
        share * 100.0
    );
    if run.replaced > 0 {
        let lines = counted(run.replaced, "line was", "lines were");
        let _ = writeln!(text, "{lines} no UTF-8 and repaired");
    }
    if run.dropped > 0 {
        let rows = counted(run.dropped, "row was", "rows were");
        let _ = writeln!(text, "{rows} rejected and dropped");
    }
    if run.skipped > 0 {
        let rows = counted(run.skipped, "row was", "rows were");
        let _ = writeln!(text, "{rows} skipped after a fault");
    }
    if run.dead_lettered > 0 {
        let rows = counted(run.dead_lettered, "row", "rows");
        let _ = writeln!(
            text,
            "{rows} became dead letters: see rsrt dead-letters show"
        );
    }
    if run.failed > 0 {
        let failed = counted(run.failed, "batch", "batches");
        let _ = writeln!(text, "{failed} failed");
    }
    match ended.left {
        Some(Left {
            batches: 0,
            blocks: 0,
        }) => {}
        Some(Left { batches, blocks }) => {
            let batches = counted(batches, "batch", "batches");
            let blocks = counted(blocks, "logged block", "logged blocks");
            let _ = writeln!(
                text,
                "the next run makes {batches} again and takes up {blocks}"
            );
        }
        None if ended.how == How::Aborted => {
            text.push_str("what was received and is in none of these batches is lost\n");
        }
        None => {}
    }
    text
}

/// For programs; the keys are documented in the help of `rsrt run`.
pub(super) fn json(ended: &Ended) -> Value {
    let run = &ended.run;
    let mut summary = json!({
        "outcome": ended.how.name(),
        "batches": run.batches,
        "failed-batches": run.failed,
        "records": run.records,
        "bytes": run.bytes,
        "rejected": run.dropped,
        "skipped": run.skipped,
        "dead-lettered": run.dead_lettered,
        "replaced": run.replaced,
        "seconds": run.elapsed.as_secs_f64(),
        "records-per-second": rate(run.records, run.elapsed),
        "bytes-per-second": rate(run.bytes, run.elapsed),
        "cpu-seconds": run.cpu.as_secs_f64(),
        "sandbox-seconds": run.sandbox.as_secs_f64(),
        "last-error": run.last_error.as_ref().map(ToString::to_string),
    });
    if let (Some(left), Value::Object(keys)) = (ended.left, &mut summary) {
        keys.insert("batches-left".to_owned(), left.batches.into());
        keys.insert("blocks-left".to_owned(), left.blocks.into());
    }
    summary
}

/// Zero for no time at all: such a number is no rate.
fn rate(number: u64, elapsed: Duration) -> f64 {
    match elapsed.is_zero() {
        true => 0.0,
        false => number as f64 / elapsed.as_secs_f64(),
    }
}

fn seconds(duration: Duration) -> String {
    match duration.as_secs_f64() {
        short if short < 10.0 => format!("{short:.3} s"),
        long => format!("{long:.1} s"),
    }
}

fn bytes(number: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let unit = UNITS.iter().find(|(size, _)| number >= *size);
    match unit {
        Some((size, unit)) => format!("{:.1} {unit}", number / size),
        None => format!("{number:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::Outcome;

    fn ended(run: Summary, left: Option<Left>) -> Ended {
        Ended {
            how: How::Exhausted,
            run,
            left,
        }
    }

    fn run() -> Summary {
        Summary {
            outcome: Outcome::Exhausted,
            batches: 12,
            failed: 1,
            records: 1_234_567,
            bytes: 50_000_000,
            replaced: 3,
            dropped: 1,
            skipped: 2,
            dead_lettered: 1,
            cpu: Duration::from_millis(800),
            sandbox: Duration::from_millis(200),
            elapsed: Duration::from_millis(500),
            last_error: None,
            went_back: false,
        }
    }

    #[test]
    fn a_summary_reads_well() {
        insta::assert_snapshot!(text(&ended(run(), None)), @r"
        1,234,567 records in 12 batches, 50.0 MB in 0.500 s: 2,469,134 records/s, 100.0 MB/s
        0.800 s of CPU in tasks, 0.200 s of it in the sandbox (25 %)
        3 lines were no UTF-8 and repaired
        1 row was rejected and dropped
        2 rows were skipped after a fault
        1 row became dead letters: see rsrt dead-letters show
        1 batch failed
        ");
        let ended = Ended {
            how: How::Failed,
            run: run(),
            left: None,
        };
        insta::assert_snapshot!(json(&ended), @r#"{"outcome":"failed","batches":12,"failed-batches":1,"records":1234567,"bytes":50000000,"rejected":1,"skipped":2,"dead-lettered":1,"replaced":3,"seconds":0.5,"records-per-second":2469134.0,"bytes-per-second":100000000.0,"cpu-seconds":0.8,"sandbox-seconds":0.2,"last-error":null}"#);
    }

    #[test]
    fn nothing_at_all_is_no_division_by_zero() {
        let nothing = Summary {
            records: 0,
            bytes: 0,
            cpu: Duration::ZERO,
            sandbox: Duration::ZERO,
            elapsed: Duration::ZERO,
            ..run()
        };
        let text = text(&ended(
            nothing,
            Some(Left {
                batches: 1,
                blocks: 2,
            }),
        ));
        assert!(
            text.ends_with("makes 1 batch again and takes up 2 logged blocks\n"),
            "{text}"
        );
        assert!(
            text.contains("0 B in 0.000 s: 0 records/s, 0 B/s"),
            "{text}"
        );
        assert!(text.contains("(0 %)"), "{text}");
    }
}
