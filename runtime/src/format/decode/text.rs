//! Lines to `value: utf8`.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::{DecodeError, Lines, Rejected};
use crate::{model::Schema, topology::OnInvalid};

/// All lines at once if they are UTF-8; else line by line.
pub(super) fn decode(
    schema: &Schema,
    lines: Lines,
    on_invalid: OnInvalid,
    rejected: &mut Rejected,
    replaced: &mut usize,
) -> Result<RecordBatch, DecodeError> {
    let (bytes, offsets) = lines.clone().into_parts();
    match strings(bytes, offsets) {
        Ok(array) => Ok(chunk(schema, array)?),
        Err(_) => each(schema, &lines, on_invalid, rejected, replaced),
    }
}

/// Checks UTF-8 over the whole buffer, then that no line starts inside a character.
fn strings(bytes: Buffer, offsets: Vec<i32>) -> Result<StringArray, ArrowError> {
    StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(offsets)), bytes, None)
}

fn chunk(schema: &Schema, array: StringArray) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(schema.to_arrow(), vec![Arc::new(array) as ArrayRef])
}

fn each(
    schema: &Schema,
    lines: &Lines,
    on_invalid: OnInvalid,
    rejected: &mut Rejected,
    replaced: &mut usize,
) -> Result<RecordBatch, DecodeError> {
    let mut values: Vec<u8> = Vec::new();
    let mut offsets = vec![0];
    for (at, line) in lines.iter().enumerate() {
        match std::str::from_utf8(line) {
            Ok(text) => values.extend_from_slice(text.as_bytes()),
            Err(_) if on_invalid == OnInvalid::Replace => {
                *replaced += 1;
                values.extend_from_slice(String::from_utf8_lossy(line).as_bytes());
            }
            Err(error) => {
                let reason = format!("not UTF-8 at byte {}", error.valid_up_to());
                rejected.push(at, line, reason)?;
                continue;
            }
        }
        let end = i32::try_from(values.len())
            .map_err(|_| ArrowError::OffsetOverflowError(values.len()))?;
        offsets.push(end);
    }
    Ok(chunk(schema, strings(Buffer::from_vec(values), offsets)?)?)
}
