//! What batches cost, charged to the topology's account.

use super::batches::Batches;
use crate::{
    account::Work,
    checkpoint::{SourceFact, Written},
    model::BatchTime,
    scheduler::BatchError,
};

impl Batches {
    /// Does something for a batch on this thread.
    pub(super) fn charged<T>(&self, act: impl FnOnce(&Self) -> T) -> T {
        let account = self.executor.account();
        account.measure(Work::Batches, || act(self))
    }

    /// The same, with tasks.
    pub(super) fn charged_around_tasks<T>(&self, act: impl FnOnce(&Self) -> T) -> T {
        let account = self.executor.account();
        account.measure_around_tasks(Work::Batches, || act(self))
    }

    /// [`state`](Self::state), which is work of its own kind.
    pub(super) fn saved(
        &self,
        batch: (BatchTime, u64),
        sources: Vec<SourceFact>,
        whole: bool,
    ) -> Result<Written, BatchError> {
        let account = self.executor.account();
        account.measure(Work::State, || self.state(batch, sources, whole))
    }
}
