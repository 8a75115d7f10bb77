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
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::problem::Problem;
use crate::model::Namespace;

/// Such answers at once, for each namespace: connections are for all of them.
const MOST: usize = 16;

/// So often an empty line is sent, which finds out who has gone, and the token is looked at.
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

/// Someone who is sent lines.
struct Follower<L, K> {
    lines: L,
    is_known: K,
    known_at: Instant,
    _place: OwnedSemaphorePermit,
}

/// Sends lines as they come, until they end, the client leaves or is not known any more, or the
/// server stops.
pub(super) fn follow(
    lines: impl Lines,
    place: OwnedSemaphorePermit,
    is_known: impl Fn() -> bool + Send + 'static,
) -> Response {
    let follower = Follower {
        lines,
        is_known,
        known_at: Instant::now(),
        _place: place,
    };
    let chunks = stream::unfold(follower, async |mut follower| {
        let bytes = follower.next().await?;
        Some((Ok(bytes), follower))
    });
    ndjson(Body::from_stream(sendable(chunks)))
}

impl<L: Lines, K: Fn() -> bool + Send> Follower<L, K> {
    async fn next(&mut self) -> Option<Vec<u8>> {
        let beat = self.known_at + BEAT;
        if Instant::now() < beat
            && let Ok(next) = timeout_at(beat, self.lines.next()).await
        {
            return next;
        }
        self.known_at = Instant::now();
        (self.is_known)().then(|| b"\n".to_vec())
    }
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

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use axum::body::to_bytes;

    use super::*;

    /// These lines, each after so many seconds.
    struct Timed(VecDeque<u64>);

    impl Lines for Timed {
        async fn next(&mut self) -> Option<Vec<u8>> {
            let after = self.0.front().copied()?;
            tokio::time::sleep(Duration::from_secs(after)).await;
            self.0.pop_front();
            Some(format!("{after}\n").into_bytes())
        }
    }

    async fn followed(lines: &[u64], known: usize) -> String {
        let streams = Streams::default();
        let namespace: Namespace = "a".parse().unwrap();
        let looks = AtomicUsize::new(0);
        let is_known = move || looks.fetch_add(1, Ordering::Relaxed) < known;
        let lines = Timed(lines.iter().copied().collect());
        let response = follow(lines, streams.place(&namespace).unwrap(), is_known);
        let all = to_bytes(response.into_body(), 1_000).await.unwrap();
        // Its place is free again.
        let places: Result<Vec<_>, _> = (0..MOST).map(|_| streams.place(&namespace)).collect();
        assert!(places.is_ok() && streams.place(&namespace).is_err());
        String::from_utf8(all.to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn lines_end_with_the_token_and_silence_is_broken() {
        assert_eq!(followed(&[1, 2], 9).await, "1\n2\n");
        // One that takes longer than a beat begins anew here; real ones go on.
        assert_eq!(followed(&[4, 4, 9], 9).await, "4\n4\n\n9\n");
        let known_once = "3\n3\n3\n\n3\n3\n3\n";
        assert_eq!(followed(&[3; 100], 1).await, known_once);
    }
}
