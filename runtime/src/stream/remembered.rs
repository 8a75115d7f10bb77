//! Batches that sinks have got, kept for a while so that they can be asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    model::{Batch, BatchTime, NodeName},
    sink::{Sink, SinkError},
};

/// The batches of each sink by time. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered(Arc<Mutex<BTreeMap<NodeName, BTreeMap<BatchTime, Batch>>>>);

impl Remembered {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeName, BTreeMap<BatchTime, Batch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches of a sink with times from `from` to `to`, both included.
    pub(super) fn slice(
        &self,
        sink: &NodeName,
        from: BatchTime,
        to: BatchTime,
    ) -> Vec<(BatchTime, Batch)> {
        let all = self.lock();
        let Some(batches) = all.get(sink).filter(|_| from <= to) else {
            return Vec::new();
        };
        let batches = batches.range(from..=to);
        batches
            .map(|(time, batch)| (*time, batch.clone()))
            .collect()
    }

    /// The sink, whose batches are kept for so long after they are done (spec 3.5).
    pub(super) fn around(
        &self,
        name: &NodeName,
        sink: Box<dyn Sink>,
        length: Duration,
    ) -> Box<dyn Sink> {
        Box::new(RememberingSink {
            name: name.clone(),
            sink,
            length: i64::try_from(length.as_millis()).unwrap_or(i64::MAX),
            batches: self.clone(),
        })
    }
}

struct RememberingSink {
    name: NodeName,
    sink: Box<dyn Sink>,
    /// In milliseconds.
    length: i64,
    batches: Remembered,
}

impl Sink for RememberingSink {
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError> {
        self.sink.write(time, batch)?;
        let mut all = self.batches.lock();
        let batches = all.entry(self.name.clone()).or_default();
        batches.insert(time, batch.clone());
        let gone = BatchTime::from_millis(time.as_millis().saturating_sub(self.length));
        batches.retain(|time, _| *time > gone);
        Ok(())
    }

    fn forget_before(&mut self, time: BatchTime) {
        self.sink.forget_before(time);
    }
}
