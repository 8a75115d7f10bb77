//! Answers that go on until whoever asked has gone: a line of JSON after the other.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::model::Namespace;

/// Such answers at once, for each namespace: connections are for all of them.
const MOST: usize = 16;

/// After so long without a line an empty one is sent, which finds out who has gone.
const BEAT: Duration = Duration::from_secs(10);

/// Counts what goes on, by namespace.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<BTreeMap<Namespace, Arc<Semaphore>>>);

impl Streams {
    /// A place for one more, to be held as long as it goes on.
    pub(super) fn place(&self, namespace: &Namespace) -> Result<OwnedSemaphorePermit, Problem> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = places
            .entry(namespace.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(MOST)));
        own.clone().try_acquire_owned().map_err(|_| {
            let what = format!(
                "{MOST} logs and taps of this namespace are followed already, which are the most; end one first"
            );
            Problem::new(StatusCode::TOO_MANY_REQUESTS, what)
        })
    }
}

/// Who reads a lot, one at a time in each namespace.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<BTreeMap<Namespace, Arc<Semaphore>>>);

impl Readers {
    /// Waits for one's turn, which is over when this is dropped.
    pub(super) async fn turn(&self, namespace: &Namespace) -> Option<OwnedSemaphorePermit> {
        let own = {
            let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let own = readers
                .entry(namespace.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(1)));
            own.clone()
        };
        own.acquire_owned().await.ok() // it is never closed
    }
}

/// Where lines come from.
pub(super) trait Lines: Send + 'static {
    /// The next bytes, when there are some; none at the end. Nothing is lost if it is dropped while
    /// it waits.
    fn next(&mut self) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

/// Sends lines as they come, until they end, the client leaves or the server stops.
pub(super) fn follow(lines: impl Lines, place: OwnedSemaphorePermit) -> Response {
    let chunks = stream::unfold((lines, place), async |(mut lines, place)| {
        let next = tokio::time::timeout(BEAT, lines.next()).await;
        let bytes = next.unwrap_or_else(|_| Some(b"\n".to_vec()))?;
        Some((Ok(bytes), (lines, place)))
    });
    ndjson(Body::from_stream(sendable(chunks)))
}

/// The compiler finds out here, rather than far away, what cannot be sent.
fn sendable<S>(chunks: S) -> S
where
    S: Stream<Item = Result<Vec<u8>, Infallible>> + Send,
{
    chunks
}

/// Lines that are all there.
pub(super) fn ndjson(body: Body) -> Response {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Adds a line.
pub(super) fn write(value: &impl Serialize, to: &mut Vec<u8>) {
    // What is written here has no maps with odd keys, and memory does not fail.
    if serde_json::to_writer(&mut *to, value).is_ok() {
        to.push(b'\n');
    }
}
