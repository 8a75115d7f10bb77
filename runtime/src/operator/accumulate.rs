//! The host's own reductions: one accumulator per group.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::{StepError, extreme::Extreme};
use crate::topology::StdFunction;

/// Accumulators of one built-in function, one for each group.
#[derive(Debug)]
pub(super) enum Accumulator {
    /// Sums of integers; a group that only had nulls has none.
    SumInt { sums: Vec<i64>, any: Vec<bool> },
    /// Sums of floats, added in the order of arrival.
    SumFloat { sums: Vec<f64>, any: Vec<bool> },
    /// Rows.
    Count(Vec<i64>),
    /// Sums of counts: what `count` becomes after a shuffle.
    AddCounts(Vec<i64>),
    /// min, max, first, last.
    Extreme(Extreme),
}

impl Accumulator {
    /// No groups yet. `values` are the types of the value columns; `merging` says that they hold
    /// what the same function made before a shuffle.
    pub(super) fn new(
        function: StdFunction,
        values: &[DataType],
        merging: bool,
    ) -> Result<Self, StepError> {
        Ok(match (function, values) {
            (StdFunction::Count, _) if merging => Self::AddCounts(Vec::new()),
            (StdFunction::Count, _) => Self::Count(Vec::new()),
            (StdFunction::Sum, [DataType::Int64]) => Self::SumInt {
                sums: Vec::new(),
                any: Vec::new(),
            },
            (StdFunction::Sum, [DataType::Float64]) => Self::SumFloat {
                sums: Vec::new(),
                any: Vec::new(),
            },
            (StdFunction::Sum, other) => {
                return Err(StepError::Arrow(format!("std:sum of {other:?}")));
            }
            (StdFunction::Min | StdFunction::Max | StdFunction::First | StdFunction::Last, _) => {
                Self::Extreme(Extreme::new(function, values)?)
            }
        })
    }

    /// Takes a chunk: row r belongs to `groups[r]`, and there are `count` groups by now. The error
    /// is the group whose sum does not fit.
    pub(super) fn update(
        &mut self,
        groups: &[u32],
        count: usize,
        values: &[ArrayRef],
    ) -> Result<(), Overflow> {
        match (self, values) {
            (Self::Count(counts), _) => {
                counts.resize(count, 0);
                for &group in groups {
                    counts[group as usize] += 1;
                }
            }
            (Self::AddCounts(counts), [values]) => {
                counts.resize(count, 0);
                let values = values.as_primitive::<Int64Type>().values();
                for (&group, value) in groups.iter().zip(values) {
                    counts[group as usize] += value;
                }
            }
            (Self::SumInt { sums, any }, [values]) => {
                sums.resize(count, 0);
                any.resize(count, false);
                let values = values.as_primitive::<Int64Type>();
                for (row, &group) in groups.iter().enumerate() {
                    if values.is_valid(row) {
                        let sum = &mut sums[group as usize];
                        *sum = sum
                            .checked_add(values.value(row))
                            .ok_or(Overflow { group })?;
                        any[group as usize] = true;
                    }
                }
            }
            (Self::SumFloat { sums, any }, [values]) => {
                // What any float can be added to without a change, also -0.0.
                sums.resize(count, -0.0);
                any.resize(count, false);
                let values = values.as_primitive::<Float64Type>();
                for (row, &group) in groups.iter().enumerate() {
                    if values.is_valid(row) {
                        sums[group as usize] += values.value(row);
                        any[group as usize] = true;
                    }
                }
            }
            (Self::Extreme(extreme), values) => extreme.update(groups, count, values),
            // `new` was given the types of these columns.
            (Self::AddCounts(_) | Self::SumInt { .. } | Self::SumFloat { .. }, _) => {}
        }
        Ok(())
    }

    /// One row a group.
    pub(super) fn finish(self) -> Result<Vec<ArrayRef>, StepError> {
        let column: ArrayRef = match self {
            Self::SumInt { sums, any } => Arc::new(Int64Array::new(sums.into(), nulls(&any))),
            Self::SumFloat { sums, any } => Arc::new(Float64Array::new(sums.into(), nulls(&any))),
            Self::Count(counts) | Self::AddCounts(counts) => Arc::new(Int64Array::from(counts)),
            Self::Extreme(extreme) => return extreme.finish(),
        };
        Ok(vec![column])
    }
}

/// A sum does not fit.
#[derive(Debug)]
pub(super) struct Overflow {
    /// Whose.
    pub(super) group: u32,
}

/// Null where a group had no value.
fn nulls(any: &[bool]) -> Option<NullBuffer> {
    let nulls = NullBuffer::from(any.to_vec());
    (nulls.null_count() > 0).then_some(nulls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_fit_names_its_group() {
        let mut sum = Accumulator::new(StdFunction::Sum, &[DataType::Int64], false).unwrap();
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1, i64::MAX, 1]));
        let overflow = sum.update(&[0, 1, 1], 2, &[values]).unwrap_err();
        assert_eq!(overflow.group, 1);
    }

    #[test]
    fn nulls_count_as_nothing_in_a_sum() {
        let mut sum = Accumulator::new(StdFunction::Sum, &[DataType::Int64], false).unwrap();
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, None, Some(2)]));
        sum.update(&[0, 0, 1, 0], 2, &[values]).unwrap();
        let sums = sum.finish().unwrap();
        let expected = Int64Array::from(vec![Some(3), None]);
        assert_eq!(sums[0].as_primitive::<Int64Type>(), &expected);
    }

    #[test]
    fn counts_are_added_after_a_shuffle() {
        let mut count = Accumulator::new(StdFunction::Count, &[DataType::Int64], true).unwrap();
        let values: ArrayRef = Arc::new(Int64Array::from(vec![5, 6, 7]));
        count.update(&[0, 1, 0], 2, &[values]).unwrap();
        let counts = count.finish().unwrap();
        assert_eq!(counts[0].as_primitive::<Int64Type>().values(), &[12, 6]);
    }
}
