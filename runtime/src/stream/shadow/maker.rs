//! Makes batches of the running version once more, one after the other, and compares.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use super::{Made, ShadowCost, ShadowProblem, ShadowReport, compare::Compare, seen::Seen};
use crate::{
    account::Work,
    model::{Batch, BatchTime},
    scheduler::{BatchError, BatchInput, BatchOutput, Executor, References},
    stream::batches::{Batches, lock},
    topology::{Diff, ReferenceId, StreamRef},
};

/// Makes batches of what was kept of them. Its methods block.
pub(super) struct Maker {
    /// Of the version that is tried.
    executor: Executor,
    running: Arc<Batches>,
    version: Arc<Batches>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Seen>,
    /// Someone works at it.
    has_worker: bool,
    is_over: bool,
}

impl Maker {
    pub(super) fn new(running: Arc<Batches>, version: Arc<Batches>, left: &[String]) -> Self {
        let executor = version.executor.shadow();
        let (old, new) = (&running.topology, &version.topology);
        executor.shadows(&version.executor, &running.executor, |id| {
            let name = old.operators[id.0].name.as_str();
            let is_left = left.iter().any(|left| left == name);
            Diff::place(old, new, id).filter(|_| !is_left)
        });
        Self {
            executor,
            running,
            version,
            queue: Mutex::default(),
        }
    }

    /// Puts a batch behind those that wait; true: someone must [work](Self::work) now.
    pub(super) fn take(&self, seen: Seen) -> bool {
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(seen);
        !std::mem::replace(&mut queue.has_worker, true)
    }

    /// Makes what waits, and gives away what comes of it.
    pub(super) fn work(&self, mut give: impl FnMut(Made)) {
        while let Some(seen) = self.next() {
            let time = seen.time.as_millis();
            let made = tracing::info_span!("shadow", batch = time).in_scope(|| {
                let account = self.executor.account();
                account.measure_around_tasks(Work::Batches, || self.make(seen))
            });
            give(made);
        }
    }

    fn next(&self) -> Option<Seen> {
        let mut queue = lock(&self.queue);
        let next = queue.waiting.pop_front().filter(|_| !queue.is_over);
        queue.has_worker = next.is_some();
        next
    }

    /// Nothing is made any more, and what it is at ends soon.
    pub(super) fn give_up(&self) {
        self.executor.abort();
        let mut queue = lock(&self.queue);
        queue.is_over = true;
        queue.waiting.clear();
    }

    fn make(&self, seen: Seen) -> Made {
        let (time, streams, running) = (seen.time, seen.streams, seen.cost);
        let claims = seen.claims.iter();
        let claims = claims.filter_map(|(name, kept)| {
            let id = self.version.source_id(name)?;
            Some((id, kept.claim()))
        });
        let claims = claims.collect();
        let input = self
            .references(time, &seen.references)
            .and_then(|references| {
                // Those that do not fit would be left alone by this version, too.
                let letters = seen.letters.into_iter();
                let letters: Vec<_> = letters.filter(|of| self.version.fit(of)).collect();
                Ok(BatchInput {
                    time,
                    number: seen.number,
                    claims,
                    references,
                    again: self.version.again(time, &letters)?,
                })
            });
        // Nobody needs the chunks any more once they are read.
        drop(seen.claims);
        let made = input.and_then(|input| self.executor.run(input));
        let made = made.map_err(|error| ShadowProblem::Failed {
            batch: time,
            why: error.to_string(),
        })?;
        Ok(self.compared(time, (&streams, running), &made))
    }

    /// Data sets as the running version had them, and those that it has not.
    fn references(&self, time: BatchTime, had: &References) -> Result<References, BatchError> {
        let (before, now) = (&self.running.topology, &self.version.topology);
        let mut references = References::new();
        for (at, reference) in now.references.iter().enumerate() {
            let same = before.references.iter().position(|was| was == reference);
            let rows = same.and_then(|same| had.get(&ReferenceId(same)));
            if let Some(rows) = rows {
                references.insert(ReferenceId(at), rows.clone());
            }
        }
        if references.len() < now.references.len() {
            for (id, rows) in self.version.read_references(time)? {
                references.entry(id).or_insert(rows);
            }
        }
        Ok(references)
    }

    /// What the sinks of both versions get of the batch, sink by sink.
    fn compared(
        &self,
        time: BatchTime,
        (streams, running): (&BTreeMap<StreamRef, Batch>, ShadowCost),
        made: &BatchOutput,
    ) -> ShadowReport {
        let mut report = ShadowReport {
            batches: 1,
            running,
            shadow: ShadowCost::new(made.cpu, &made.operators),
            ..ShadowReport::default()
        };
        let olds = &self.running.topology.sinks;
        for sink in &self.version.topology.sinks {
            let Some(old) = olds.iter().find(|old| old.name == sink.name) else {
                continue;
            };
            let (was, is) = (streams.get(&old.input), made.streams.get(&sink.input));
            Compare::new((&sink.name, time), was, is).add_to(&mut report);
        }
        report
    }
}
