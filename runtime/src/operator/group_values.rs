//! `group-by-key` and `cogroup`: the values of a key as lists.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::DataType;

use super::{Emitted, Step, StepError, group::Grouper, lists::Lists};
use crate::model::{Schema, pieces};

/// Gathers the values of each key, of one stream or of two. Keys come in the order of first
/// arrival, those of the first stream first.
pub struct GroupValues {
    main: Side,
    second: Option<Side>,
    /// Chunks of the second stream: its keys are numbered after those of the first.
    fed: Vec<RecordBatch>,
    keys: Grouper,
    output: Schema,
}

/// One of the streams.
struct Side {
    keys: Vec<usize>,
    values: Vec<usize>,
    lists: Lists,
}

impl Side {
    fn new(keys: Vec<usize>, input: &Schema) -> Self {
        let values = (0..input.fields().len()).filter(|column| !keys.contains(column));
        Self {
            values: values.collect(),
            keys,
            lists: Lists::default(),
        }
    }

    fn push(&mut self, chunk: &RecordBatch, grouper: &mut Grouper) -> Result<(), StepError> {
        let pick = |columns: &[usize]| -> Vec<ArrayRef> {
            columns.iter().map(|&at| chunk.column(at).clone()).collect()
        };
        let mut groups = Vec::new();
        grouper.assign(&pick(&self.keys), chunk.num_rows(), &mut groups)?;
        self.lists.push(&groups, pick(&self.values));
        Ok(())
    }
}

impl GroupValues {
    /// `output` has the key columns, then each other column as a list.
    pub fn of_one(keys: Vec<usize>, input: &Schema, output: Schema) -> Self {
        Self {
            main: Side::new(keys, input),
            second: None,
            fed: Vec::new(),
            keys: Grouper::default(),
            output,
        }
    }

    /// `output` has the key columns, then each other column of the first stream and of the second
    /// as a list. The second is fed as side 0.
    pub fn of_two(
        (left_keys, left): (Vec<usize>, &Schema),
        (right_keys, right): (Vec<usize>, &Schema),
        output: Schema,
    ) -> Self {
        Self {
            second: Some(Side::new(right_keys, right)),
            ..Self::of_one(left_keys, left, output)
        }
    }
}

impl Step for GroupValues {
    fn feed(&mut self, side: usize, chunk: RecordBatch) -> Result<(), StepError> {
        if side > 0 || self.second.is_none() {
            let rows = chunk.num_rows();
            return Err(StepError::NoSide { side, rows });
        }
        self.fed.push(chunk);
        Ok(())
    }

    fn push(&mut self, chunk: RecordBatch, _: &mut Emitted) -> Result<(), StepError> {
        self.main.push(&chunk, &mut self.keys)
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        if let Some(second) = &mut self.second {
            for chunk in std::mem::take(&mut self.fed) {
                second.push(&chunk, &mut self.keys)?;
            }
        }
        let groups = self.keys.len();
        if groups == 0 {
            return Ok(());
        }
        let schema = self.output.to_arrow();
        let types: Vec<DataType> = schema
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let (key_types, values) = types.split_at(self.main.keys.len());
        let (left, right) = values.split_at(self.main.values.len());
        let mut columns = self.keys.keys(key_types)?;
        columns.extend(self.main.lists.finish(groups, left)?);
        if let Some(second) = &self.second {
            columns.extend(second.lists.finish(groups, right)?);
        }
        let all = RecordBatch::try_new(schema, columns)?;
        out.rows.extend(pieces(&all));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray, cast::AsArray, types::Int64Type};

    use super::*;
    use crate::model::{Field, Kind};

    fn chunk(keys: &[&str], values: &[i64]) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(keys.to_vec())),
            Arc::new(Int64Array::from(values.to_vec())),
        ];
        let schema = Schema::pair(Kind::Utf8, Kind::Int64);
        RecordBatch::try_new(schema.to_arrow(), columns).unwrap()
    }

    fn schema(columns: &[(&str, &str)]) -> Schema {
        let fields = columns
            .iter()
            .map(|(name, kind)| Field::parse(*name, kind).unwrap());
        Schema::new(fields.collect()).unwrap()
    }

    fn items(lists: &ArrayRef) -> Vec<Vec<i64>> {
        let lists = lists.as_list::<i32>().iter().map(Option::unwrap);
        lists
            .map(|l| l.as_primitive::<Int64Type>().values().to_vec())
            .collect()
    }

    #[test]
    fn values_of_a_key_stay_in_the_order_of_arrival() {
        let pairs = Schema::pair(Kind::Utf8, Kind::Int64);
        let output = schema(&[("key", "utf8"), ("value", "[int64]")]);
        let mut step = GroupValues::of_one(vec![0], &pairs, output);
        let mut out = Emitted::default();
        for rows in [chunk(&["b", "a", "b"], &[1, 2, 3]), chunk(&["a"], &[4])] {
            step.push(rows, &mut out).unwrap();
        }
        step.finish(&mut out).unwrap();
        let keys: Vec<_> = out.rows[0].column(0).as_string::<i32>().iter().collect();
        assert_eq!(keys, [Some("b"), Some("a")]);
        assert_eq!(items(out.rows[0].column(1)), [vec![1, 3], vec![2, 4]]);
    }

    #[test]
    fn cogroup_has_the_keys_of_either_side() {
        let pairs = Schema::pair(Kind::Utf8, Kind::Int64);
        let output = schema(&[("key", "utf8"), ("left", "[int64]"), ("right", "[int64]")]);
        let mut step = GroupValues::of_two((vec![0], &pairs), (vec![0], &pairs), output);
        let mut out = Emitted::default();
        step.feed(0, chunk(&["c", "a", "c"], &[7, 8, 9])).unwrap();
        step.push(chunk(&["a", "b"], &[1, 2]), &mut out).unwrap();
        step.finish(&mut out).unwrap();
        let keys: Vec<_> = out.rows[0].column(0).as_string::<i32>().iter().collect();
        assert_eq!(keys, [Some("a"), Some("b"), Some("c")]);
        assert_eq!(items(out.rows[0].column(1)), [vec![1], vec![2], vec![]]);
        assert_eq!(items(out.rows[0].column(2)), [vec![8], vec![], vec![7, 9]]);
    }

    #[test]
    fn a_group_by_key_has_no_second_side() {
        let pairs = Schema::pair(Kind::Utf8, Kind::Int64);
        let mut step = GroupValues::of_one(vec![0], &pairs, pairs.clone());
        let error = step.feed(0, chunk(&["a"], &[1])).unwrap_err();
        assert_eq!(error, StepError::NoSide { side: 0, rows: 1 });
    }
}
