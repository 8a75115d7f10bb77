//! Values of groups gathered into lists.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType};
use arrow_select::{concat::concat, take::take};

use super::{
    StepError,
    reducer::{in_group_order, lengths},
};

/// Columns of values on their way into lists, one list a group.
#[derive(Debug, Default)]
pub(super) struct Lists {
    groups: Vec<u32>,
    pieces: Vec<Vec<ArrayRef>>,
}

impl Lists {
    /// Takes values: row r belongs to `groups[r]`.
    pub(super) fn push(&mut self, groups: &[u32], values: Vec<ArrayRef>) {
        self.groups.extend_from_slice(groups);
        self.pieces.push(values);
    }

    /// A list column of each of these types, with a row for each of `groups` groups: its values in
    /// the order in which they came.
    pub(super) fn finish(
        &self,
        groups: usize,
        types: &[DataType],
    ) -> Result<Vec<ArrayRef>, StepError> {
        let lengths = lengths(&self.groups, groups);
        let order = in_group_order(&self.groups, &lengths);
        if self.groups.len() > i32::MAX as usize {
            return Err(StepError::Arrow("more than 2^31 values in lists".into()));
        }
        let columns = types.iter().enumerate().map(|(column, data_type)| {
            let DataType::List(item) = data_type else {
                return Err(ArrowError::SchemaError(format!("{data_type} is no list")));
            };
            let pieces: Vec<&dyn Array> = self.pieces.iter().map(|p| p[column].as_ref()).collect();
            let values = match pieces.as_slice() {
                [] => arrow_array::new_empty_array(item.data_type()),
                pieces => take(&concat(pieces)?, &order, None)?,
            };
            let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
            let lists = ListArray::try_new(item.clone(), offsets, values, None)?;
            Ok(Arc::new(lists) as ArrayRef)
        });
        Ok(columns.collect::<Result<_, _>>()?)
    }
}
