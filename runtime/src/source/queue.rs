//! Batches that are given: in a JSON file, or by the cases of a test (spec 12.5).

use std::{collections::VecDeque, num::NonZeroUsize, path::Path};

use serde_json::Value;

use super::{
    Claim, PartitionReader, Source, SourceError, SourceProblem, file_range::unreadable,
    rows::RowPartition,
};
use crate::{
    format::rows_from_json,
    model::{BatchTime, NodeName, Schema},
    topology::QueueOrder,
};

/// Hands out given batches.
#[derive(Debug)]
pub struct QueueSource {
    name: NodeName,
    schema: Schema,
    order: QueueOrder,
    partitions: NonZeroUsize,
    /// Each with its number.
    waiting: VecDeque<(usize, Option<Vec<Value>>)>,
    /// Rows of a batch for which nothing waits.
    default: Vec<Value>,
}

impl QueueSource {
    /// Of these batches; none is "no batch" at its time.
    pub fn new(
        name: &NodeName,
        schema: &Schema,
        order: QueueOrder,
        partitions: NonZeroUsize,
        batches: Vec<Option<Vec<Value>>>,
    ) -> Self {
        Self {
            name: name.clone(),
            schema: schema.clone(),
            order,
            partitions,
            waiting: batches.into_iter().enumerate().collect(),
            default: Vec::new(),
        }
    }

    /// The same, with these rows in a batch for which nothing waits (spec 12.5).
    #[must_use]
    pub fn with_default(self, default: Vec<Value>) -> Self {
        Self { default, ..self }
    }

    /// Of the batches in a JSON file: a list with one list of rows per batch, or null.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else, or a row has another schema.
    pub fn open(
        name: &NodeName,
        schema: &Schema,
        order: QueueOrder,
        partitions: NonZeroUsize,
        path: &Path,
    ) -> Result<Self, SourceError> {
        let failed = |problem| SourceError::new(name, problem);
        let text = std::fs::read(path).map_err(|error| failed(unreadable(path, error)))?;
        let batches: Vec<Option<Vec<Value>>> = serde_json::from_slice(&text).map_err(|error| {
            failed(SourceProblem::NoQueue {
                path: path.to_owned(),
                problem: error.to_string(),
            })
        })?;
        for (batch, rows) in batches.iter().enumerate() {
            if let Some(rows) = rows {
                rows_from_json(schema, rows)
                    .map_err(|error| failed(SourceProblem::Row { batch, error }))?;
            }
        }
        Ok(Self::new(name, schema, order, partitions, batches))
    }

    /// The next batch: which one, and its rows.
    fn next_batch(&mut self) -> Option<(usize, Option<Vec<Value>>)> {
        let first = self.waiting.pop_front()?;
        if self.order == QueueOrder::OneAtATime {
            return Some(first);
        }
        let (number, mut rows) = first;
        for (_, more) in self.waiting.drain(..) {
            if let Some(more) = more {
                rows.get_or_insert_default().extend(more);
            }
        }
        Some((number, rows))
    }
}

impl Source for QueueSource {
    /// After the last batch, the default one.
    fn claim(&mut self, _: BatchTime) -> Result<Claim, SourceError> {
        let (batch, rows) = match self.next_batch() {
            Some((batch, Some(rows))) => (batch, rows),
            Some((_, None)) => return Ok(Claim::NoBatch),
            None => (0, self.default.clone()),
        };
        let chunk = rows_from_json(&self.schema, &rows)
            .map_err(|error| SourceError::new(&self.name, SourceProblem::Row { batch, error }))?;
        let (total, count) = (chunk.num_rows(), self.partitions.get());
        let bound = |partition: usize| {
            // n * i / p without overflow, for n and p of any size.
            total / count * partition + total % count * partition / count
        };
        let readers = (0..count).map(|partition| {
            let (from, to) = (bound(partition), bound(partition + 1));
            let rows = chunk.slice(from, to - from);
            Box::new(RowPartition::new(rows)) as Box<dyn PartitionReader>
        });
        Ok(Claim::Batch(readers.collect()))
    }

    fn is_exhausted(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
