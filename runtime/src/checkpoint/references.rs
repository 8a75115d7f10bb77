//! Reference data that batches were made with, each under its digest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use arrow_array::RecordBatch;

use super::{CheckpointError, store::lock};
use crate::{
    format::{rows_from_bytes, rows_to_bytes},
    journal::{Disk, JournalError, read_whole, write_whole},
    model::Schema,
    topology::Topology,
};

/// The rows of a data set.
pub type Rows = Arc<[RecordBatch]>;

/// The rows with these columns under a digest.
pub(super) fn read(
    disk: &dyn Disk,
    schema: &Schema,
    digest: &str,
) -> Result<Rows, CheckpointError> {
    let bytes = read_whole(disk, &file_name(digest))?;
    let bytes = bytes.ok_or_else(|| damaged(disk, digest, "is missing"))?;
    if blake3::hash(&bytes).to_hex().as_str() != digest {
        return Err(damaged(disk, digest, "is not what was written"));
    }
    Ok(rows_from_bytes(schema, &bytes)?.into())
}

/// The digests of all that is there.
pub(super) fn digests(disk: &dyn Disk) -> Result<BTreeSet<String>, CheckpointError> {
    let files = disk.list().map_err(|error| JournalError::Disk {
        action: "list",
        name: "files".to_owned(),
        place: disk.place(),
        error,
    })?;
    let digests = files.iter().filter_map(|file| file.strip_prefix("data-"));
    Ok(digests.map(str::to_owned).collect())
}

fn file_name(digest: &str) -> String {
    format!("data-{digest}")
}

fn damaged(disk: &dyn Disk, digest: &str, why: &str) -> CheckpointError {
    CheckpointError::Damaged {
        file: file_name(digest),
        place: disk.place(),
        why: why.to_owned(),
    }
}

/// Writes each version of a data set once.
#[derive(Debug)]
pub(super) struct References {
    schemas: Vec<Schema>,
    /// By place in the topology: what was written last, and its digest.
    known: Mutex<BTreeMap<usize, (Rows, String)>>,
}

impl References {
    pub(super) fn new(topology: &Topology) -> Self {
        let references = topology.references.iter();
        Self {
            schemas: references
                .map(|reference| reference.schema.clone())
                .collect(),
            known: Mutex::default(),
        }
    }

    /// The rows under a digest.
    pub(super) fn read(
        &self,
        disk: &dyn Disk,
        at: usize,
        digest: &str,
    ) -> Result<Rows, CheckpointError> {
        let mut known = lock(&self.known);
        if let Some((rows, _)) = known.get(&at).filter(|(_, of)| of == digest) {
            return Ok(rows.clone());
        }
        let schema = self.schemas.get(at);
        let schema = schema.ok_or_else(|| damaged(disk, digest, "is of another operator"))?;
        let rows = read(disk, schema, digest)?;
        known.insert(at, (rows.clone(), digest.to_owned()));
        Ok(rows)
    }

    /// Removes what neither these digests nor the next claims name.
    pub(super) fn release(&self, disk: &dyn Disk, needed: &BTreeSet<String>) {
        let known = lock(&self.known);
        for file in disk.list().unwrap_or_default() {
            let Some(digest) = file.strip_prefix("data-") else {
                continue;
            };
            let is_known = known.values().any(|(_, of)| of == digest);
            if !is_known && !needed.contains(digest) {
                let _ = disk.remove(&file); // what stays does no harm
            }
        }
    }

    /// Writes the rows under their digest, once in a run.
    pub(super) fn keep(
        &self,
        disk: &dyn Disk,
        at: usize,
        rows: &Rows,
    ) -> Result<String, CheckpointError> {
        let mut known = lock(&self.known);
        if let Some((_, digest)) = known.get(&at).filter(|(of, _)| Arc::ptr_eq(of, rows)) {
            return Ok(digest.clone());
        }
        let bytes = rows_to_bytes(&self.schemas[at], rows)?;
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let file = file_name(&digest);
        // Also if it is there: a run that was taken over may be about to remove its own.
        write_whole(disk, &file, &bytes)?;
        known.insert(at, (rows.clone(), digest.clone()));
        Ok(digest)
    }
}
