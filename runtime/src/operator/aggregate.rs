//! `reduce`, `reduce-by-key`, `count`, `count-by-value`, `distinct`: rows that become one.
//!
//! Where rows have to meet, each is done in two phases around a shuffle: [`Phase::Partial`] reduces what one partition has
//! before it is sent, [`Phase::Final`] reduces what arrives. Between them rows have the key columns
//! first, then the values. A function that is not associative is not applied in the first phase.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field};

use super::{
    Emitted, Sandbox, Step, StepError,
    accumulate::Accumulator,
    group::Grouper,
    reducer::{GroupKeys, PluginReducer},
};
use crate::{
    model::{CHUNK_ROWS, Schema},
    plugin::Usage,
    topology::StdFunction,
};

/// On which side of the shuffle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// There is none: all rows are in one partition.
    Whole,
    /// Before it.
    Partial,
    /// After it.
    Final,
}

/// What is reduced, and how.
pub struct AggregateSpec {
    /// Key columns of what comes in; none to make one row of all.
    pub keys: Vec<usize>,
    /// Value columns of what comes in.
    pub values: Vec<usize>,
    /// What makes one of several; none keeps the keys alone.
    pub reduction: Option<Reduction>,
    /// Without any row there is still one result: `count`.
    pub counts_nothing: bool,
    /// Columns of the result, keys first.
    pub output: Schema,
}

/// What makes one row of several.
pub enum Reduction {
    /// In the host.
    Std(StdFunction),
    /// By a plugin.
    Plugin {
        /// The function.
        sandbox: Box<Sandbox>,
        /// May be applied in parts.
        associative: bool,
        /// Which of the key columns the function asked for.
        keys: Vec<usize>,
        /// Columns of its result.
        output: Schema,
    },
}

/// See the module.
pub struct Aggregate {
    phase: Phase,
    keys: Vec<usize>,
    values: Vec<usize>,
    reduction: Option<Reduction>,
    counts_nothing: bool,
    output: Schema,
    grouping: Grouping,
    key_types: Vec<DataType>,
    values_of_groups: Option<Values>,
    passes_through: bool,
    groups: Vec<u32>,
}

enum Grouping {
    ByKey(Grouper),
    /// Without keys: one group, once there is a row.
    Whole {
        any: bool,
    },
}

enum Values {
    Std(Accumulator),
    Plugin(Box<PluginReducer>),
}

impl Aggregate {
    /// One half of an aggregation. For [`Phase::Final`] the columns of `spec` are those of the
    /// rows between the phases: keys first, then values.
    pub fn new(spec: AggregateSpec, phase: Phase) -> Self {
        let associative = match &spec.reduction {
            Some(Reduction::Plugin { associative, .. }) => *associative,
            Some(Reduction::Std(_)) | None => true,
        };
        Self {
            phase,
            grouping: match spec.keys.is_empty() {
                true => Grouping::Whole { any: false },
                false => Grouping::ByKey(Grouper::default()),
            },
            keys: spec.keys,
            values: spec.values,
            reduction: spec.reduction,
            counts_nothing: spec.counts_nothing,
            output: spec.output,
            key_types: Vec::new(),
            values_of_groups: None,
            passes_through: phase == Phase::Partial && !associative,
            groups: Vec::new(),
        }
    }

    fn start(&mut self, keys: &[ArrayRef], values: &[ArrayRef]) -> Result<(), StepError> {
        let types = |columns: &[ArrayRef]| -> Vec<DataType> {
            columns.iter().map(|c| c.data_type().clone()).collect()
        };
        self.key_types = types(keys);
        let types = types(values);
        self.values_of_groups = match self.reduction.take() {
            None => None,
            Some(Reduction::Std(function)) => {
                let merging = self.phase == Phase::Final;
                Some(Values::Std(Accumulator::new(function, &types, merging)?))
            }
            Some(Reduction::Plugin {
                sandbox,
                associative,
                keys,
                output,
            }) => {
                let reducer = PluginReducer::new(*sandbox, associative, keys, types, output);
                Some(Values::Plugin(Box::new(reducer)))
            }
        };
        Ok(())
    }

