//! What sinks got, kept for comparison.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    format::rows_to_json,
    model::{Batch, BatchTime, NodeName},
    sink::{Sink, SinkError},
};

/// Rows by batch time.
pub type Captured = BTreeMap<BatchTime, Vec<Value>>;

/// Keeps every batch. Clones share what is kept.
#[derive(Debug, Clone)]
pub struct CaptureSink {
    name: NodeName,
    captured: Arc<Mutex<Captured>>,
}

impl CaptureSink {
    /// One that has got nothing yet.
    pub fn new(name: &NodeName) -> Self {
        Self {
            name: name.clone(),
            captured: Arc::default(),
        }
    }

    /// What it got so far.
    pub fn captured(&self) -> Captured {
        let captured = self.captured.lock();
        captured.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for CaptureSink {
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError> {
        let mut rows = Vec::with_capacity(batch.rows());
        for chunk in batch.chunks() {
            let chunk = rows_to_json(chunk, &batch.schema);
            rows.extend(chunk.map_err(|error| SinkError::new(&self.name, time, error.into()))?);
        }
        let captured = self.captured.lock();
        captured
            .unwrap_or_else(PoisonError::into_inner)
            .insert(time, rows);
        Ok(())
    }
}
