//! Rows as bytes that outlive the process: an Arrow IPC stream.

use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use arrow_schema::{ArrowError, Schema as ArrowSchema, SchemaRef};

use super::ipc_frames;
use crate::model::Schema;

/// Bytes that are not the rows that were to be there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpcError {
    /// They do not decode, or the rows do not encode.
    #[error("rows cannot be written or read again: {0}")]
    Arrow(String),
    /// They are rows with other columns.
    #[error("rows have columns ({found}) where there must be ({expected})")]
    Columns {
        /// Of the bytes.
        found: String,
        /// As wanted.
        expected: String,
    },
}

impl From<ArrowError> for IpcError {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error.to_string())
    }
}

/// Chunks of these columns, in order.
///
/// # Errors
/// When a chunk has other columns.
pub fn rows_to_bytes(schema: &Schema, chunks: &[RecordBatch]) -> Result<Vec<u8>, IpcError> {
    let bytes = chunks.iter().map(RecordBatch::get_array_memory_size);
    let room = Vec::with_capacity(bytes.sum::<usize>() + 4_096);
    let mut writer = StreamWriter::try_new(room, &schema.to_arrow())?;
    for chunk in chunks {
        writer.write(chunk)?;
    }
    Ok(writer.into_inner()?)
}

/// One chunk, with whatever columns it has.
///
/// # Errors
/// When Arrow cannot write them.
pub fn rows_to_ipc(chunk: &RecordBatch) -> Result<Vec<u8>, IpcError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &chunk.schema())?;
    writer.write(chunk)?;
    Ok(writer.into_inner()?)
}

/// The chunks in `bytes`, as they were written.
///
/// # Errors
/// When the bytes are no chunks of these columns.
pub fn rows_from_bytes(schema: &Schema, bytes: &[u8]) -> Result<Vec<RecordBatch>, IpcError> {
    let (found, rows) = read_rows(bytes)?;
    if found != schema.to_arrow() {
        let found = found.fields().iter();
        let found = found.map(|field| format!("{}: {}", field.name(), field.data_type()));
        return Err(IpcError::Columns {
            found: found.collect::<Vec<_>>().join(", "),
            expected: schema.to_string(),
        });
    }
    Ok(rows)
}

/// The chunks in `bytes`, whatever their columns, and those.
///
/// # Errors
/// When the bytes are no rows.
pub fn read_rows(bytes: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>), IpcError> {
    ipc_frames::check(bytes).map_err(IpcError::Arrow)?;
    let reader = StreamReader::try_new(Cursor::new(bytes), None)?;
    let schema = reader.schema();
    Ok((schema, reader.collect::<Result<_, _>>()?))
}

/// Rows as text: the columns' names, then a line for each row.
///
/// # Errors
/// When Arrow cannot.
pub fn rows_as_text(
    schema: &ArrowSchema,
    chunks: &[RecordBatch],
) -> Result<Vec<Vec<String>>, IpcError> {
    let names = schema.fields().iter().map(|field| field.name().clone());
    let mut lines = vec![names.collect::<Vec<_>>()];
    let options = FormatOptions::default().with_null("null");
    for chunk in chunks {
        let columns = chunk.columns().iter();
        let columns = columns.map(|column| ArrayFormatter::try_new(column, &options));
        let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
        for row in 0..chunk.num_rows() {
            let values = columns
                .iter()
                .map(|column| column.value(row).try_to_string());
            lines.push(values.collect::<Result<_, _>>()?);
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{format::rows_from_json, model::Kind};

    #[test]
    fn chunks_come_back_as_they_were_and_only_as_what_they_were() {
        let schema = Schema::pair(Kind::Utf8, Kind::Int64);
        let chunk =
            |rows: serde_json::Value| rows_from_json(&schema, rows.as_array().unwrap()).unwrap();
        let chunks = [
            chunk(json!([["a", 1]])),
            chunk(json!([])),
            chunk(json!([["b", 2]])),
        ];
        let bytes = rows_to_bytes(&schema, &chunks).unwrap();
        assert_eq!(rows_from_bytes(&schema, &bytes).unwrap(), chunks);
        // A slice does not drag along what it was cut from.
        let long = chunk(json!(vec![json!(["some text", 1]); 1_000]));
        let cut = rows_to_bytes(&schema, &[long.slice(500, 1)]).unwrap();
        assert!(cut.len() < 2_000, "{}", cut.len());
        let other = Schema::plain(Kind::Int64);
        assert!(matches!(
            rows_from_bytes(&other, &bytes),
            Err(IpcError::Columns { .. })
        ));
        for end in [0, 7, bytes.len() / 2] {
            assert!(rows_from_bytes(&schema, &bytes[..end]).is_err(), "{end}");
        }
    }
}
