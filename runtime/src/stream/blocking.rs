//! Work that blocks, on a thread of its own.

use tokio::task::JoinHandle;

use crate::model::BatchTime;

/// As tokio's, and what is logged there belongs to the span from which this is called.
pub(super) fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

/// As [`spawn_blocking`], for a batch: what is logged says which.
pub(super) fn spawn_batch<T: Send + 'static>(
    time: BatchTime,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    batch_span(time).in_scope(|| spawn_blocking(work))
}

/// What is logged within belongs to the batch.
pub(super) fn batch_span(time: BatchTime) -> tracing::Span {
    tracing::info_span!("batch", batch = time.as_millis())
}
