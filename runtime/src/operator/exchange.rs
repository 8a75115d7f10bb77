//! Which partition of the next stage a row goes to.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;

use super::{KeyEncoder, StepError, partition_of};

/// What happens to the rows that a stage's chain puts out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// They stay in their partition.
    Keep,
    /// They all go to one partition.
    Gather,
    /// Rows with equal keys go to the same one of `partitions`.
    ByKey {
        /// Key columns.
        keys: Vec<usize>,
        /// How many.
        partitions: usize,
    },
    /// Every partition gets all of them.
    Broadcast {
        /// How many.
        partitions: usize,
    },
    /// Row i of partition p goes to (p + i) modulo `partitions`.
    RoundRobin {
        /// How many.
        partitions: usize,
    },
}

impl Exchange {
    /// How many partitions the next stage has, if this one has `partitions`.
    pub fn partitions(&self, partitions: usize) -> usize {
        match self {
            Exchange::Keep => partitions,
            Exchange::Gather => 1,
            Exchange::ByKey { partitions, .. }
            | Exchange::Broadcast { partitions }
            | Exchange::RoundRobin { partitions } => *partitions,
        }
    }

    /// Sends a chunk of partition `from` to where its rows belong. `sent` counts the rows that the
    /// partition has sent so far.
    ///
    /// # Errors
    /// When Arrow cannot copy the rows.
    pub fn send(
        &self,
        from: usize,
        sent: &mut usize,
        chunk: RecordBatch,
        to: &mut [Vec<RecordBatch>],
    ) -> Result<(), StepError> {
        let rows = chunk.num_rows();
        let start = from + *sent;
        *sent += rows;
        let targets = to.len();
        match self {
            Exchange::Keep | Exchange::Gather => {
                if let Some(first) = to.first_mut() {
                    first.push(chunk);
                }
                return Ok(());
            }
            _ if targets == 1 => {
                to[0].push(chunk);
                return Ok(());
            }
            Exchange::Broadcast { .. } => {
                for target in to {
                    target.push(chunk.clone());
                }
                return Ok(());
            }
            Exchange::ByKey { .. } | Exchange::RoundRobin { .. } => {}
        }
        let mut picked: Vec<Vec<u32>> = vec![Vec::with_capacity(rows / targets + 1); targets];
        let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        if let Exchange::ByKey { keys, .. } = self {
            let columns: Vec<ArrayRef> = keys.iter().map(|&k| chunk.column(k).clone()).collect();
            let encoder = KeyEncoder::new(&columns);
            let mut key = Vec::with_capacity(64);
            for row in 0..rows {
                key.clear();
                encoder.encode(row, &mut key);
                picked[partition_of(&key, targets)].push(number(row));
            }
        } else {
            for row in 0..rows {
                picked[(start + row) % targets].push(number(row));
            }
        }
        for (target, rows) in to.iter_mut().zip(picked) {
            if !rows.is_empty() {
                target.push(take_record_batch(&chunk, &UInt32Array::from(rows))?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, cast::AsArray, types::Int64Type};

    use super::*;
    use crate::model::{Kind, Schema};

    fn send(exchange: &Exchange, from: usize, chunks: &[&[i64]]) -> Vec<Vec<i64>> {
        let mut to = vec![Vec::new(); exchange.partitions(3)];
        let mut sent = 0;
        for values in chunks {
            let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
            let schema = Schema::plain(Kind::Int64).to_arrow();
            let chunk = RecordBatch::try_new(schema, vec![column]).unwrap();
            exchange.send(from, &mut sent, chunk, &mut to).unwrap();
        }
        let values = |chunks: &Vec<RecordBatch>| {
            let columns = chunks
                .iter()
                .map(|c| c.column(0).as_primitive::<Int64Type>());
            columns.flat_map(|c| c.values().to_vec()).collect()
        };
        to.iter().map(values).collect()
    }

    #[test]
    fn repartitioning_is_even_and_goes_on_from_chunk_to_chunk() {
        let exchange = Exchange::RoundRobin { partitions: 2 };
        assert_eq!(
            send(&exchange, 0, &[&[1, 2, 3], &[4]]),
            [vec![1, 3], vec![2, 4]]
        );
        assert_eq!(send(&exchange, 1, &[&[1, 2, 3]]), [vec![2], vec![1, 3]]);
    }

    #[test]
    fn equal_keys_meet_and_nothing_is_lost() {
        let exchange = Exchange::ByKey {
            keys: vec![0],
            partitions: 4,
        };
        let values: Vec<i64> = (0..100).map(|n| n % 10).collect();
        let parts = send(&exchange, 0, &[&values[..50], &values[50..]]);
        for value in 0..10 {
            let holders = parts.iter().filter(|p| p.contains(&value)).count();
            assert_eq!(holders, 1, "{value}");
        }
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 100);
    }
}
