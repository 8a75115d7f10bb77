//! Sources that take again what was taken before, and nothing new: they reach nobody and wait for
//! nobody.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use super::{
    Claim, Source, SourceError, SourceProblem, Taken,
    error::another_type,
    open::open_readable,
    receiver::{BlockReader, ClaimedBlock},
};
use crate::{
    format::LineDecoder,
    model::{BatchInterval, BatchTime, InputPosition, InputRange, NodeName},
    receiver::StoredRows,
    topology::{self, SourceKind},
};

/// What such sources need.
pub struct ReplaySetup {
    /// Of the topology.
    pub interval: BatchInterval,
    /// Partitions of a batch where a source names none.
    pub parallelism: NonZeroUsize,
    /// If it has a receiver: what was logged of it, by number.
    pub blocks: BTreeMap<u64, Arc<dyn StoredRows>>,
}

/// Opens a source for [`Source::replay`]. Files are read where they lie; what a receiver took in
/// comes from its log. [`Source::resume`] it first with where it stood before.
///
/// # Errors
/// When its file cannot be read, or holds something else.
pub fn open_replayed(
    source: &topology::Source,
    setup: ReplaySetup,
) -> Result<Box<dyn Source>, SourceError> {
    match &source.kind {
        SourceKind::Socket { decoder, .. } | SourceKind::Receiver { decoder, .. } => {
            let decoder = LineDecoder::new(&source.schema, &source.rejected, decoder);
            let blocks = ReplayedBlocks::new(&source.name, setup.blocks, decoder);
            Ok(Box::new(blocks))
        }
        SourceKind::File { .. }
        | SourceKind::Directory { .. }
        | SourceKind::Queue { .. }
        | SourceKind::Generator(_) => open_readable(source, 0, (setup.interval, setup.parallelism)),
    }
}

/// Blocks that were logged, without the receiver that took them in.
#[derive(Debug)]
pub struct ReplayedBlocks {
    name: NodeName,
    blocks: BTreeMap<u64, Arc<dyn StoredRows>>,
    decoder: Arc<LineDecoder>,
    /// By the last claim.
    taken: Option<Vec<u64>>,
}

impl ReplayedBlocks {
    /// Of these blocks, by number, whose records are lines for `decoder`.
    pub fn new(
        name: &NodeName,
        blocks: BTreeMap<u64, Arc<dyn StoredRows>>,
        decoder: LineDecoder,
    ) -> Self {
        Self {
            name: name.clone(),
            blocks,
            decoder: Arc::new(decoder),
            taken: None,
        }
    }
}

impl Source for ReplayedBlocks {
    /// An empty batch.
    fn claim(&mut self, _: BatchTime) -> Result<Claim, SourceError> {
        self.taken = Some(Vec::new());
        Ok(Claim::Batch(Vec::new()))
    }

    fn taken(&self) -> Option<Taken> {
        Some(Taken {
            range: InputRange::Blocks(self.taken.clone()?),
            position: InputPosition::Blocks { controller: None },
        })
    }

    fn resume(&mut self, position: &InputPosition) -> Result<(), SourceError> {
        match position {
            InputPosition::Blocks { .. } => Ok(()),
            _ => Err(another_type(&self.name)),
        }
    }

    /// A batch that lacks a block would be another one, so that is an error.
    fn replay(&mut self, _: BatchTime, range: &InputRange) -> Result<Claim, SourceError> {
        let InputRange::Blocks(ids) = range else {
            return Err(another_type(&self.name));
        };
        let mut readers: Vec<Box<dyn super::PartitionReader>> = Vec::with_capacity(ids.len());
        for id in ids {
            let rows = self.blocks.get(id).ok_or_else(|| {
                let what = format!("block {id} was not logged (log = false)");
                SourceError::new(&self.name, SourceProblem::NotThere(what))
            })?;
            let block = ClaimedBlock::Logged(*id, rows.clone());
            readers.push(Box::new(BlockReader::new(&self.name, &self.decoder, block)));
        }
        self.taken = Some(ids.clone());
        Ok(Claim::Batch(readers))
    }

    fn is_exhausted(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{RecordBatch, cast::AsArray};
    use serde_json::json;

    use super::*;
    use crate::{
        format::rows_from_json,
        model::{Field, Kind, Schema},
        receiver::BlockRows,
        topology::{Decoder, Format, OnInvalid},
    };

    #[derive(Debug)]
    struct Kept(Result<BlockRows, String>);

    impl StoredRows for Kept {
        fn read(&self) -> Result<BlockRows, String> {
            self.0.clone()
        }
    }

    fn records(lines: &[&[u8]]) -> BlockRows {
        let lines = arrow_array::BinaryArray::from_iter_values(lines);
        let columns: Vec<arrow_array::ArrayRef> = vec![Arc::new(lines)];
        let schema = Schema::plain(Kind::Binary).to_arrow();
        BlockRows::Records(RecordBatch::try_new(schema, columns).unwrap())
    }

    fn source() -> ReplayedBlocks {
        let schema = Schema::plain(Kind::Utf8);
        let rejected = ["value", "reason"].map(|name| Field::new(name, Kind::Utf8));
        let decoder = Decoder {
            format: Format::Text,
            on_invalid: OnInvalid::Reject,
            max_line: NonZeroUsize::new(100).unwrap(),
        };
        let decoder = LineDecoder::new(&schema, &Schema::new(rejected.to_vec()).unwrap(), &decoder);
        let rows = rows_from_json(&schema, &[json!("c"), json!("d")]).unwrap();
        let blocks: [(u64, Arc<dyn StoredRows>); 3] = [
            (3, Arc::new(Kept(Ok(records(&[b"a", b"b"]))))),
            (5, Arc::new(Kept(Ok(BlockRows::Rows(rows))))),
            (6, Arc::new(Kept(Err("the disk is gone".to_owned())))),
        ];
        ReplayedBlocks::new(&"in".parse().unwrap(), BTreeMap::from(blocks), decoder)
    }

    /// By partition.
    fn replay(ids: &[u64]) -> Result<Vec<Vec<String>>, SourceError> {
        let range = InputRange::Blocks(ids.to_vec());
        let time = BatchTime::from_millis(1_000);
        let Claim::Batch(readers) = source().replay(time, &range)? else {
            panic!("no batch");
        };
        let read = readers.into_iter().map(|mut reader| {
            let mut rows = Vec::new();
            while let Some(chunk) = reader.next_chunk()? {
                let column = chunk.rows.column(0).as_string::<i32>().clone();
                rows.extend(column.iter().map(|row| row.unwrap().to_owned()));
            }
            Ok(rows)
        });
        read.collect()
    }

    #[test]
    fn a_batch_has_the_blocks_of_its_claim_in_their_order() {
        assert_eq!(replay(&[5, 3]).unwrap(), [["c", "d"], ["a", "b"]]);
        assert_eq!(replay(&[]).unwrap(), [[""; 0]; 0]);
    }

    #[test]
    fn a_block_that_is_not_there_is_an_error_and_not_an_empty_partition() {
        for (ids, why) in [
            (&[3, 4][..], "block 4 was not logged"),
            (&[6], "the disk is gone"),
        ] {
            let error = replay(ids).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let bytes = InputRange::Bytes { from: 0, to: 1 };
        let time = BatchTime::from_millis(1_000);
        let error = source().replay(time, &bytes).err().unwrap();
        assert!(error.to_string().contains("another type"), "{error}");
    }
}
