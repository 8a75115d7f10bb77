//! Batches that are given: in a JSON file, or by the cases of a test (spec 12.5).

use std::{collections::VecDeque, num::NonZeroUsize};

use serde_json::Value;

use super::{
    Claim, PartitionReader, Source, SourceError, SourceProblem, Taken, error::another_type,
    file_range::unreadable, rows::RowPartition,
};
use crate::{
    confine::Place,
    format::rows_from_json,
    model::{BatchTime, InputPosition, InputRange, NodeName, Schema},
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
    /// Batches that were taken, and the range of the last claim.
    taken: u64,
    last: Option<(u64, u64)>,
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
            taken: 0,
            last: None,
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
        path: &Place,
    ) -> Result<Self, SourceError> {
        let failed = |problem| SourceError::new(name, problem);
        let text = path
            .read()
            .map_err(|error| failed(unreadable(path, error)))?;
        let batches: Vec<Option<Vec<Value>>> = serde_json::from_slice(&text).map_err(|error| {
            failed(SourceProblem::NoQueue {
                path: path.shown(),
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

    /// Takes so many of those that wait, joined in order; the default batch if that is none.
    fn batch(&mut self, batches: usize) -> Result<Claim, SourceError> {
        let taken = self.waiting.drain(..batches.min(self.waiting.len()));
        let (mut number, mut rows) = (0, None);
        let mut count = 0;
        for (at, more) in taken {
            if rows.is_none() {
                number = at;
            }
            count += 1;
            if let Some(more) = more {
                rows.get_or_insert_with(Vec::new).extend(more);
            }
        }
        self.last = Some((self.taken, self.taken + count));
        self.taken += count;
        let rows = match (count, rows) {
            (0, _) => self.default.clone(),
            (_, Some(rows)) => rows,
            (_, None) => return Ok(Claim::NoBatch),
        };
        let chunk = rows_from_json(&self.schema, &rows).map_err(|error| {
            let batch = number;
            SourceError::new(&self.name, SourceProblem::Row { batch, error })
        })?;
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
}

impl Source for QueueSource {
    /// After the last batch, the default one.
    fn claim(&mut self, _: BatchTime) -> Result<Claim, SourceError> {
        self.batch(match self.order {
            QueueOrder::OneAtATime => 1,
            QueueOrder::All => usize::MAX,
        })
    }

    fn taken(&self) -> Option<Taken> {
        let (from, to) = self.last?;
        Some(Taken {
            range: InputRange::Batches { from, to },
            position: InputPosition::Batches(to),
        })
    }

    fn resume(&mut self, position: &InputPosition) -> Result<(), SourceError> {
        let InputPosition::Batches(taken) = *position else {
            return Err(another_type(&self.name));
        };
        let gone = usize::try_from(taken.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        self.waiting.drain(..gone.min(self.waiting.len()));
        self.taken = taken;
        Ok(())
    }

    fn replay(&mut self, _: BatchTime, range: &InputRange) -> Result<Claim, SourceError> {
        match *range {
            InputRange::Batches { from, to } if from <= to => {
                self.batch(usize::try_from(to - from).unwrap_or(usize::MAX))
            }
            _ => Err(another_type(&self.name)),
        }
    }

    fn is_exhausted(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
