//! Lines from a TCP server, as a client (spec 12.1).

use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::{Receiver, ReceiverError, Receiving, Store, dial::connect};
use crate::{
    confine::Address,
    format::{LineDecoder, LineSplitter},
    model::Position,
};

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// Connects to a server and stores each line it sends; the last one needs no newline. What is
/// received and not yet in a block is lost with the process: nobody can be asked to send it again.
#[derive(Debug)]
pub struct SocketReceiver {
    address: Address,
    decoder: Arc<LineDecoder>,
}

impl SocketReceiver {
    /// For the server at `address` (`host:port`), which sends lines for `decoder`.
    pub fn new(address: impl Into<Address>, decoder: Arc<LineDecoder>) -> Self {
        Self {
            address: address.into(),
            decoder,
        }
    }

    async fn receive(&self, store: &Store, stop: &CancellationToken) -> Result<(), ReceiverError> {
        let connected = tokio::select! {
            connected = connect(&self.address) => connected,
            () = stop.cancelled() => return Ok(()),
        };
        let mut stream = connected.map_err(|error| ReceiverError::Unreachable {
            source_name: self.address.to_string(),
            error: error.into(),
        })?;
        tracing::info!(address = %self.address, "connected");
        let mut lines = Connection {
            splitter: self.decoder.splitter(),
            header: self.decoder.has_header(),
        };
        let mut piece = vec![0; PIECE];
        loop {
            let read = tokio::select! {
                read = stream.read(&mut piece) => read,
                // The start of a line that is still coming is no line.
                () = stop.cancelled() => return Ok(()),
            };
            let read = read.map_err(|error| ReceiverError::Lost {
                source_name: self.address.to_string(),
                error: error.into(),
            })?;
            if read == 0 {
                lines.splitter.finish();
                return lines.store_to(store).await;
            }
            let mut rest = &piece[..read];
            while !rest.is_empty() {
                rest = &rest[lines.splitter.push(rest)..];
                lines.store_to(store).await?;
            }
        }
    }
}

impl Receiver for SocketReceiver {
    fn run(&mut self, store: Store, stop: CancellationToken, _: Option<Position>) -> Receiving<'_> {
        Box::pin(async move { self.receive(&store, &stop).await })
    }
}

/// What of a connection has not been stored.
struct Connection {
    splitter: LineSplitter,
    /// The first line is no row.
    header: bool,
}

impl Connection {
    async fn store_to(&mut self, store: &Store) -> Result<(), ReceiverError> {
        if !self.splitter.has_lines() {
            return Ok(());
        }
        let mut lines = self.splitter.take();
        if std::mem::take(&mut self.header) {
            lines = lines.without_first();
        }
        for line in lines.iter() {
            store.store(line).await?;
        }
        Ok(())
    }
}
