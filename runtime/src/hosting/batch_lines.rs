//! What a topology's log says of its batches.

use crate::{stream::BatchReport, topology::OnError};

/// Says what went wrong in a batch; nothing of one in which nothing did.
pub(super) fn tell(report: &BatchReport) {
    let batch = report.time.as_millis();
    for (node, rows, first) in &report.dropped {
        tracing::warn!(
            batch,
            operator = node.as_str(),
            "{rows} rows were rejected, and nothing reads `{node}.rejected`; the first: {first}"
        );
    }
    for of in &report.left_out {
        let what = match of.on_error {
            OnError::DeadLetter => "put with the dead letters",
            OnError::Skip | OnError::Fail => "skipped",
        };
        let (operator, rows) = (of.operator.as_str(), of.rows);
        tracing::warn!(
            batch,
            operator,
            "{rows} rows were {what}; the first: {}",
            of.reason
        );
    }
    if report.replaced > 0 {
        let lines = report.replaced;
        tracing::warn!(
            batch,
            "{lines} lines were no UTF-8 and repaired with U+FFFD"
        );
    }
    for error in &report.errors {
        tracing::error!(batch, "{error}");
    }
}
