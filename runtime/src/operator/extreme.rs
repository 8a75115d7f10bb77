//! min, max, first and last: the one row of each group that wins.

use arrow_array::ArrayRef;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, SortOptions};

use super::{StepError, nan::one_nan};
use crate::topology::StdFunction;

/// For each group the row that wins so far, as bytes that compare like the rows.
#[derive(Debug)]
pub(super) struct Extreme {
    converter: RowConverter,
    winner: Winner,
    /// Empty where a group has no row yet; an encoded row never is.
    best: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
enum Winner {
    Least,
    First,
    Last,
}

impl Extreme {
    pub(super) fn new(function: StdFunction, values: &[DataType]) -> Result<Self, StepError> {
        // The greatest is the least in descending order; nulls come last in both.
        let (winner, descending) = match function {
            StdFunction::Max => (Winner::Least, true),
            StdFunction::First => (Winner::First, false),
            StdFunction::Last => (Winner::Last, false),
            StdFunction::Min | StdFunction::Sum | StdFunction::Count => (Winner::Least, false),
        };
        let options = SortOptions {
            descending,
            nulls_first: false,
        };
        let fields = values
            .iter()
            .map(|value| SortField::new_with_options(value.clone(), options));
        Ok(Self {
            converter: RowConverter::new(fields.collect())?,
            winner,
            best: Vec::new(),
        })
    }

    /// Takes a chunk; columns of other types than promised are passed over.
    pub(super) fn update(&mut self, groups: &[u32], count: usize, values: &[ArrayRef]) {
        self.best.resize(count, Vec::new());
        let values: Vec<ArrayRef> = values.iter().map(one_nan).collect();
        let Ok(rows) = self.converter.convert_columns(&values) else {
            return;
        };
        for (row, &group) in rows.iter().zip(groups) {
            let best = &mut self.best[group as usize];
            let wins = best.is_empty()
                || match self.winner {
                    Winner::Least => row.as_ref() < best.as_slice(),
                    Winner::First => false,
                    Winner::Last => true,
                };
            if wins {
                best.clear();
                best.extend_from_slice(row.as_ref());
            }
        }
    }

    pub(super) fn finish(self) -> Result<Vec<ArrayRef>, StepError> {
        let parser = self.converter.parser();
        let rows = self.best.iter().map(|best| parser.parse(best));
        Ok(self.converter.convert_rows(rows)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, StringArray, cast::AsArray, types::Float64Type};

    use super::*;

    fn check(function: StdFunction, values: &[Option<f64>]) -> Option<f64> {
        let mut extreme = Extreme::new(function, &[DataType::Float64]).unwrap();
        let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
        extreme.update(&vec![0; values.len()], 1, &[column]);
        let best = extreme.finish().unwrap();
        best[0].as_primitive::<Float64Type>().iter().next().unwrap()
    }

    #[test]
    fn the_winner_is_the_least_greatest_first_or_last() {
        let values = [Some(2.0), None, Some(-1.0), Some(7.0)];
        assert_eq!(check(StdFunction::Min, &values), Some(-1.0));
        assert_eq!(check(StdFunction::Max, &values), Some(7.0));
        assert_eq!(check(StdFunction::First, &values), Some(2.0));
        assert_eq!(check(StdFunction::Last, &values), Some(7.0));
        assert_eq!(check(StdFunction::Min, &[None, None]), None);
        assert_eq!(check(StdFunction::First, &[None, Some(1.0)]), None);
    }

    #[test]
    fn a_nan_of_any_sign_is_above_every_number() {
        let values = [Some(-f64::NAN), Some(1.0)];
        assert_eq!(check(StdFunction::Min, &values), Some(1.0));
        assert!(check(StdFunction::Max, &values).is_some_and(f64::is_nan));
    }

    #[test]
    fn an_empty_text_can_win() {
        let mut least = Extreme::new(StdFunction::Min, &[DataType::Utf8]).unwrap();
        let column: ArrayRef = Arc::new(StringArray::from(vec!["b", "", "a"]));
        least.update(&[0, 0, 0], 1, &[column]);
        assert_eq!(least.finish().unwrap()[0].as_string::<i32>().value(0), "");
    }
}
