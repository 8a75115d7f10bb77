//! A directory of files per batch (spec 13.2).

use std::{
    ffi::OsString,
    fs::File,
    io::{ErrorKind, Write},
};

use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, SchemaRef};

use super::{Sink, SinkError, SinkProblem};
use crate::{
    confine::Place,
    crash_points::around,
    format::{RowJson, RowText, WrongColumns},
    journal::make_directories,
    model::{Batch, BatchTime, NodeName, Partition, Schema},
    topology::FileFormat,
};

/// Text is gathered up to about this size before it is written.
const GATHERED: usize = 256 << 10;

/// How rows are written.
#[derive(Debug, Clone)]
enum Rows {
    Text(RowText),
    Json(RowJson),
    Objects(SchemaRef),
}

/// Writes each batch to `<path>-<batch ms>[.<suffix>]/part-00000` and on, one file per partition and at least
/// one. The directory appears whole, with everything on the disk, or not at all; one that is there
/// already is replaced, so that a repeated batch is there once.
#[derive(Debug)]
pub struct FilesSink {
    name: NodeName,
    prefix: Place,
    suffix: Option<String>,
    rows: Rows,
    /// The directory that batches go to is durable.
    is_prepared: bool,
}

impl FilesSink {
    /// For rows of `schema`; `path` is what the names of the directories start with.
    pub fn new(
        name: &NodeName,
        schema: &Schema,
        path: impl Into<Place>,
        format: FileFormat,
    ) -> Self {
        Self {
            name: name.clone(),
            // Without a slash at its end, which would make the prefix a directory.
            prefix: path.into().cleaned(),
            suffix: None,
            is_prepared: false,
            rows: match format {
                FileFormat::Text => Rows::Text(RowText::new(schema)),
                FileFormat::Json => Rows::Json(RowJson::new(schema)),
                FileFormat::Objects => Rows::Objects(schema.to_arrow()),
            },
        }
    }

    /// The same, with this behind a dot at the end of each directory's name.
    #[must_use]
    pub fn with_suffix(self, suffix: Option<String>) -> Self {
        Self { suffix, ..self }
    }

    fn put(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkProblem> {
        let target = Target::new(&self.prefix, time, self.suffix.as_deref());
        if !self.is_prepared || !target.parent.is_directory() {
            make_durable_directories(&target.parent)?;
            self.is_prepared = true;
        }
        remove(&target.temporary)?;
        let written = self
            .write_parts(&target.temporary, batch)
            .and_then(|()| target.put_in_place());
        if written.is_err() {
            // What went wrong is worth more than that this went wrong too.
            let _ = remove(&target.temporary);
        }
        written
    }

    fn write_parts(&self, directory: &Place, batch: &Batch) -> Result<(), SinkProblem> {
        let made = directory.create_directory();
        made.map_err(failed("make", directory))?;
        let none = [Partition::new()];
        let partitions = match batch.partitions.as_slice() {
            [] => none.as_slice(),
            partitions => partitions,
        };
        for (number, chunks) in partitions.iter().enumerate() {
            let path = directory.join(format!("part-{number:05}"));
            let mut file = path.create().map_err(failed("make", &path))?;
            match &self.rows {
                Rows::Text(rows) => {
                    let write = |chunk: &RecordBatch, out: &mut _| {
                        rows.write(chunk, 0..chunk.num_rows(), out)
                    };
                    write_lines(chunks, write, &mut file, &path)?;
                }
                Rows::Json(rows) => {
                    let write = |chunk: &RecordBatch, out: &mut _| {
                        rows.write(chunk, 0..chunk.num_rows(), out)
                    };
                    write_lines(chunks, write, &mut file, &path)?;
                }
                Rows::Objects(schema) => {
                    let written = write_objects(chunks, schema, &mut file);
                    written.map_err(|error| failed("write", &path)(io_error(error)))?;
                }
            }
            let synced = around("file-sync-before", "file-sync-after", || file.sync_all());
            synced.map_err(failed("sync", &path))?;
        }
        sync_directory(directory)
    }
}

impl Sink for FilesSink {
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError> {
        self.put(time, batch)
            .map_err(|problem| SinkError::new(&self.name, time, problem))
    }
}

fn write_lines(
    chunks: &Partition,
    rows: impl Fn(&RecordBatch, &mut Vec<u8>) -> Result<(), WrongColumns>,
    file: &mut File,
    path: &Place,
) -> Result<(), SinkProblem> {
    let mut text = Vec::new();
    for chunk in chunks {
        rows(chunk, &mut text)?;
        if text.len() >= GATHERED {
            file.write_all(&text).map_err(failed("write", path))?;
            text.clear();
        }
    }
    file.write_all(&text).map_err(failed("write", path))
}

fn write_objects(
    chunks: &Partition,
    schema: &SchemaRef,
    file: &mut File,
) -> Result<(), ArrowError> {
    let mut writer = FileWriter::try_new_buffered(file, schema)?;
    for chunk in chunks {
        writer.write(chunk)?;
    }
    writer.finish()
}

fn io_error(error: ArrowError) -> std::io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => std::io::Error::other(other),
    }
}

/// Where a batch goes, and where it is made.
struct Target {
    path: Place,
    parent: Place,
    temporary: Place,
    /// Where what stood there before waits for its end.
    replaced: Place,
}

impl Target {
    fn new(prefix: &Place, time: BatchTime, suffix: Option<&str>) -> Self {
        let mut path = prefix.with_suffix(&format!("-{}", time.as_millis()));
        if let Some(suffix) = suffix {
            path = path.with_suffix(&format!(".{suffix}"));
        }
        let parent = path.directory();
        let hidden = |ending: &str| {
            let mut name = OsString::from(".");
            name.push(path.name());
            name.push(ending);
            parent.join(name)
        };
        Self {
            temporary: hidden(".tmp"),
            replaced: hidden(".old"),
            parent,
            path,
        }
    }

    fn put_in_place(&self) -> Result<(), SinkProblem> {
        match self.path.look_at_link() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", &self.path)(error)),
            Ok(there) if there.is_directory => {
                remove(&self.replaced)?;
                let renamed = self.path.rename(&self.replaced);
                renamed.map_err(failed("replace", &self.path))?;
            }
            Ok(_) => {
                let error = std::io::Error::other("it is there and is no directory");
                return Err(failed("replace", &self.path)(error));
            }
        }
        let renamed = around("file-rename-before", "file-rename-after", || {
            self.temporary.rename(&self.path)
        });
        if let Err(error) = renamed {
            // Back to what it was, if anything was there.
            let _ = self.replaced.rename(&self.path);
            return Err(failed("put in place", &self.path)(error));
        }
        sync_directory(&self.parent)?;
        remove(&self.replaced)
    }
}

fn failed<'a>(
    action: &'static str,
    path: &'a Place,
) -> impl Fn(std::io::Error) -> SinkProblem + use<'a> {
    move |error| SinkProblem::File {
        action,
        path: path.shown(),
        error,
    }
}

/// Makes the directory and those above it, so that they outlive a crash.
pub(super) fn make_durable_directories(path: &Place) -> Result<(), SinkProblem> {
    make_directories(path).map_err(failed("make", path))
}

pub(super) fn sync_directory(path: &Place) -> Result<(), SinkProblem> {
    let synced = around("file-names-before", "file-names-after", || path.sync());
    synced.map_err(failed("sync", path))
}

fn remove(directory: &Place) -> Result<(), SinkProblem> {
    match directory.remove_all() {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(failed("remove", directory)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
