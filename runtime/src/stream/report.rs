//! What a stream tells of its batches (spec 4.9, 4.10).

use std::{sync::Arc, time::Duration};

use super::VersionEvent;
use crate::{
    model::{BatchTime, NodeName},
    scheduler::{BatchError, LeftOutRows, OperatorUsage, Outcome},
    topology::OnError,
};

/// Hears of batches, in order, on the batch loop: it must be quick.
pub trait Listener: Send {
    /// A batch begins to be executed, or to be executed again.
    fn batch_began(&mut self, _time: BatchTime) {}

    /// A batch is over, successfully or not.
    fn batch_ended(&mut self, batch: &BatchReport);

    /// Something has become of a version.
    fn version(&mut self, _event: &VersionEvent) {}
}

/// Listens to nothing.
impl Listener for () {
    fn batch_ended(&mut self, _batch: &BatchReport) {}
}

/// What came of a batch.
#[derive(Debug, Clone)]
pub struct BatchReport {
    /// The batch.
    pub time: BatchTime,
    /// Records read from sources, the rejected among them.
    pub records: u64,
    /// Bytes read from sources.
    pub bytes: u64,
    /// Lines in which broken UTF-8 was replaced.
    pub replaced: u64,
    /// Rejected rows that nothing reads, by who rejected them, with the first reason.
    pub dropped: Vec<(NodeName, u64, String)>,
    /// What operators left out because their functions fail on it.
    pub left_out: Vec<LeftOutRows>,
    /// What sinks took, in the order of definition; a sink without a batch is not there.
    pub sinks: Vec<SinkReport>,
    /// From when the batch was claimed to when it began.
    pub scheduling_delay: Duration,
    /// From when it began to when its last sink was done.
    pub processing: Duration,
    /// CPU time of its tasks.
    pub cpu: Duration,
    /// What plugins used.
    pub operators: Vec<OperatorUsage>,
    /// Why it failed; empty if it did not.
    pub errors: Vec<Arc<BatchError>>,
}

impl BatchReport {
    /// CPU time inside the sandbox.
    pub fn sandbox(&self) -> Duration {
        self.operators.iter().map(|o| o.sandbox).sum()
    }
}

/// What a sink took of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkReport {
    /// The sink.
    pub sink: NodeName,
    /// Rows of the batch.
    pub rows: u64,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Batches that were run.
    pub batches: u64,
    /// Those that failed.
    pub failed: u64,
    /// Records read from sources.
    pub records: u64,
    /// Bytes read from sources.
    pub bytes: u64,
    /// Lines in which broken UTF-8 was replaced.
    pub replaced: u64,
    /// Rejected rows that nothing read.
    pub dropped: u64,
    /// Rows that operators skipped because their functions fail on them.
    pub skipped: u64,
    /// Those that became dead letters.
    pub dead_lettered: u64,
    /// CPU time of all tasks.
    pub cpu: Duration,
    /// CPU time inside the sandbox.
    pub sandbox: Duration,
    /// From start to end.
    pub elapsed: Duration,
    /// The latest error (spec 1.8).
    pub last_error: Option<Arc<BatchError>>,
    /// The version that ran is gone, and the one before could not take its place in this run: it
    /// goes on from the checkpoint, which knows [what it is made of](crate::checkpoint::ProgramFiles::kept).
    pub went_back: bool,
}

impl Summary {
    pub(super) fn new() -> Self {
        Self {
            outcome: Outcome::Stopped,
            batches: 0,
            failed: 0,
            records: 0,
            bytes: 0,
            replaced: 0,
            dropped: 0,
            skipped: 0,
            dead_lettered: 0,
            cpu: Duration::ZERO,
            sandbox: Duration::ZERO,
            elapsed: Duration::ZERO,
            last_error: None,
            went_back: false,
        }
    }

    pub(super) fn add(&mut self, batch: &BatchReport) {
        self.batches += 1;
        self.failed += u64::from(!batch.errors.is_empty());
        self.records += batch.records;
        self.bytes += batch.bytes;
        self.replaced += batch.replaced;
        self.dropped += batch.dropped.iter().map(|(_, rows, _)| rows).sum::<u64>();
        for of in &batch.left_out {
            match of.on_error {
                OnError::DeadLetter => self.dead_lettered += of.rows,
                OnError::Skip | OnError::Fail => self.skipped += of.rows,
            }
        }
        self.cpu += batch.cpu;
        self.sandbox += batch.sandbox();
        if let Some(error) = batch.errors.last() {
            self.last_error = Some(error.clone());
        }
    }
}
