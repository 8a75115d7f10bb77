//! Values taken out of a window again.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_schema::{ArrowError, DataType};
use arrow_select::interleave::interleave;

use crate::{
    model::{CHUNK_ROWS, Schema},
    operator::{Sandbox, StepError},
    plugin::{Grouped, Groups},
};

/// What comes out of a plugin's inverse: for each row of `previous` the row itself, or what is left
/// of it.
pub(super) fn left_over(
    (sandbox, picked, asked, output): (&mut Sandbox, &[usize], &[usize], &Schema),
    keys: usize,
    previous: &RecordBatch,
    leaving: &RecordBatch,
    partner: &[Option<usize>],
) -> Result<Vec<ArrayRef>, StepError> {
    let matched: Vec<(usize, usize)> = partner
        .iter()
        .enumerate()
        .filter_map(|(row, partner)| Some((row, (*partner)?)))
        .collect();
    let mut made: Vec<Vec<ArrayRef>> = Vec::new();
    for some in matched.chunks(CHUNK_ROWS / 2) {
        let at: Vec<_> = some
            .iter()
            .flat_map(|(old, gone)| [(0, *old), (1, *gone)])
            .collect();
        let values = picked.iter().map(|&column| {
            let (old, gone): (&dyn Array, &dyn Array) =
                (previous.column(column), leaving.column(column));
            interleave(&[old, gone], &at)
        });
        let values: Vec<ArrayRef> = values.collect::<Result<_, _>>()?;
        let rows: Vec<_> = some.iter().map(|(old, _)| (0, *old)).collect();
        let of_keys = asked
            .iter()
            .map(|&key| interleave(&[previous.column(key).as_ref()], &rows));
        let of_keys: Vec<ArrayRef> = of_keys.collect::<Result<_, _>>()?;
        let groups = Groups::from_lengths(some.iter().map(|_| 2));
        let rows = sandbox.call(|instance, function| {
            let grouped = Grouped {
                keys: &of_keys,
                groups: &groups?,
                values: &values,
            };
            instance.reduce(function, grouped, output)
        })?;
        made.push(rows.columns().to_vec());
    }
    // Row r of `previous` as it was, or the next of the results.
    let mut next = (0..).flat_map(|piece| (0..CHUNK_ROWS / 2).map(move |row| (piece + 1, row)));
    let at: Vec<(usize, usize)> = partner
        .iter()
        .enumerate()
        .map(|(row, partner)| match partner {
            None => Some((0, row)),
            Some(_) => next.next(),
        })
        .collect::<Option<_>>()
        .unwrap_or_default();
    let columns = (0..output.fields().len()).map(|column| {
        let old: &dyn Array = previous.column(keys + column);
        let new = made.iter().map(|piece| piece[column].as_ref());
        let all: Vec<&dyn Array> = [old].into_iter().chain(new).collect();
        interleave(&all, &at)
    });
    Ok(columns.collect::<Result<_, _>>()?)
}

/// Each of `from` less its partner in `what`; null counts as nothing, as in a sum.
pub(super) fn subtract(
    from: &ArrayRef,
    what: &ArrayRef,
    partner: &[Option<usize>],
) -> Result<ArrayRef, StepError> {
    let rows = 0..from.len();
    let gone = |row: usize| partner[row].filter(|row| what.is_valid(*row));
    if *from.data_type() == DataType::Float64 {
        let (from, what) = (
            from.as_primitive::<Float64Type>(),
            what.as_primitive::<Float64Type>(),
        );
        let left = rows.map(|row| match gone(row) {
            Some(gone) if from.is_valid(row) => Some(from.value(row) - what.value(gone)),
            _ => from.is_valid(row).then(|| from.value(row)),
        });
        return Ok(Arc::new(left.collect::<Float64Array>()));
    }
    let (Some(from), Some(what)) = (
        from.as_primitive_opt::<Int64Type>(),
        what.as_primitive_opt::<Int64Type>(),
    ) else {
        return Err(ArrowError::SchemaError("only numbers are subtracted".into()).into());
    };
    let left = rows.map(|row| match gone(row) {
        Some(gone) if from.is_valid(row) => {
            let left = from.value(row).checked_sub(what.value(gone));
            left.map(Some).ok_or(StepError::Underflow)
        }
        _ => Ok(from.is_valid(row).then(|| from.value(row))),
    });
    Ok(Arc::new(left.collect::<Result<Int64Array, _>>()?))
}
