//! A receiver that runs: its tasks, and their end.

use std::{
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{
    Block, BlockGenerator, BlockStore, Cut, GaveUp, RateLimit, Receiver, ReceiverLog, Store,
    StoreError, store::Shared, supervisor::supervise,
};
use crate::{
    account::{Account, Metered, Work},
    model::{NodeName, Schema},
    spill::SpillError,
    topology::BlockStorage,
};

/// How a receiver is run.
#[derive(Debug)]
pub struct ReceiverSpec {
    /// Of the source.
    pub name: NodeName,
    /// Of the source's rows.
    pub schema: Schema,
    /// How often a block is cut; at least a millisecond.
    pub block_interval: Duration,
    /// Failed attempts in a row after which it gives up; none: never.
    pub connect_attempts: Option<NonZeroUsize>,
    /// Where blocks wait that no batch has finished, and how many can.
    pub storage: BlockStorage,
    /// How many records a second it may take in; none: any number.
    pub limit: Option<RateLimit>,
    /// Where blocks become durable; none: nowhere.
    pub log: Option<ReceiverLog>,
    /// What it uses is charged to this.
    pub account: Arc<Account>,
}

/// A receiver with its block generator and supervisor. Dropping it ends them at once; what is not
/// yet in a block is lost then, so [`stop`](Self::stop) it first.
#[derive(Debug)]
pub struct RunningReceiver {
    store: Store,
    blocks: Arc<BlockStore>,
    /// Tells the receiver to stop.
    stop: CancellationToken,
    /// Tells the block generator that no more records come.
    ended: CancellationToken,
    gave_up: Arc<OnceLock<GaveUp>>,
    supervisor: JoinHandle<()>,
    cutter: JoinHandle<()>,
    tasks: TaskTracker,
}

impl RunningReceiver {
    /// Starts it on `runtime`.
    ///
    /// # Errors
    /// When there cannot be files in the directory for spilled blocks.
    pub fn start(
        runtime: &Handle,
        spec: ReceiverSpec,
        receiver: Box<dyn Receiver>,
    ) -> Result<Self, SpillError> {
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        // Where an unlogged receiver stood when it was last logged means nothing now.
        let log = spec.log.as_ref().filter(|_| spec.storage.log);
        let position = log.and_then(|log| log.position.clone());
        let account = spec.account;
        let ends = (account.clone(), stop.clone());
        let blocks = BlockStore::new(&spec.schema, &spec.storage, spec.log, ends)?;
        let blocks = Arc::new(blocks);
        let (kept, limit) = (blocks.clone(), spec.limit);
        let ends = (account.clone(), stop.clone());
        let store = Store::new(&spec.schema, kept, position, limit, ends);
        // It is new, so it has not been started.
        let _ = store.shared().with_generator(BlockGenerator::start);
        let tasks = TaskTracker::new();
        let charged = Work::Receiving;
        let cutting = cut_blocks(store.clone(), spec.block_interval, ended.clone());
        let cutting = Metered::new(account.clone(), charged, cutting);
        let cutter = tasks.spawn_on(cutting.in_current_span(), runtime);
        let gave_up = Arc::new(OnceLock::new());
        let supervised = supervise(
            spec.name,
            receiver,
            store.clone(),
            stop.clone(),
            spec.connect_attempts,
        );
        let why = gave_up.clone();
        let (last, no_more) = (store.clone(), ended.clone());
        let supervisor = tasks.spawn_on(
            Metered::new(account, charged, async move {
                if let Err(gave_up) = supervised.await {
                    let _ = why.set(gave_up);
                }
                if last.shared().blocks.failed().is_some() {
                    // As at a graceful stop: what was received is in blocks when all has ended.
                    let generator = BlockGenerator::stop_adding;
                    last.shared().with_generator(generator);
                    no_more.cancel();
                }
            })
            .in_current_span(),
            runtime,
        );
        tasks.close();
        Ok(Self {
            store,
            blocks,
            stop,
            ended,
            gave_up,
            supervisor,
            cutter,
            tasks,
        })
    }

    /// Takes all blocks that no batch has claimed.
    pub fn claim(&self) -> Vec<Arc<Block>> {
        self.blocks.claim()
    }

    /// Takes the blocks with these numbers, which an earlier run logged. Those that are not there
    /// are left out if blocks are not logged.
    ///
    /// # Errors
    /// The number of the first that is not there but should be.
    pub fn claim_again(&self, ids: &[u64]) -> Result<Vec<Arc<Block>>, u64> {
        self.blocks.claim_again(ids)
    }

    /// The limit, in records per second; none: there is none.
    pub fn rate(&self) -> Option<u64> {
        self.store.shared().rate()
    }

    /// Sets the limit, if there is one, to an estimate in records per second (spec 11.3).
    pub fn set_rate(&self, estimate: f64) {
        self.store.shared().set_rate(estimate);
    }

    /// Why nothing will come any more, if nobody stopped it.
    pub fn gave_up(&self) -> Option<GaveUp> {
        if let Some(gave_up) = self.gave_up.get() {
            return Some(gave_up.clone());
        }
        let died = self.supervisor.is_finished() && !self.stop.is_cancelled();
        died.then(|| GaveUp {
            attempts: 1,
            last: "the receiver panicked".to_owned(),
        })
    }

    /// Why nothing more is kept, once all that was received is claimed.
    pub fn failed(&self) -> Option<StoreError> {
        let failed = self.blocks.failed().filter(|_| self.is_drained());
        failed.cloned()
    }

    /// Bytes of blocks in memory and on disk, about, those that batches are reading among them.
    pub fn taken(&self) -> (usize, usize) {
        self.blocks.taken()
    }

    /// All is stopped and all blocks are claimed.
    pub fn is_drained(&self) -> bool {
        self.tasks.is_empty() && self.stop.is_cancelled() && self.blocks.is_empty()
    }

    /// Stops the receiver, then the block generator (spec 9.3). When it returns, everything that
    /// was stored is in blocks. May be called again.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        // Room comes only with further batches, and the last one waits for this.
        self.blocks.lift_limit();
        if !self.supervisor.is_finished() {
            let _ = (&mut self.supervisor).await;
        }
        self.store
            .shared()
            .with_generator(BlockGenerator::stop_adding);
        self.ended.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for RunningReceiver {
    fn drop(&mut self) {
        self.stop.cancel();
        self.ended.cancel();
        self.supervisor.abort();
        self.cutter.abort();
    }
}

/// Cuts a block at each interval and keeps it, until no more records come; then keeps the rest.
/// While there is nothing to cut it sleeps: a source that is silent costs nothing.
async fn cut_blocks(store: Store, interval: Duration, ended: CancellationToken) {
    let shared: &Shared = store.shared();
    let ticks = Ticks::new(interval);
    let mut next = None;
    loop {
        tokio::select! {
            () = until(next) => {
                let cut = shared.with_generator(BlockGenerator::cut);
                next = (cut == Cut::Full).then(|| ticks.next());
            }
            () = shared.begun.notified(), if next.is_none() => next = Some(ticks.next()),
            () = shared.cut.notified() => {}
            () = ended.cancelled() => break,
        }
        keep(shared).await;
    }
    // The first cut finds the queue full, if at all; after keeping there is room for the rest.
    for _ in 0..2 {
        shared.with_generator(BlockGenerator::cut);
        keep(shared).await;
    }
}

/// Block intervals, from one moment on.
struct Ticks {
    began: Instant,
    interval: Duration,
}

impl Ticks {
    fn new(interval: Duration) -> Self {
        Self {
            began: Instant::now(),
            interval: interval.max(Duration::from_millis(1)),
        }
    }

    /// When the next one ends.
    fn next(&self) -> Instant {
        let passed = self.began.elapsed().as_nanos() / self.interval.as_nanos();
        let next = u32::try_from(passed + 1).ok();
        let next = next.and_then(|next| self.interval.checked_mul(next));
        next.map_or_else(|| Instant::now() + self.interval, |next| self.began + next)
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// A log that fails stops the run with the next claim; until then the records are lost, loudly.
async fn keep(shared: &Shared) {
    if let Err(error) = shared.keep_cut_blocks().await {
        tracing::error!("received records are lost: {error}");
    }
}
