//! Rows on their way to the disk.

use std::{borrow::Cow, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use serde_bytes::ByteBuf;

use super::{IpcError, read_rows, rows_from_bytes, rows_to_bytes};
use crate::model::Schema;

/// Rows that become an Arrow IPC stream when they are serialized, not before: what is written
/// behind the back of a batch costs that batch nothing but a few pointers. Clones share the rows.
#[derive(Debug, Clone)]
pub struct IpcRows(Inner);

#[derive(Debug, Clone)]
enum Inner {
    Rows(Schema, Arc<[RecordBatch]>),
    Bytes(Arc<[u8]>),
}

impl IpcRows {
    /// Chunks of these columns.
    pub fn new(schema: &Schema, chunks: &[RecordBatch]) -> Self {
        Self(Inner::Rows(schema.clone(), chunks.into()))
    }

    /// What is an IPC stream already.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Inner::Bytes(bytes.into()))
    }

    /// The stream.
    ///
    /// # Errors
    /// When a chunk has other columns.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, IpcError> {
        match &self.0 {
            Inner::Rows(schema, chunks) => Ok(Cow::Owned(rows_to_bytes(schema, chunks)?)),
            Inner::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// The chunks, whatever their columns, and those.
    ///
    /// # Errors
    /// When these are bytes that are no rows.
    pub fn read(&self) -> Result<(SchemaRef, Vec<RecordBatch>), IpcError> {
        match &self.0 {
            Inner::Rows(schema, chunks) => Ok((schema.to_arrow(), chunks.to_vec())),
            Inner::Bytes(bytes) => read_rows(bytes),
        }
    }

    /// The chunks, if they have these columns.
    ///
    /// # Errors
    /// When they have others, or these are bytes that are no rows.
    pub fn read_as(&self, schema: &Schema) -> Result<Vec<RecordBatch>, IpcError> {
        rows_from_bytes(schema, &self.bytes()?)
    }
}

impl Serialize for IpcRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes().map_err(S::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for IpcRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_bytes(
            ByteBuf::deserialize(deserializer)?.into_vec(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{codec, format::rows_from_json, model::Kind};

    #[test]
    fn what_is_written_is_read_and_only_as_what_it_was() {
        let schema = Schema::pair(Kind::Utf8, Kind::Int64);
        let rows = rows_from_json(&schema, &[json!(["a", 1]), json!(["b", 2])]).unwrap();
        let given = IpcRows::new(&schema, std::slice::from_ref(&rows));
        let written = codec::encode(1, &given).unwrap();
        let read: IpcRows = codec::decode(1, &written).unwrap();
        for rows_again in [&given, &read] {
            assert_eq!(
                rows_again.read_as(&schema).unwrap(),
                std::slice::from_ref(&rows)
            );
            assert_eq!(rows_again.read().unwrap().1, std::slice::from_ref(&rows));
            assert!(rows_again.read_as(&Schema::plain(Kind::Utf8)).is_err());
        }
        assert_eq!(given.bytes().unwrap(), read.bytes().unwrap());
    }
}
