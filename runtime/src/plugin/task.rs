//! Which task an instance serves, and what it may use.

use std::{sync::Arc, time::Duration};

use xxhash_rust::xxh3::Xxh3;

use crate::model::{BatchTime, Text};

/// The task an instance serves: what `host.current-task` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The topology's name.
    pub topology: Arc<str>,
    /// The operator's name.
    pub operator: Arc<str>,
    /// The batch.
    pub batch_time: BatchTime,
    /// The partition.
    pub partition: u32,
    /// The operator's settings; no name twice.
    pub settings: Arc<[(String, Text)]>,
}

impl Task {
    /// A number below 2^31 that depends on the task's name and nothing else.
    pub(super) fn seed(&self) -> u32 {
        u32::try_from(self.digest() >> 33).unwrap_or(0)
    }

    /// A hash of the task's name.
    pub(super) fn digest(&self) -> u64 {
        let mut hash = Xxh3::new();
        for part in [&self.topology, &self.operator] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(&self.batch_time.as_millis().to_le_bytes());
        hash.update(&self.partition.to_le_bytes());
        hash.digest()
    }
}

/// What one instance may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceLimits {
    /// Bytes of linear memory.
    pub memory: usize,
    /// CPU time of all calls together.
    pub cpu_time: Duration,
    /// Bytes that one call may return.
    pub output: usize,
    /// Fuel of all calls together; only on an engine that counts it.
    pub fuel: Option<u64>,
    /// Log lines; more are dropped and counted.
    pub log_lines: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_depends_on_the_tasks_name_alone() {
        let task = |operator: &str, partition| Task {
            topology: "t".into(),
            operator: operator.into(),
            batch_time: BatchTime::from_millis(1_000),
            partition,
            settings: Arc::new([]),
        };
        assert_eq!(task("a", 0).seed(), task("a", 0).seed());
        assert_ne!(task("a", 0).seed(), task("a", 1).seed());
        assert_ne!(task("a", 0).seed(), task("b", 0).seed());
        assert!(task("a", 0).seed() < 1 << 31);
    }
}
