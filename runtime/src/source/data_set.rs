//! A data set in a file that an operator wants whole: reference data, an initial state.

use std::{num::NonZeroUsize, sync::Arc, time::SystemTime};

use arrow_array::RecordBatch;

use super::{Claim, FileSource, Source as _, SourceError, SourceProblem, file_range::unreadable};
use crate::{
    format::LineDecoder,
    model::{BatchTime, NodeName},
    topology::{OnInvalid, Reference},
};

/// A data set, read when it is first wanted, and again when its file has changed if it follows
/// changes. A file that is rewritten in place while it is read may be read half new: write it
/// elsewhere and rename it.
#[derive(Debug)]
pub struct DataSet {
    reference: Reference,
    read: Option<(Stamp, Arc<[RecordBatch]>)>,
}

/// A file with the same stamp is taken for unchanged.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

/// A data set could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("operator `{operator}`, {role}: {problem}")]
pub struct DataSetError {
    operator: NodeName,
    role: String,
    #[source]
    problem: SourceProblem,
}

impl DataSet {
    /// A data set that has not been read yet.
    pub const fn new(reference: Reference) -> Self {
        Self {
            reference,
            read: None,
        }
    }

    /// Its rows, as the file has them now.
    ///
    /// # Errors
    /// When the file cannot be read, or one of its lines is no row.
    pub fn rows(&mut self) -> Result<Arc<[RecordBatch]>, DataSetError> {
        if let Some((_, rows)) = self
            .read
            .as_ref()
            .filter(|_| !self.reference.follows_changes)
        {
            return Ok(rows.clone());
        }
        let stamp = self.stamp()?;
        match &self.read {
            Some((old, rows)) if *old == stamp => Ok(rows.clone()),
            _ => {
                let rows = self
                    .load()
                    .map_err(|error| self.blame(error.problem().clone()))?;
                self.read = Some((stamp, rows.clone()));
                Ok(rows)
            }
        }
    }

    fn stamp(&self) -> Result<Stamp, DataSetError> {
        let path = &self.reference.path;
        let seen = path.look();
        let seen = seen.map_err(|error| self.blame(unreadable(path, error)))?;
        Ok(Stamp {
            length: seen.length,
            modified: seen.modified,
        })
    }

    fn load(&self) -> Result<Arc<[RecordBatch]>, SourceError> {
        let Reference {
            operator,
            path,
            decoder,
            schema,
            ..
        } = &self.reference;
        // A row less in a data set is a wrong result: no line may be left out.
        let mut decoder = decoder.clone();
        decoder.on_invalid = OnInvalid::Fail;
        let decoder = LineDecoder::new(schema, schema, &decoder);
        let one = NonZeroUsize::MIN;
        let mut file = FileSource::open(operator, path, NonZeroUsize::MAX, one, decoder)?;
        let mut chunks = Vec::new();
        if let Claim::Batch(readers) = file.claim(BatchTime::from_millis(0))? {
            for mut reader in readers {
                while let Some(chunk) = reader.next_chunk()? {
                    chunks.push(chunk.rows);
                }
            }
        }
        Ok(chunks.into())
    }

    fn blame(&self, problem: SourceProblem) -> DataSetError {
        DataSetError {
            operator: self.reference.operator.clone(),
            role: self.reference.role.clone(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use arrow_array::cast::AsArray;

    use super::*;
    use crate::{
        model::{Kind, Schema},
        topology::{Decoder, Format},
    };

    fn words(path: &std::path::Path, follows_changes: bool) -> DataSet {
        DataSet::new(Reference {
            operator: "clean".parse().unwrap(),
            role: "reference blocked".to_owned(),
            path: path.into(),
            decoder: Decoder {
                format: Format::Text,
                on_invalid: OnInvalid::Reject,
                max_line: NonZeroUsize::new(100).unwrap(),
            },
            schema: Schema::plain(Kind::Utf8),
            follows_changes,
        })
    }

    fn read(data: &mut DataSet) -> Vec<String> {
        let rows = data.rows().unwrap();
        let columns = rows.iter().map(|chunk| chunk.column(0).as_string::<i32>());
        let texts = columns.flat_map(|c| c.iter().map(|text| text.unwrap().to_owned()));
        texts.collect()
    }

    #[test]
    fn a_changed_file_is_read_again_unless_it_is_a_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("words.txt");
        fs::write(&path, "a\nb\n").unwrap();
        let (mut reference, mut initial) = (words(&path, true), words(&path, false));
        for data in [&mut reference, &mut initial] {
            assert_eq!(read(data), ["a", "b"]);
        }
        fs::write(&path, "a\nb\nc\n").unwrap();
        assert_eq!(read(&mut reference), ["a", "b", "c"]);
        assert_eq!(read(&mut initial), ["a", "b"]);
    }

    #[test]
    fn what_is_no_row_is_an_error_that_names_operator_and_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("words.txt");
        let error = words(&path, true).rows().unwrap_err().to_string();
        assert!(
            error.starts_with("operator `clean`, reference blocked: cannot read "),
            "{error}"
        );
        fs::write(&path, b"a\n\xff\n").unwrap();
        let error = words(&path, true).rows().unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
