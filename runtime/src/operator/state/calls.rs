//! Groups cut into calls of a `stateful` function.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{ArrowError, Field};
use arrow_select::concat::concat;

use crate::{
    model::{CHUNK_ROWS, Schema},
    operator::{Sandbox, StepError},
    plugin::{Grouped, Groups, Updated},
};

/// Groups of rows with their states, in the order in which the function is to see them.
pub(super) struct Groupings<'a> {
    /// The key columns that the function asked for, one row a group.
    pub(super) keys: &'a [ArrayRef],
    /// How many rows each group has.
    pub(super) lengths: &'a [usize],
    /// Value columns, group after group.
    pub(super) values: &'a [ArrayRef],
    /// State columns, one row a group.
    pub(super) states: &'a [ArrayRef],
    /// The group has a state.
    pub(super) present: &'a BooleanBuffer,
    /// The group was idle too long.
    pub(super) expired: &'a BooleanBuffer,
}

/// Groups and rows of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) groups: Range<usize>,
    pub(super) rows: Range<usize>,
}

impl Call {
    /// The first half of its groups, and the others.
    fn halves(self, lengths: &[usize]) -> (Self, Self) {
        let middle = self.groups.start + self.groups.len() / 2;
        let first: usize = lengths[self.groups.start..middle].iter().sum();
        let row = self.rows.start + first;
        (
            Self {
                groups: self.groups.start..middle,
                rows: self.rows.start..row,
            },
            Self {
                groups: middle..self.groups.end,
                rows: row..self.rows.end,
            },
        )
    }
}

/// Cuts groups into calls of about a chunk each, rows and groups counted; no group is cut.
fn calls(lengths: &[usize]) -> Vec<Call> {
    let mut calls = Vec::new();
    let (mut first_group, mut first_row, mut row) = (0, 0, 0);
    for (group, length) in lengths.iter().enumerate() {
        let rows = row + length - first_row;
        if group > first_group && (rows > CHUNK_ROWS || group - first_group >= CHUNK_ROWS) {
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

/// Which groups were left out, by their number, and why.
pub(super) type Faults = Vec<(usize, StepError)>;

/// Calls the function for all groups; `take` gets what it made of each call, or none for a group
/// that is left out. At most `most` are; if that is none, a fault fails the task.
pub(super) fn update(
    sandbox: &mut Sandbox,
    groupings: &Groupings<'_>,
    schemas: (&Schema, Option<&Schema>),
    most: Option<usize>,
    mut take: impl FnMut(&Call, Option<Updated>) -> Result<(), StepError>,
) -> Result<Faults, StepError> {
    let mut faults = Vec::new();
    for call in calls(groupings.lengths) {
        match (update_one(sandbox, groupings, schemas, &call), most) {
            (Ok(made), _) => take(&call, Some(made))?,
            (Err(fault), Some(most)) if fault.is_poison() => {
                let mut todo = vec![call];
                while let Some(call) = todo.pop() {
                    sandbox.renew();
                    match update_one(sandbox, groupings, schemas, &call) {
                        Ok(made) => take(&call, Some(made))?,
                        Err(fault) if !fault.is_poison() => return Err(fault),
                        Err(fault) if call.groups.len() == 1 => {
                            if faults.len() == most {
                                let first = fault.to_string();
                                return Err(StepError::TooManyFaults { most, first });
                            }
                            faults.push((call.groups.start, fault));
                            take(&call, None)?;
                        }
                        Err(_) => {
                            let (left, right) = call.halves(groupings.lengths);
                            todo.push(right);
                            todo.push(left);
                        }
                    }
                }
                sandbox.renew();
            }
            (Err(error), _) => return Err(error),
        }
    }
    Ok(faults)
}

fn update_one(
    sandbox: &mut Sandbox,
    groupings: &Groupings<'_>,
    (state, output): (&Schema, Option<&Schema>),
    call: &Call,
) -> Result<Updated, StepError> {
    let slice = |columns: &[ArrayRef], range: &Range<usize>| -> Vec<ArrayRef> {
        let columns = columns.iter();
        columns.map(|c| c.slice(range.start, range.len())).collect()
    };
    let lengths = groupings.lengths[call.groups.clone()].iter().copied();
    let groups = Groups::from_lengths(lengths);
    let values = slice(groupings.values, &call.rows);
    check_size(sandbox, call, &values)?;
    let keys = slice(groupings.keys, &call.groups);
    let states = slice(groupings.states, &call.groups);
    let bits = |bits: &BooleanBuffer| bits.slice(call.groups.start, call.groups.len());
    let (present, expired) = (bits(groupings.present), bits(groupings.expired));
    sandbox.call(|instance, function| {
        let grouped = Grouped {
            keys: &keys,
            groups: &groups?,
            values: &values,
        };
        instance.update(
            function,
            grouped,
            &states,
            &present,
            &expired,
            (state, output),
        )
    })
}

/// One group that does not fit into the function's memory is told before it is tried.
fn check_size(sandbox: &Sandbox, call: &Call, values: &[ArrayRef]) -> Result<(), StepError> {
    if call.groups.len() > 1 {
        return Ok(());
    }
    let data = values.iter().map(Array::to_data);
    let bytes: usize = data
        .map(|data| data.get_slice_memory_size().unwrap_or(0))
        .sum();
    let limit = sandbox.limits().memory;
    if bytes > limit {
        let key = format!("number {}", call.groups.start);
        return Err(StepError::GroupTooLarge { key, bytes, limit });
    }
    Ok(())
}

/// The column as a function may get it: where it takes no nulls, rows that mean nothing (a key
/// without a state) hold zeros and empty texts instead.
pub(super) fn without_meaning(column: ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    if field.is_nullable() || column.null_count() == 0 {
        return Ok(column);
    }
    let data = column.to_data().into_builder().nulls(None).build()?;
    Ok(make_array(data))
}

/// Pieces of columns, one after another; of these types if there is no piece.
pub(super) fn joined(
    pieces: &[Vec<ArrayRef>],
    schema: &Schema,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let schema = schema.to_arrow();
    let columns = schema.fields().iter().enumerate();
    let columns = columns.map(|(column, field)| {
        let pieces: Vec<&dyn Array> = pieces.iter().map(|p| p[column].as_ref()).collect();
        match pieces.as_slice() {
            [] => Ok(arrow_array::new_empty_array(field.data_type())),
            pieces => concat(pieces),
        }
    });
    columns.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_about_a_chunk_of_rows_and_groups() {
        let call = |groups: Range<usize>, rows: Range<usize>| Call { groups, rows };
        assert_eq!(calls(&[]), []);
        assert_eq!(calls(&[3, 0, 4]), [call(0..3, 0..7)]);
        assert_eq!(
            calls(&[4_000, 97, 9_000]),
            [
                call(0..1, 0..4_000),
                call(1..2, 4_000..4_097),
                call(2..3, 4_097..13_097)
            ]
        );
        let idle = calls(&vec![0; 5_000]);
        assert_eq!(idle, [call(0..4_096, 0..0), call(4_096..5_000, 0..0)]);
    }
}
