//! How a running stream is told to stop.

use tokio_util::sync::CancellationToken;

/// Stops a stream, from any thread. Clones are the same signal.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    graceful: CancellationToken,
    abort: CancellationToken,
}

impl Stop {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops when all that receivers have stored is processed (spec 1.7).
    pub fn graceful(&self) {
        self.graceful.cancel();
    }

    /// Stops at once: running guests are interrupted and the batch they are at is given up.
    pub fn abort(&self) {
        self.graceful.cancel();
        self.abort.cancel();
    }

    /// A stop was asked for before.
    pub fn is_asked(&self) -> bool {
        self.graceful.is_cancelled()
    }

    /// [`Stop::abort`] was called.
    pub fn is_aborted(&self) -> bool {
        self.abort.is_cancelled()
    }

    /// Waits until a stop is asked for.
    pub async fn asked(&self) {
        self.graceful.cancelled().await;
    }

    pub(super) async fn aborted(&self) {
        self.abort.cancelled().await;
    }
}
