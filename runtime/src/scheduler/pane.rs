//! One batch in a window of rows: where its partitions are.

use std::sync::Arc;

use super::Lost;
use crate::{
    format::{rows_from_bytes, rows_to_bytes},
    model::{NodeName, Partition, PersistLevel, Schema},
    spill::{Spill, Spilled},
    topology::PaneStorage,
};

/// One batch in a window.
#[derive(Debug)]
pub(super) struct Pane {
    pub(super) number: u64,
    pub(super) rows: Result<Vec<KeptPartition>, Lost>,
    /// It was written down.
    pub(super) is_saved: bool,
}

/// A partition of a pane.
#[derive(Debug, Clone)]
pub(super) enum KeptPartition {
    Memory(Partition),
    Spilled(Arc<SpilledPartition>),
}

/// A partition of a pane, on disk: an Arrow IPC stream.
#[derive(Debug)]
pub(super) struct SpilledPartition {
    /// The window.
    operator: NodeName,
    spilled: Spilled,
    /// Of what the window reads.
    schema: Schema,
}

/// A pane cannot be put on disk, or read from there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("operator `{operator}`: a batch in its window: {why}")]
pub struct PaneError {
    /// The window.
    operator: NodeName,
    why: String,
}

impl PaneError {
    fn new(operator: &NodeName, why: &dyn ToString) -> Self {
        Self {
            operator: operator.clone(),
            why: why.to_string(),
        }
    }
}

impl SpilledPartition {
    pub(super) fn bytes(&self) -> Result<Vec<u8>, PaneError> {
        let bytes = self.spilled.read();
        bytes.map_err(|error| PaneError::new(&self.operator, &error))
    }

    pub(super) fn read(&self) -> Result<Partition, PaneError> {
        let rows = rows_from_bytes(&self.schema, &self.bytes()?);
        rows.map_err(|error| PaneError::new(&self.operator, &error))
    }
}

/// Puts the panes of one window where they belong.
#[derive(Debug, Default)]
pub(super) struct PaneStore {
    /// None before the first partition that does not stay in memory.
    spill: Option<Spill>,
}

impl PaneStore {
    /// Keeps a batch of a window that has so many bytes in memory already. With `memory-and-disk`
    /// what is over the bound goes to disk.
    pub(super) fn keep(
        &mut self,
        (operator, storage): (&NodeName, &PaneStorage),
        schema: &Schema,
        partitions: &[Partition],
        mut in_memory: usize,
    ) -> Result<Vec<KeptPartition>, PaneError> {
        let mut kept = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let bytes = bytes_of(partition);
            let stays = match storage.persist {
                PersistLevel::Memory => true,
                PersistLevel::MemoryAndDisk => in_memory + bytes <= storage.memory.get(),
                PersistLevel::Disk => partition.is_empty(),
            };
            kept.push(if stays {
                in_memory += bytes;
                KeptPartition::Memory(partition.clone())
            } else {
                let spilled = self.spill(storage, schema, partition);
                let spilled = spilled.map_err(|why| PaneError::new(operator, &why))?;
                KeptPartition::Spilled(Arc::new(SpilledPartition {
                    operator: operator.clone(),
                    spilled,
                    schema: schema.clone(),
                }))
            });
        }
        Ok(kept)
    }

    fn spill(
        &mut self,
        storage: &PaneStorage,
        schema: &Schema,
        partition: &Partition,
    ) -> Result<Spilled, String> {
        /// Of a window, on disk: nothing bounds it, but the more it is the larger are its files.
        const EXPECTED: u64 = 16 << 30;
        let bytes = rows_to_bytes(schema, partition).map_err(|error| error.to_string())?;
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(match &storage.spill_directory {
                None => Spill::temporary(EXPECTED),
                Some(directory) => {
                    let spill = Spill::in_directory(directory, EXPECTED);
                    spill.map_err(|error| error.to_string())?
                }
            }),
        };
        spill.write(&bytes).map_err(|error| error.to_string())
    }
}

impl Pane {
    /// The same rows, which were never written down.
    pub(super) fn copied(&self) -> Self {
        Self {
            number: self.number,
            rows: self.rows.clone(),
            is_saved: false,
        }
    }

    /// Bytes in memory, about.
    pub(super) fn in_memory(&self) -> usize {
        let partitions = self.rows.iter().flatten();
        let bytes = partitions.map(|partition| match partition {
            KeptPartition::Memory(chunks) => bytes_of(chunks),
            KeptPartition::Spilled(_) => 0,
        });
        bytes.sum()
    }
}

fn bytes_of(partition: &Partition) -> usize {
    let chunks = partition.iter();
    chunks
        .map(arrow_array::RecordBatch::get_array_memory_size)
        .sum()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use serde_json::json;

    use super::*;
    use crate::format::rows_from_json;

    fn name() -> NodeName {
        "recent".parse().unwrap()
    }

    /// Its bound is what two partitions take up.
    fn storage(persist: PersistLevel) -> PaneStorage {
        PaneStorage {
            persist,
            memory: NonZeroUsize::new(2 * bytes_of(&partitions()[0])).unwrap(),
            spill_directory: None,
        }
    }

    fn schema() -> Schema {
        Schema::plain(crate::model::Kind::Int64)
    }

    fn partitions() -> Vec<Partition> {
        let chunk = |number: i64| rows_from_json(&schema(), &[json!(number)]).unwrap();
        (0..4).map(|n| vec![chunk(n), chunk(n * 10)]).collect()
    }

    fn read(kept: &KeptPartition) -> Partition {
        match kept {
            KeptPartition::Memory(chunks) => chunks.clone(),
            KeptPartition::Spilled(spilled) => spilled.read().unwrap(),
        }
    }

    #[test]
    fn a_batch_in_a_window_lies_where_it_is_told_and_comes_back_as_it_was() {
        for (persist, before, expected) in [
            (PersistLevel::Memory, 1 << 40, 4),
            (PersistLevel::MemoryAndDisk, 0, 2),
            (PersistLevel::MemoryAndDisk, 1, 1),
            (PersistLevel::Disk, 0, 0),
        ] {
            let mut store = PaneStore::default();
            let window = (&name(), &storage(persist));
            let kept = store.keep(window, &schema(), &partitions(), before);
            let pane = Pane {
                number: 1,
                rows: Ok(kept.unwrap()),
                is_saved: false,
            };
            let one = bytes_of(&partitions()[0]);
            assert_eq!(pane.in_memory(), expected * one, "{persist:?}");
            assert_eq!(store.spill.is_some(), expected < 4);
            let rows: Vec<_> = pane.rows.unwrap().iter().map(read).collect();
            assert_eq!(rows, partitions());
        }
    }

    #[test]
    fn a_damaged_batch_is_told_with_its_window_and_file() {
        let mut store = PaneStore::default();
        let window = (&name(), &storage(PersistLevel::Disk));
        let kept = store.keep(window, &schema(), &partitions(), 0).unwrap();
        store.spill.unwrap().damage(0);
        let KeptPartition::Spilled(first) = &kept[0] else {
            panic!("it is in memory");
        };
        let error = first.read().unwrap_err().to_string();
        let begin = "operator `recent`: a batch in its window: cannot read spill file 1 in ";
        assert!(error.starts_with(begin), "{error}");
        assert_eq!(read(&kept[1]), partitions()[1]);
    }
}
