//! `sort` and `top`: rows in one total order.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::SortOptions;
use arrow_select::{concat::concat_batches, take::take_record_batch};

use super::{Emitted, Step, StepError, nan::one_nan};
use crate::{
    model::{CHUNK_ROWS, Schema},
    topology::SortKey,
};

/// Sorts all rows of a partition, and lets only the first pass if a number is given.
pub struct Sort {
    schema: Schema,
    by: Vec<SortKey>,
    most: Option<usize>,
    chunks: Vec<RecordBatch>,
    rows: usize,
}

impl Sort {
    /// Rows in the order of `by`, then of the columns that it does not name.
    pub fn new(schema: Schema, by: &[SortKey], most: Option<usize>) -> Self {
        let unnamed = (0..schema.fields().len()).filter(|c| by.iter().all(|key| key.column != *c));
        let rest = unnamed.map(|column| SortKey {
            column,
            descending: false,
        });
        Self {
            by: by.iter().copied().chain(rest).collect(),
            schema,
            most,
            chunks: Vec::new(),
            rows: 0,
        }
    }

    fn sorted(&mut self) -> Result<RecordBatch, StepError> {
        let chunks = std::mem::take(&mut self.chunks);
        let all = concat_batches(&self.schema.to_arrow(), &chunks)?;
        drop(chunks);
        let fields = self.by.iter().map(|key| {
            let options = SortOptions {
                descending: key.descending,
                nulls_first: false,
            };
            SortField::new_with_options(all.column(key.column).data_type().clone(), options)
        });
        let converter = RowConverter::new(fields.collect())?;
        let columns: Vec<_> = self
            .by
            .iter()
            .map(|k| one_nan(all.column(k.column)))
            .collect();
        let keys = converter.convert_columns(&columns)?;
        let rows = u32::try_from(all.num_rows())
            .map_err(|_| StepError::Arrow("more than 2^32 rows to sort".into()))?;
        let mut order: Vec<u32> = (0..rows).collect();
        // Rows with equal keys are equal in all columns, so an unstable sort is as good.
        let before = |a: &u32, b: &u32| keys.row(*a as usize).cmp(&keys.row(*b as usize));
        if let Some(most) = self.most.filter(|most| *most < order.len()) {
            order.select_nth_unstable_by(most, before);
            order.truncate(most);
        }
        order.sort_unstable_by(before);
        Ok(take_record_batch(&all, &UInt32Array::from(order))?)
    }
}

impl Step for Sort {
    fn push(&mut self, chunk: RecordBatch, _out: &mut Emitted) -> Result<(), StepError> {
        self.rows += chunk.num_rows();
        self.chunks.push(chunk);
        // Keeping only the first few bounds the memory by them, not by the batch.
        if let Some(most) = self.most
            && self.rows > most.saturating_mul(4).saturating_add(16 * CHUNK_ROWS)
        {
            let kept = self.sorted()?;
            self.rows = kept.num_rows();
            self.chunks.push(kept);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        if self.rows == 0 {
            return Ok(());
        }
        let all = self.sorted()?;
        let rows = all.num_rows();
        for start in (0..rows).step_by(CHUNK_ROWS) {
            out.rows
                .push(all.slice(start, CHUNK_ROWS.min(rows - start)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, Float64Array, Int64Array, StringArray, cast::AsArray, types::Float64Type,
    };

    use super::*;
    use crate::model::Kind;

    fn rows(words: &[&str], counts: &[i64]) -> RecordBatch {
        let schema = Schema::pair(Kind::Utf8, Kind::Int64);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(words.to_vec())),
            Arc::new(Int64Array::from(counts.to_vec())),
        ];
        RecordBatch::try_new(schema.to_arrow(), columns).unwrap()
    }

    fn sort(most: Option<usize>, by: &[SortKey], chunks: &[RecordBatch]) -> Vec<RecordBatch> {
        let mut step = Sort::new(Schema::pair(Kind::Utf8, Kind::Int64), by, most);
        let mut out = Emitted::default();
        for chunk in chunks {
            step.push(chunk.clone(), &mut out).unwrap();
        }
        step.finish(&mut out).unwrap();
        out.rows
    }

    #[test]
    fn a_nan_of_any_sign_is_above_every_number() {
        let schema = Schema::plain(Kind::Float64);
        let by = [SortKey {
            column: 0,
            descending: false,
        }];
        let mut step = Sort::new(schema.clone(), &by, None);
        let values: ArrayRef =
            Arc::new(Float64Array::from(vec![-f64::NAN, 1.0, f64::NEG_INFINITY]));
        let chunk = RecordBatch::try_new(schema.to_arrow(), vec![values]).unwrap();
        let mut out = Emitted::default();
        step.push(chunk, &mut out).unwrap();
        step.finish(&mut out).unwrap();
        let sorted = out.rows[0]
            .column(0)
            .as_primitive::<Float64Type>()
            .values()
            .to_vec();
        assert_eq!(sorted[..2], [f64::NEG_INFINITY, 1.0]);
        assert!(sorted[2].is_nan());
    }

    const BY_COUNT: [SortKey; 1] = [SortKey {
        column: 1,
        descending: true,
    }];

    #[test]
    fn ties_are_broken_by_the_columns_not_named() {
        let chunks = [rows(&["b", "a"], &[1, 1]), rows(&["c"], &[2])];
        let sorted = [rows(&["c", "a", "b"], &[2, 1, 1])];
        assert_eq!(sort(None, &BY_COUNT, &chunks), sorted);
        assert_eq!(
            sort(Some(2), &BY_COUNT, &chunks),
            [rows(&["c", "a"], &[2, 1])]
        );
        assert_eq!(sort(Some(9), &BY_COUNT, &chunks), sorted);
        assert_eq!(sort(None, &BY_COUNT, &[]), []);
    }

    #[test]
    fn the_first_few_of_many_are_those_of_all() {
        let chunk = |from: i64| {
            let counts: Vec<i64> = (from..from + 4_000)
                .map(|n| (n * 7_919) % 100_003)
                .collect();
            rows(&vec!["w"; 4_000], &counts)
        };
        let chunks: Vec<_> = (0..40).map(|n| chunk(n * 4_000)).collect();
        let all = sort(None, &BY_COUNT, &chunks);
        assert_eq!(sort(Some(3), &BY_COUNT, &chunks), [all[0].slice(0, 3)]);
    }
}
