//! Where data comes in by itself: receivers, and the blocks that their records become.
//!
//! A [`Receiver`] runs until it is told to stop and hands over what it gets, record by record
//! ([`Store::store`]: buffered, no promise) or as whole blocks ([`Store::store_block`]; with a position
//! [`Store::store_many`]: kept when the call returns). The [`BlockGenerator`] cuts the records into blocks at each block interval; blocks
//! wait in the [`BlockStore`] until a batch claims all that are there (spec 4.2). A supervisor runs
//! the receiver again when it fails or ends (spec 9.5).
//!
//! Blocks lie in memory or on disk, as [`BlockStorage`](crate::topology::BlockStorage) says; on disk
//! they lie in a [`BlockLog`], or in spill files if there is none. When those that no batch has
//! finished take up the block store's room, [`Store::store`] waits, and with it whoever sends.

mod block;
mod block_generator;
mod block_log;
mod block_store;
mod channel;
mod dial;
mod error;
mod pid;
mod rate_limit;
mod raw_socket;
mod running;
mod socket;
mod store;
mod supervisor;

use std::pin::Pin;

use tokio_util::sync::CancellationToken;

pub use self::{
    block::{Block, BlockRows},
    block_generator::{Added, AlreadyStarted, BlockGenerator, Cut, GeneratorState, NotActive},
    block_log::{BlockLog, BlockLogs, LoggedBlock, ReceiverLog, StoredRows},
    block_store::BlockStore,
    channel::{ChannelReceiver, ChannelSender, channel},
    error::{ReceiverError, StoreError},
    pid::{BatchTimes, PidEstimator, PidSettings},
    rate_limit::RateLimit,
    raw_socket::RawSocketReceiver,
    running::{ReceiverSpec, RunningReceiver},
    socket::SocketReceiver,
    store::Store,
    supervisor::GaveUp,
};
use crate::model::Position;

/// What [`Receiver::run`] returns: a future, boxed so that receivers are objects.
pub type Receiving<'a> = Pin<Box<dyn Future<Output = Result<(), ReceiverError>> + Send + 'a>>;

/// Something that gets data by itself: it connects, listens, polls.
///
/// ```
/// use rsrt::{
///     model::Position,
///     receiver::{Receiver, Receiving, Store},
/// };
/// use tokio_util::sync::CancellationToken;
///
/// /// Says hello once.
/// struct Greeter;
///
/// impl Receiver for Greeter {
///     fn run(
///         &mut self,
///         store: Store,
///         stop: CancellationToken,
///         _from: Option<Position>,
///     ) -> Receiving<'_> {
///         Box::pin(async move {
///             store.store(b"hello").await?;
///             stop.cancelled().await;
///             Ok(())
///         })
///     }
/// }
/// ```
pub trait Receiver: Send + 'static {
    /// Receives until `stop` is cancelled or the source ends. `from` is the position of the last
    /// block that was kept, if there is one: the receiver goes on behind it.
    ///
    /// It is run again, after a pause, when it returns without having been stopped, whether with
    /// an error or without.
    fn run(
        &mut self,
        store: Store,
        stop: CancellationToken,
        from: Option<Position>,
    ) -> Receiving<'_>;
}

#[cfg(test)]
pub(super) mod tests;
