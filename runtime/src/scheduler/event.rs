//! What can happen to a running topology, and what is then done. Closed: a reader sees it all.

use crate::model::BatchTime;

/// Something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The topology starts, at this wall-clock time.
    Started(BatchTime),
    /// The topology goes on after a batch of an earlier run; none: that run had claimed none.
    Resumed {
        /// The last batch that was claimed.
        last: Option<BatchTime>,
        /// The wall clock's time.
        now: BatchTime,
    },
    /// The clock reached a tick.
    Tick(BatchTime),
    /// A batch is over.
    BatchEnded {
        /// Which.
        time: BatchTime,
        /// It did not succeed.
        failed: bool,
        /// No source will yield anything more.
        exhausted: bool,
    },
    /// Someone asked for a graceful stop.
    StopAsked,
    /// After a graceful stop was asked for: receivers have ended and all they stored is in blocks.
    ReceiversStopped,
}

/// Something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Wake up at this time, with [`Event::Tick`].
    WaitUntil(BatchTime),
    /// Let the sources say what belongs to this batch.
    Claim(BatchTime),
    /// Execute a claimed batch; then comes [`Event::BatchEnded`].
    Run(BatchTime),
    /// Tell receivers to stop; then comes [`Event::ReceiversStopped`].
    StopReceivers,
    /// It is over.
    Finish(Outcome),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All sources have ended.
    Exhausted,
    /// It was stopped.
    Stopped,
    /// A batch failed and the policy is to stop.
    BatchFailed(BatchTime),
}