    /// Rows of the result: keys, then values.
    fn results(&mut self) -> Result<Option<RecordBatch>, StepError> {
        let groups = self.grouping.count();
        if groups == 0 {
            return self.nothing();
        }
        let mut columns = self.grouping.all_keys(&self.key_types)?;
        match self.values_of_groups.take() {
            None => {}
            Some(Values::Std(accumulator)) => columns.extend(accumulator.finish()?),
            Some(Values::Plugin(mut reducer)) => {
                let made = reducer.finish(&Keys(&self.grouping, &self.key_types));
                self.values_of_groups = Some(Values::Plugin(reducer));
                columns.extend(made?);
            }
        }
        self.batch(columns, groups).map(Some)
    }

    fn nothing(&self) -> Result<Option<RecordBatch>, StepError> {
        if !self.counts_nothing || self.phase == Phase::Partial {
            return Ok(None);
        }
        let zero: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![0]));
        self.batch(vec![zero], 1).map(Some)
    }

    /// Between the phases only places count, so names and nullability are taken as they come.
    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, StepError> {
        let schema = match self.phase {
            Phase::Whole | Phase::Final => self.output.to_arrow(),
            Phase::Partial => Arc::new(arrow_schema::Schema::new(
                columns
                    .iter()
                    .enumerate()
                    .map(|(at, c)| Field::new(at.to_string(), c.data_type().clone(), true))
                    .collect::<Vec<_>>(),
            )),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

impl Step for Aggregate {
    fn push(&mut self, chunk: RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        let pick = |at: &[usize]| -> Vec<ArrayRef> {
            at.iter()
                .map(|&column| chunk.column(column).clone())
                .collect()
        };
        let (keys, values) = (pick(&self.keys), pick(&self.values));
        if self.passes_through {
            let columns = [keys, values].concat();
            out.rows.push(self.batch(columns, chunk.num_rows())?);
            return Ok(());
        }
        if chunk.num_rows() == 0 {
            return Ok(());
        }
        if self.reduction.is_some() || self.key_types.len() != keys.len() {
            self.start(&keys, &values)?;
        }
        let mut groups = std::mem::take(&mut self.groups);
        self.grouping.assign(&keys, chunk.num_rows(), &mut groups)?;
        let of_groups = Keys(&self.grouping, &self.key_types);
        match &mut self.values_of_groups {
            None => {}
            Some(Values::Std(accumulator)) => accumulator
                .update(&groups, of_groups.count(), &values)
                .map_err(|overflow| StepError::Overflow {
                    key: of_groups.text(overflow.group as usize),
                })?,
            Some(Values::Plugin(reducer)) => reducer.update(&groups, values, &of_groups)?,
        }
        self.groups = groups;
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        if self.passes_through {
            return Ok(());
        }
        let Some(all) = self.results()? else {
            return Ok(());
        };
        let rows = all.num_rows();
        for start in (0..rows).step_by(CHUNK_ROWS) {
            out.rows
                .push(all.slice(start, CHUNK_ROWS.min(rows - start)));
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        match (&self.values_of_groups, &self.reduction) {
            (Some(Values::Plugin(reducer)), _) => reducer.usage(),
            (_, Some(Reduction::Plugin { sandbox, .. })) => sandbox.usage(),
            _ => Usage::default(),
        }
    }
}

impl Grouping {
    fn count(&self) -> usize {
        match self {
            Grouping::ByKey(grouper) => grouper.len(),
            Grouping::Whole { any } => usize::from(*any),
        }
    }

    fn assign(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<(), StepError> {
        match self {
            Grouping::ByKey(grouper) => grouper.assign(keys, rows, groups),
            Grouping::Whole { any } => {
                *any |= rows > 0;
                groups.clear();
                groups.resize(rows, 0);
                Ok(())
            }
        }
    }

    fn all_keys(&self, types: &[DataType]) -> Result<Vec<ArrayRef>, StepError> {
        match self {
            Grouping::ByKey(grouper) => grouper.keys(types),
            Grouping::Whole { .. } => Ok(Vec::new()),
        }
    }
}

/// The keys of the groups so far, and the types of their columns.
struct Keys<'a>(&'a Grouping, &'a [DataType]);

impl GroupKeys for Keys<'_> {
    fn count(&self) -> usize {
        self.0.count()
    }

    fn columns(&self, picked: &[usize]) -> Result<Vec<ArrayRef>, StepError> {
        let all = self.0.all_keys(self.1)?;
        Ok(picked.iter().map(|&at| all[at].clone()).collect())
    }

    fn text(&self, group: usize) -> String {
        let columns = self.0.all_keys(self.1).unwrap_or_default();
        let parts: Vec<String> = columns
            .iter()
            .filter_map(|column| {
                let format = ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default());
                Some(format.ok()?.value(group).to_string())
            })
            .collect();
        match parts.as_slice() {
            [] => "(all rows)".to_owned(),
            [one] => format!("{one:?}"),
            several => format!("({})", several.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringArray, cast::AsArray, types::Int64Type};

    use super::*;
    use crate::model::Kind;

    fn chunk(words: &[&str], counts: &[i64]) -> RecordBatch {
        let schema = Schema::pair(Kind::Utf8, Kind::Int64);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(words.to_vec())),
            Arc::new(Int64Array::from(counts.to_vec())),
        ];
        RecordBatch::try_new(schema.to_arrow(), columns).unwrap()
    }

    fn run(spec: AggregateSpec, phase: Phase, chunks: &[RecordBatch]) -> Vec<RecordBatch> {
        let mut step = Aggregate::new(spec, phase);
        let mut out = Emitted::default();
        for chunk in chunks {
            step.push(chunk.clone(), &mut out).unwrap();
        }
        step.finish(&mut out).unwrap();
        out.rows
    }

    fn sum_by_key() -> AggregateSpec {
        AggregateSpec {
            keys: vec![0],
            values: vec![1],
            reduction: Some(Reduction::Std(StdFunction::Sum)),
            counts_nothing: false,
            output: Schema::pair(Kind::Utf8, Kind::Int64),
        }
    }

    #[test]
    fn a_sum_by_key_is_the_same_in_one_phase_or_two() {
        let chunks = [chunk(&["b", "a", "b"], &[1, 2, 3]), chunk(&["a"], &[4])];
        let at_once = run(sum_by_key(), Phase::Final, &chunks);
        let partial = run(sum_by_key(), Phase::Partial, &chunks);
        let in_two = run(sum_by_key(), Phase::Final, &partial);
        assert_eq!(at_once, in_two);
        assert_eq!(at_once, [chunk(&["b", "a"], &[4, 6])]);
        assert_eq!(run(sum_by_key(), Phase::Final, &[]), []);
    }

    #[test]
    fn a_count_of_nothing_is_zero_and_said_once() {
        let count = || AggregateSpec {
            keys: Vec::new(),
            values: Vec::new(),
            reduction: Some(Reduction::Std(StdFunction::Count)),
            counts_nothing: true,
            output: Schema::plain(Kind::Int64),
        };
        assert_eq!(run(count(), Phase::Partial, &[]), []);
        let value = |rows: &[RecordBatch]| rows[0].column(0).as_primitive::<Int64Type>().value(0);
        assert_eq!(value(&run(count(), Phase::Final, &[])), 0);
        let chunks = [chunk(&["a", "b"], &[1, 2]), chunk(&["c"], &[3])];
        let partial = run(count(), Phase::Partial, &chunks);
        let merged = AggregateSpec {
            values: vec![0],
            ..count()
        };
        assert_eq!(value(&run(merged, Phase::Final, &partial)), 3);
    }

    #[test]
    fn distinct_keeps_the_first_of_equals() {
        let distinct = AggregateSpec {
            keys: vec![0, 1],
            values: Vec::new(),
            reduction: None,
            counts_nothing: false,
            output: Schema::pair(Kind::Utf8, Kind::Int64),
        };
        let chunks = [chunk(&["b", "a", "b"], &[1, 1, 1]), chunk(&["a"], &[2])];
        let rows = run(distinct, Phase::Final, &chunks);
        assert_eq!(rows, [chunk(&["b", "a", "a"], &[1, 1, 2])]);
    }

    #[test]
    fn an_overflow_names_the_key() {
        let mut step = Aggregate::new(sum_by_key(), Phase::Final);
        let mut out = Emitted::default();
        let error = step
            .push(chunk(&["a", "big", "big"], &[1, i64::MAX, 1]), &mut out)
            .unwrap_err();
        assert_eq!(
            error,
            StepError::Overflow {
                key: "\"big\"".into()
            }
        );
    }
}
