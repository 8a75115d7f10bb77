//! Reductions by a function of a plugin.
//!
//! Rows are kept with the number of their group. When many have gathered, those of an associative
//! function are reduced to one row a group and the rest goes on from there; a function that is not
//! associative gets all rows of its keys in one call, at the end.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::{concat::concat, take::take};

use super::{Sandbox, StepError};
use crate::{
    model::{CHUNK_ROWS, Schema},
    plugin::{Grouped, Groups, Usage},
};

/// Rows that gather before an associative function is called; more, and they leave the caches.
const GATHERED_ROWS: usize = 16 * CHUNK_ROWS;

/// The rows of a partition on their way through an `aggregate` function.
pub(super) struct PluginReducer {
    sandbox: Sandbox,
    associative: bool,
    /// Which key columns the function asked for.
    keys: Vec<usize>,
    input: Vec<DataType>,
    output: Schema,
    groups: Vec<u32>,
    pieces: Vec<Vec<ArrayRef>>,
    /// Rows of `pieces` that are already results, one for each group in order.
    reduced: usize,
}

impl PluginReducer {
    /// A function with values of the types of `input` and results with the columns of `output`.
    pub(super) fn new(
        sandbox: Sandbox,
        associative: bool,
        keys: Vec<usize>,
        input: Vec<DataType>,
        output: Schema,
    ) -> Self {
        Self {
            sandbox,
            associative,
            keys,
            input,
            output,
            groups: Vec::new(),
            pieces: Vec::new(),
            reduced: 0,
        }
    }

    /// Takes a chunk: row r belongs to `groups[r]`.
    pub(super) fn update(
        &mut self,
        groups: &[u32],
        values: Vec<ArrayRef>,
        keys: &dyn GroupKeys,
    ) -> Result<(), StepError> {
        self.groups.extend_from_slice(groups);
        self.pieces.push(values);
        let fresh = self.groups.len() - self.reduced;
        if self.associative && fresh >= GATHERED_ROWS.max(self.reduced) {
            let reduced = self.reduce(keys)?;
            self.reduced = keys.count();
            self.groups.clear();
            self.groups
                .extend((0..self.reduced).filter_map(|g| u32::try_from(g).ok()));
            self.pieces = vec![reduced];
        }
        Ok(())
    }

    /// One row a group.
    pub(super) fn finish(&mut self, keys: &dyn GroupKeys) -> Result<Vec<ArrayRef>, StepError> {
        if self.groups.is_empty() {
            let schema = self.output.to_arrow();
            let types = schema.fields().iter().map(|field| field.data_type());
            return Ok(types.map(arrow_array::new_empty_array).collect());
        }
        if self.associative && self.groups.len() == self.reduced {
            return Ok(self.pieces.pop().unwrap_or_default());
        }
        self.reduce(keys)
    }

    pub(super) fn usage(&self) -> Usage {
        self.sandbox.usage()
    }

    /// Calls the function for all groups, some at a time.
    fn reduce(&mut self, keys: &dyn GroupKeys) -> Result<Vec<ArrayRef>, StepError> {
        let lengths = lengths(&self.groups, keys.count());
        let order = in_group_order(&self.groups, &lengths);
        let mut values = Vec::with_capacity(self.input.len());
        for column in 0..self.input.len() {
            let pieces: Vec<&dyn Array> = self.pieces.iter().map(|p| p[column].as_ref()).collect();
            values.push(take(&concat(&pieces)?, &order, None)?);
        }
        let asked = match self.keys.is_empty() {
            true => Vec::new(),
            false => keys.columns(&self.keys)?,
        };
        let mut results: Vec<Vec<ArrayRef>> = Vec::new();
        for call in calls(&lengths) {
            self.check_size(&call, &values, keys)?;
            let groups = lengths[call.groups.clone()].iter().copied();
            let groups = Groups::from_lengths(groups);
            let slice = |columns: &[ArrayRef], range: &Range<usize>| -> Vec<ArrayRef> {
                let columns = columns.iter();
                columns.map(|c| c.slice(range.start, range.len())).collect()
            };
            let (keys, values) = (slice(&asked, &call.groups), slice(&values, &call.rows));
            let output = &self.output;
            let made = self.sandbox.call(|instance, function| {
                let grouped = Grouped {
                    keys: &keys,
                    groups: &groups?,
                    values: &values,
                };
                instance.reduce(function, grouped, output)
            })?;
            results.push(made.columns().to_vec());
        }
        let columns = (0..self.output.fields().len()).map(|column| {
            let pieces: Vec<&dyn Array> = results.iter().map(|r| r[column].as_ref()).collect();
            concat(&pieces)
        });
        Ok(columns.collect::<Result<_, _>>()?)
    }

