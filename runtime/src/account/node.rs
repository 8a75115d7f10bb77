//! What one source, operator or sink uses.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

/// The part of an account that is one source's, operator's or sink's.
#[derive(Debug, Default)]
pub struct Node {
    cpu: AtomicU64,
    records_in: AtomicU64,
    bytes_in: AtomicU64,
    records_out: AtomicU64,
    memory_peak: AtomicUsize,
}

/// What a node has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// CPU time, in the sandbox and around it.
    pub cpu: Duration,
    /// Records that came in.
    pub records_in: u64,
    /// Their bytes, in columns or as they were read.
    pub bytes_in: u64,
    /// Records that came out.
    pub records_out: u64,
    /// The most memory of one instance.
    pub memory_peak: usize,
}

impl Node {
    /// CPU time, which its topology is charged by the thread.
    pub fn used(&self, cpu: Duration) {
        super::add(&self.cpu, cpu);
    }

    /// Records came in.
    pub fn took(&self, records: u64, bytes: u64) {
        self.records_in.fetch_add(records, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records came out.
    pub fn made(&self, records: u64) {
        self.records_out.fetch_add(records, Ordering::Relaxed);
    }

    /// An instance had so much memory.
    pub fn instance_has(&self, bytes: usize) {
        self.memory_peak.fetch_max(bytes, Ordering::Relaxed);
    }

    /// All so far.
    pub fn spent(&self) -> Spent {
        Spent {
            cpu: Duration::from_nanos(self.cpu.load(Ordering::Relaxed)),
            records_in: self.records_in.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            records_out: self.records_out.load(Ordering::Relaxed),
            memory_peak: self.memory_peak.load(Ordering::Relaxed),
        }
    }
}
