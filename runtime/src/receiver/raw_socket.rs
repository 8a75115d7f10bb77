//! Blocks from a TCP server, as a client (spec 12.2).

use std::{num::NonZeroUsize, sync::Arc};

use arrow_array::{Array, BinaryArray, RecordBatch, builder::BinaryBuilder};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio_util::sync::CancellationToken;

use super::{Receiver, ReceiverError, Receiving, Store, dial::connect};
use crate::{
    confine::Address,
    format::LineDecoder,
    model::{Kind, Position, Schema},
};

/// Bytes of the length before a block.
const LENGTH: usize = 4;

/// Connects to a server that sends blocks: the length as four bytes, the highest first, then so
/// many bytes. Each block is one of the block store's, and a partition of its batch. What was not
/// received whole is no block.
#[derive(Debug)]
pub struct RawSocketReceiver {
    address: Address,
    /// Bytes of a block, at most.
    longest: NonZeroUsize,
    decoder: Arc<LineDecoder>,
}

impl RawSocketReceiver {
    /// For the server at `address` (`host:port`), whose blocks hold lines for `decoder`, or are
    /// one record each if that reads bytes as they are.
    pub fn new(
        address: impl Into<Address>,
        longest: NonZeroUsize,
        decoder: Arc<LineDecoder>,
    ) -> Self {
        Self {
            address: address.into(),
            longest,
            decoder,
        }
    }

    async fn receive(&self, store: &Store, stop: &CancellationToken) -> Result<(), ReceiverError> {
        let connected = tokio::select! {
            connected = connect(&self.address) => connected,
            () = stop.cancelled() => return Ok(()),
        };
        let stream = connected.map_err(|error| ReceiverError::Unreachable {
            source_name: self.address.to_string(),
            error: error.into(),
        })?;
        tracing::info!(address = %self.address, "connected");
        let mut stream = BufReader::new(stream);
        let mut has_header = self.decoder.has_header();
        loop {
            let block = tokio::select! {
                block = self.block(&mut stream) => block?,
                // A block that is still coming is none.
                () = stop.cancelled() => return Ok(()),
            };
            let Some(block) = block else {
                return Ok(());
            };
            let records = self.records(&block, &mut has_header);
            if records.len() > 0 {
                let schema = Schema::plain(Kind::Binary).to_arrow();
                let rows = RecordBatch::try_new(schema, vec![Arc::new(records)]);
                let rows = rows.map_err(|error| self.lost(error.to_string()))?;
                store.store_block(rows).await?;
            }
        }
    }

    /// The next block; none at the end.
    async fn block(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<Option<Vec<u8>>, ReceiverError> {
        let failed = |error: std::io::Error| self.lost(error.to_string());
        let mut length = Vec::with_capacity(LENGTH);
        let mut head = (&mut *stream).take(LENGTH as u64);
        head.read_to_end(&mut length).await.map_err(failed)?;
        let length = match <[u8; LENGTH]>::try_from(length.as_slice()) {
            Ok(length) => u32::from_be_bytes(length),
            Err(_) if length.is_empty() => return Ok(None),
            Err(_) => return Err(self.lost("it ended within the length of a block".to_owned())),
        };
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        if wanted > self.longest.get() {
            let most = self.longest;
            let why = format!("a block says it has {wanted} bytes; `max-block` allows {most}");
            return Err(self.lost(why));
        }
        // Memory is taken as bytes come: a length is only what somebody says.
        let mut block = Vec::new();
        let mut body = stream.take(u64::from(length));
        body.read_to_end(&mut block).await.map_err(failed)?;
        if block.len() < wanted {
            let found = block.len();
            let why = format!("it ended after {found} of the {wanted} bytes of a block");
            return Err(self.lost(why));
        }
        Ok(Some(block))
    }

    fn records(&self, block: &[u8], has_header: &mut bool) -> BinaryArray {
        if !self.decoder.has_lines() {
            return BinaryArray::from_iter_values([block]);
        }
        let mut records = BinaryBuilder::new();
        let mut splitter = self.decoder.splitter();
        let mut rest = block;
        loop {
            rest = &rest[splitter.push(rest)..];
            if rest.is_empty() {
                splitter.finish();
            }
            let mut lines = splitter.take();
            if !lines.is_empty() && std::mem::take(has_header) {
                lines = lines.without_first();
            }
            for line in lines.iter() {
                records.append_value(line);
            }
            if rest.is_empty() {
                return records.finish();
            }
        }
    }

    fn lost(&self, why: String) -> ReceiverError {
        ReceiverError::Lost {
            source_name: self.address.to_string(),
            error: why.into(),
        }
    }
}

impl Receiver for RawSocketReceiver {
    fn run(&mut self, store: Store, stop: CancellationToken, _: Option<Position>) -> Receiving<'_> {
        Box::pin(async move { self.receive(&store, &stop).await })
    }
}