    /// One group that does not fit into the function's memory is told before it is tried.
    fn check_size(
        &self,
        call: &Call,
        values: &[ArrayRef],
        keys: &dyn GroupKeys,
    ) -> Result<(), StepError> {
        if call.groups.len() > 1 {
            return Ok(());
        }
        let bytes: usize = values
            .iter()
            .map(|v| v.slice(call.rows.start, call.rows.len()).to_data())
            .map(|data| data.get_slice_memory_size().unwrap_or(0))
            .sum();
        let limit = self.sandbox.limits().memory;
        if bytes > limit {
            return Err(StepError::GroupTooLarge {
                key: keys.text(call.groups.start),
                bytes,
                limit,
            });
        }
        Ok(())
    }
}

/// The keys of the groups, as whoever numbers them knows them.
pub(super) trait GroupKeys {
    /// How many groups there are.
    fn count(&self) -> usize;
    /// Key columns at these places, one row a group.
    fn columns(&self, picked: &[usize]) -> Result<Vec<ArrayRef>, StepError>;
    /// A group's key for people.
    fn text(&self, group: usize) -> String;
}

/// Groups and rows of one call.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    groups: Range<usize>,
    rows: Range<usize>,
}

/// How many rows each group has.
pub(super) fn lengths(groups: &[u32], count: usize) -> Vec<usize> {
    let mut lengths = vec![0; count];
    for &group in groups {
        lengths[group as usize] += 1;
    }
    lengths
}

/// Row numbers, group after group, each group's in the order of arrival.
pub(super) fn in_group_order(groups: &[u32], lengths: &[usize]) -> UInt32Array {
    let mut next: Vec<usize> = lengths
        .iter()
        .scan(0, |start, length| {
            let this = *start;
            *start += length;
            Some(this)
        })
        .collect();
    let mut order = vec![0_u32; groups.len()];
    for (row, &group) in groups.iter().enumerate() {
        let place = &mut next[group as usize];
        order[*place] = u32::try_from(row).unwrap_or(u32::MAX);
        *place += 1;
    }
    order.into()
}

/// Cuts groups into calls of about a chunk each; one group is never cut.
fn calls(lengths: &[usize]) -> Vec<Call> {
    let mut calls = Vec::new();
    let (mut first_group, mut first_row, mut row) = (0, 0, 0);
    for (group, length) in lengths.iter().enumerate() {
        if row > first_row && row + length - first_row > CHUNK_ROWS {
            calls.push(Call {
                groups: first_group..group,
                rows: first_row..row,
            });
            (first_group, first_row) = (group, row);
        }
        row += length;
    }
    if first_group < lengths.len() {
        calls.push(Call {
            groups: first_group..lengths.len(),
            rows: first_row..row,
        });
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_group_stay_in_the_order_of_arrival() {
        let groups = [1, 0, 1, 2, 0];
        let lengths = lengths(&groups, 3);
        assert_eq!(lengths, [2, 2, 1]);
        let order = in_group_order(&groups, &lengths);
        assert_eq!(order.values(), &[1, 4, 0, 2, 3]);
    }

    #[test]
    fn a_call_has_about_a_chunk_and_no_group_is_cut() {
        let call = |groups: Range<usize>, rows: Range<usize>| Call { groups, rows };
        assert_eq!(calls(&[]), []);
        assert_eq!(calls(&[3, 4]), [call(0..2, 0..7)]);
        assert_eq!(
            calls(&[4_000, 96, 1, 9_000, 2]),
            [
                call(0..2, 0..4_096),
                call(2..3, 4_096..4_097),
                call(3..4, 4_097..13_097),
                call(4..5, 13_097..13_099),
            ]
        );
    }
}
