//! Rows that a function could not handle, as the `rejected` output has them.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_select::take::take;

use super::StepError;
use crate::{model::Schema, plugin::RejectedRow};

/// The rejected rows of `chunk` with their reasons in one more column; none if there are none.
pub(super) fn rejected_rows(
    chunk: &RecordBatch,
    rejected: &[RejectedRow],
    schema: &Schema,
) -> Result<Option<RecordBatch>, StepError> {
    if rejected.is_empty() {
        return Ok(None);
    }
    let rows: UInt32Array = rejected.iter().map(|r| r.row).collect();
    let reasons: StringArray = rejected.iter().map(|r| Some(r.reason.as_str())).collect();
    let mut columns = chunk
        .columns()
        .iter()
        .map(|column| take(column, &rows, None))
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    columns.push(Arc::new(reasons));
    Ok(Some(RecordBatch::try_new(schema.to_arrow(), columns)?))
}
