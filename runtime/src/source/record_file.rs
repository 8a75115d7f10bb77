//! A file of records of one length as a partition (spec 12.4).

use std::{fs::File, num::NonZeroUsize, sync::Arc};

use arrow_array::{ArrayRef, BinaryArray, RecordBatch};

use super::{
    PartitionReader, SourceChunk, SourceError, SourceProblem,
    file_range::{read_at, unreadable},
};
use crate::{
    confine::Place,
    model::{CHUNK_BYTES, CHUNK_ROWS, Kind, NodeName, Schema},
};

/// Reads a file that is `value: binary`, a record after the other.
#[derive(Debug)]
pub(super) struct RecordFile {
    source: NodeName,
    path: Place,
    /// Of the file, when it was claimed.
    length: u64,
    record: NonZeroUsize,
    file: Option<File>,
    position: u64,
}

impl RecordFile {
    pub(super) fn new(source: &NodeName, path: Place, length: u64, record: NonZeroUsize) -> Self {
        Self {
            source: source.clone(),
            path,
            length,
            record,
            file: None,
            position: 0,
        }
    }

    fn error(&self, problem: SourceProblem) -> SourceError {
        SourceError::new(&self.source, problem)
    }
}

impl PartitionReader for RecordFile {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>, SourceError> {
        let record = self.record.get();
        if !self.length.is_multiple_of(record as u64) {
            return Err(self.error(SourceProblem::NoRecords {
                path: self.path.shown(),
                length: self.length,
                record,
            }));
        }
        let left = usize::try_from(self.length - self.position).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        let rows = CHUNK_ROWS
            .min(CHUNK_BYTES.div_ceil(record))
            .min(left / record);
        let mut bytes = vec![0; rows * record];
        let opened = match self.file.take() {
            Some(file) => Ok(file),
            None => self.path.open(),
        };
        let file = opened.map_err(|error| self.error(unreadable(&self.path, error)))?;
        let read = read_at(&file, &mut bytes, self.position)
            .map_err(|error| self.error(unreadable(&self.path, error)))?;
        if read < bytes.len() {
            return Err(self.error(SourceProblem::Shrank {
                path: self.path.shown(),
                expected: self.length,
                found: self.position + read as u64,
            }));
        }
        self.file = Some(file);
        self.position += read as u64;
        let records = BinaryArray::from_iter_values(bytes.chunks_exact(record));
        let columns: Vec<ArrayRef> = vec![Arc::new(records)];
        let rows = RecordBatch::try_new(Schema::plain(Kind::Binary).to_arrow(), columns)
            .map_err(|error| self.error(SourceProblem::Internal(error.to_string())))?;
        Ok(Some(SourceChunk {
            rows,
            rejected: None,
            replaced: 0,
            bytes: read,
        }))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;

    fn records(bytes: &[u8], record: usize) -> Result<Vec<Vec<u8>>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records");
        std::fs::write(&path, bytes).unwrap();
        let record = NonZeroUsize::new(record).unwrap();
        let name = "in".parse().unwrap();
        let mut file = RecordFile::new(&name, path.into(), bytes.len() as u64, record);
        let mut records = Vec::new();
        while let Some(chunk) = file.next_chunk().map_err(|error| error.to_string())? {
            assert!(chunk.rows.num_rows() <= CHUNK_ROWS);
            let column = chunk.rows.column(0).as_binary::<i32>().clone();
            records.extend(column.iter().map(|record| record.unwrap().to_vec()));
        }
        Ok(records)
    }

    #[test]
    fn a_file_is_its_records_in_order() {
        assert_eq!(records(b"", 3).unwrap(), [[0; 0]; 0]);
        assert_eq!(records(b"abcdef", 3).unwrap(), [b"abc", b"def"]);
        let many: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        let read = records(&many, 4).unwrap();
        assert_eq!(read.concat(), many);
    }

    #[test]
    fn a_record_of_another_length_is_an_error_that_names_the_file() {
        let error = records(b"abcde", 3).unwrap_err();
        assert!(
            error.contains("records has 5 bytes, which is no multiple of the 3 of a record"),
            "{error}"
        );
    }
}
