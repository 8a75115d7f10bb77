//! Rows that the program itself puts in (what actor streams were, spec 12.6).

use std::num::NonZeroUsize;

use arrow_array::RecordBatch;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Receiver, ReceiverError, Receiving, Store, StoreError};
use crate::model::Position;

/// Sends to a [`ChannelReceiver`]. Clones send to the same one.
#[derive(Debug, Clone)]
pub struct ChannelSender(mpsc::Sender<RecordBatch>);

/// Stores what the senders send, each block as a partition of its batch.
#[derive(Debug)]
pub struct ChannelReceiver(mpsc::Receiver<RecordBatch>);

/// A receiver and its sender. Up to `blocks` blocks wait between the two; when they do, and the
/// block store has no room either, the sender waits.
pub fn channel(blocks: NonZeroUsize) -> (ChannelSender, ChannelReceiver) {
    let blocks = blocks.get().min(tokio::sync::Semaphore::MAX_PERMITS);
    let (sender, receiver) = mpsc::channel(blocks);
    (ChannelSender(sender), ChannelReceiver(receiver))
}

impl ChannelSender {
    /// Sends a block: rows with the source's columns, or records in its format as `value: binary`.
    /// Waits while there is no room. What was sent is in a batch before a graceful stop ends.
    ///
    /// # Errors
    /// When the stream has been stopped.
    pub async fn send(&self, rows: RecordBatch) -> Result<(), StoreError> {
        let sent = self.0.send(rows).await;
        sent.map_err(|_| StoreError::Stopped)
    }
}

impl ChannelReceiver {
    async fn receive(
        &mut self,
        store: &Store,
        stop: &CancellationToken,
    ) -> Result<(), ReceiverError> {
        loop {
            let rows = tokio::select! {
                rows = self.0.recv() => rows,
                () = stop.cancelled() => {
                    self.0.close();
                    break;
                }
            };
            let Some(rows) = rows else {
                // Nobody is left to send: that is no failure.
                stop.cancelled().await;
                return Ok(());
            };
            store.store_block(rows).await?;
        }
        // What was sent before the stop.
        while let Some(rows) = self.0.recv().await {
            store.store_block(rows).await?;
        }
        Ok(())
    }
}

impl Receiver for ChannelReceiver {
    fn run(&mut self, store: Store, stop: CancellationToken, _: Option<Position>) -> Receiving<'_> {
        Box::pin(async move { self.receive(&store, &stop).await })
    }
}
