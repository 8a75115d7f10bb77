//! What a receiver hands its records to.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow_array::RecordBatch;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Added, BlockGenerator, BlockRows, BlockStore, GeneratorState, RateLimit, StoreError,
    block_generator::LONGEST,
};
use crate::{
    account::Account,
    model::{Kind, Position, Schema},
};

/// Takes what a receiver gets. Clones hand to the same place.
#[derive(Debug, Clone)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) generator: Mutex<BlockGenerator>,
    /// The generator cut a block before its time.
    pub(super) cut: Notify,
    /// The generator has something to cut again.
    pub(super) begun: Notify,
    /// A block was taken from the generator.
    pub(super) room: Notify,
    pub(super) blocks: Arc<BlockStore>,
    /// How many records a second; none: any number.
    limit: Option<Mutex<RateLimit>>,
    /// Of the limit's clock.
    began: Instant,
    /// Whose records they are; its tenant may take in so many a second.
    account: Arc<Account>,
    /// The receiver is to stop; the limit does not hold any more.
    stop: CancellationToken,
    /// Of the last block that came with one.
    position: tokio::sync::Mutex<Option<Position>>,
    /// Of the source.
    schema: Schema,
    records: Schema,
}

impl Store {
    pub(super) fn new(
        schema: &Schema,
        blocks: Arc<BlockStore>,
        position: Option<Position>,
        limit: Option<RateLimit>,
        (account, stop): (Arc<Account>, CancellationToken),
    ) -> Self {
        Self(Arc::new(Shared {
            generator: Mutex::default(),
            cut: Notify::new(),
            begun: Notify::new(),
            room: Notify::new(),
            blocks,
            limit: limit.map(Mutex::new),
            began: Instant::now(),
            account,
            stop,
            position: tokio::sync::Mutex::new(position),
            schema: schema.clone(),
            records: Schema::plain(Kind::Binary),
        }))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Takes one record, in the source's format (a line). Waits when records come faster than the
    /// rate allows, or blocks are made faster than they are kept. **Promises nothing**: the record is only buffered.
    ///
    /// # Errors
    /// When the receiver has been stopped, or the record is longer than 1 GiB.
    pub async fn store(&self, record: &[u8]) -> Result<(), StoreError> {
        if record.len() > LONGEST {
            return Err(StoreError::TooLong(record.len()));
        }
        self.0.wait_for_turn().await;
        loop {
            // Before the look, so that room made between look and wait is not missed.
            let room = self.0.room.notified();
            let added = self.0.with_generator(|generator| generator.add(record));
            match added {
                Ok(Added::Buffered) => return Ok(()),
                Ok(Added::First) => {
                    self.0.begun.notify_one();
                    return Ok(());
                }
                Ok(Added::BufferedAndCut) => {
                    self.0.cut.notify_one();
                    return Ok(());
                }
                Ok(Added::Full) => room.await,
                Err(_) => return Err(StoreError::Stopped),
            }
        }
    }

    /// Takes one block: rows with the source's columns, or records as `value: binary`. It is one
    /// partition of the batch that claims it. **Promises nothing**, as [`store`](Self::store).
    ///
    /// # Errors
    /// When the receiver has been stopped, or the columns are others.
    pub async fn store_block(&self, records: RecordBatch) -> Result<(), StoreError> {
        let rows = self.0.rows(records)?;
        self.0.is_active()?;
        let count = rows.chunk().num_rows();
        if count > 0 {
            self.0.wait_for_share(count as u64).await;
            self.0.blocks.keep(rows, None).await?;
        }
        Ok(())
    }

    /// Takes one block: rows with the source's columns, or records as `value: binary`. It is kept
    /// when the call returns, and durable if there is a log. If `position` is that of the block before, it is the same block sent
    /// again, and is acknowledged and dropped.
    ///
    /// # Errors
    /// When the receiver has been stopped, or the columns are others.
    pub async fn store_many(
        &self,
        records: RecordBatch,
        position: Position,
    ) -> Result<(), StoreError> {
        let rows = self.0.rows(records)?;
        let mut last = self.0.position.lock().await;
        self.0.is_active()?;
        if last.as_ref() == Some(&position) {
            return Ok(());
        }
        let count = rows.chunk().num_rows();
        if count > 0 {
            self.0.wait_for_share(count as u64).await;
            self.0.blocks.keep(rows, Some(&position)).await?;
            self.0.blocks.sync().await?;
        }
        *last = Some(position);
        Ok(())
    }

    /// The position of the last block that came with one.
    pub(super) async fn position(&self) -> Option<Position> {
        self.0.position.lock().await.clone()
    }
}

impl Shared {
    pub(super) fn with_generator<T>(&self, act: impl FnOnce(&mut BlockGenerator) -> T) -> T {
        // Every step of the generator leaves it whole.
        act(&mut self
            .generator
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the limit lets one more record through. What a receiver holds when it is stopped
    /// is taken in at once.
    async fn wait_for_turn(&self) {
        if let Some(limit) = &self.limit {
            let wait = lock(limit).acquire(self.began.elapsed());
            self.wait(wait).await;
        }
        self.wait_for_share(1).await;
    }

    /// Waits until the tenant may take in so many records more.
    async fn wait_for_share(&self, records: u64) {
        self.wait(self.account.allowance().let_in(records)).await;
    }

    async fn wait(&self, wait: Duration) {
        if !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    pub(super) fn rate(&self) -> Option<u64> {
        lock(self.limit.as_ref()?).rate()
    }

    /// Sets the limit, if there is one, to an estimate in records per second.
    pub(super) fn set_rate(&self, estimate: f64) {
        if let Some(limit) = &self.limit {
            lock(limit).update(estimate, self.began.elapsed());
        }
    }

    fn is_active(&self) -> Result<(), StoreError> {
        match self.with_generator(|generator| generator.state()) {
            GeneratorState::Active => Ok(()),
            _ => Err(StoreError::Stopped),
        }
    }

    /// Keeps every block that has been cut.
    pub(super) async fn keep_cut_blocks(&self) -> Result<(), StoreError> {
        while let Some(block) = self.with_generator(BlockGenerator::take) {
            self.room.notify_waiters();
            self.blocks.keep(BlockRows::Records(block), None).await?;
        }
        Ok(())
    }

    fn rows(&self, records: RecordBatch) -> Result<BlockRows, StoreError> {
        if records.schema_ref() == &self.schema.to_arrow() {
            Ok(BlockRows::Rows(records))
        } else if records.schema_ref() == &self.records.to_arrow() {
            Ok(BlockRows::Records(records))
        } else {
            let schema = records.schema();
            let found = schema.fields().iter();
            let found = found.map(|field| format!("{}: {}", field.name(), field.data_type()));
            Err(StoreError::WrongColumns {
                expected: self.schema.to_string(),
                found: found.collect::<Vec<_>>().join(", "),
            })
        }
    }
}

fn lock(limit: &Mutex<RateLimit>) -> std::sync::MutexGuard<'_, RateLimit> {
    // Every step of the limit leaves it whole.
    limit.lock().unwrap_or_else(PoisonError::into_inner)
}
