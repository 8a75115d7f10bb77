//! Rows of streams for whoever looks at them, while they pass.
//!
//! A [`Tap`] holds so many rows and loses what comes when it is full: whoever looks holds up nobody.
//! Without a tap a chunk that passes costs the look at an empty list.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use tokio::sync::watch;

use super::{Part, Plan, StageInput, StageOutput, StepSpec, Tenant, task::TaskOutput};
use crate::{
    model::{BatchTime, Schema},
    topology::{NodeId, OperatorId, Port, StreamRef, Topology, Verb},
};

/// Rows that a tap holds until someone takes them.
const MOST_ROWS: usize = 10_000;
/// Bytes that they take.
const MOST_BYTES: usize = 8 << 20;

/// Where the streams of a topology that runs can be tapped. Cheap to clone.
#[derive(Clone)]
pub struct Taps(Arc<Inner>);

struct Inner {
    topology: Arc<Topology>,
    tenant: Tenant,
    /// What passes, by the stream's name.
    passing: BTreeMap<String, StreamRef>,
    open: AtomicUsize,
    taps: Mutex<Vec<(StreamRef, Arc<Queue>)>>,
    /// Of the version that has taken over; none: this one runs.
    next: Mutex<Option<Taps>>,
}

/// Why a stream cannot be tapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TapError {
    /// There is none of this name.
    #[error("there is no stream `{name}`; there are {}", .there.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What can be tapped.
        there: Vec<String>,
    },
    /// Its rows are nowhere to be seen.
    #[error("no row of `{name}` passes, since {why}; there are {}", .there.join(", "))]
    Hidden {
        /// What was asked for.
        name: String,
        /// Why.
        why: &'static str,
        /// What can be tapped.
        there: Vec<String>,
    },
}

/// What has passed.
#[derive(Debug, Clone, PartialEq)]
pub enum Passed {
    /// Rows of a batch.
    Rows {
        /// The batch.
        time: BatchTime,
        /// The partition.
        partition: usize,
        /// The rows.
        rows: RecordBatch,
    },
    /// So many rows that nobody had taken in time.
    Lost(u64),
}

/// Somebody who looks at a stream, until it is dropped.
pub struct Tap {
    taps: Taps,
    queue: Arc<Queue>,
    schema: Schema,
}

/// What passes and is not taken yet.
struct Queue {
    waiting: Mutex<Waiting>,
    /// Rows that have passed; the greatest number there is when no more will.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct Waiting {
    passed: VecDeque<Passed>,
    rows: usize,
    bytes: usize,
}

/// A place in a chain at which streams are tapped, in one batch.
#[derive(Clone)]
pub(super) struct Outlet {
    queue: Arc<Queue>,
    time: BatchTime,
}

impl Taps {
    pub(super) fn new(topology: &Arc<Topology>, plan: &Plan, tenant: &Tenant) -> Self {
        let mut passing = BTreeMap::new();
        let mut add = |stream: StreamRef| passing.insert(name(topology, stream), stream);
        for stage in &plan.stages {
            for (_, stream) in outlets(topology, &stage.input, &stage.steps, &stage.output) {
                add(stream);
            }
        }
        let sources = plan.sources.iter().map(|id| NodeId::Source(*id));
        let operators = plan.needed.iter().map(|id| NodeId::Operator(*id));
        for node in sources.chain(operators) {
            let port = Port::Rejected;
            add(StreamRef { node, port });
        }
        for id in &plan.snapshots {
            let (node, port) = (NodeId::Operator(*id), Port::Snapshots);
            add(StreamRef { node, port });
        }
        Self(Arc::new(Inner {
            topology: topology.clone(),
            tenant: tenant.clone(),
            passing,
            open: AtomicUsize::new(0),
            taps: Mutex::default(),
            next: Mutex::default(),
        }))
    }

    /// Those of the version that runs now.
    fn latest(&self) -> Self {
        let mut latest = self.clone();
        loop {
            let next = lock(&latest.0.next).clone();
            match next {
                None => return latest,
                Some(next) => latest = next,
            }
        }
    }

    /// A version takes over from the one that these are of: whoever looks at a stream goes on looking at
    /// the one of that name, if it has the same columns.
    pub(super) fn hand_over(&self, next: &Self) {
        *lock(&next.0.next) = None; // it may have run before
        let taps = std::mem::take(&mut *self.taps());
        self.0.open.store(0, Ordering::Release);
        for (stream, queue) in taps {
            let name = name(&self.0.topology, stream);
            let schema = self.0.topology.schema(stream);
            let is_same = |now: &&StreamRef| next.0.topology.schema(**now) == schema;
            match next.0.passing.get(&name).filter(is_same) {
                Some(now) => next.taps().push((*now, queue)),
                None => queue.end(),
            }
        }
        let open = next.taps().len();
        next.0.open.store(open, Ordering::Release);
        *lock(&self.0.next) = Some(next.clone());
    }

    /// Looks at a stream of the version that runs, by its name.
    ///
    /// # Errors
    /// When there is no such stream, or none of its rows can be seen.
    pub fn tap(&self, name: &str) -> Result<Tap, TapError> {
        self.latest().tap_own(name)
    }

    fn tap_own(&self, name: &str) -> Result<Tap, TapError> {
        let Some(stream) = self.0.passing.get(name) else {
            return Err(self.refuse(name));
        };
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            news: watch::Sender::new(0),
        });
        let mut taps = self.taps();
        taps.push((*stream, queue.clone()));
        self.0.open.store(taps.len(), Ordering::Release);
        drop(taps);
        Ok(Tap {
            taps: self.clone(),
            queue,
            schema: self.0.topology.schema(*stream).clone(),
        })
    }

    fn refuse(&self, stream: &str) -> TapError {
        let (name, there) = (stream.to_owned(), self.0.passing.keys().cloned().collect());
        let topology = &self.0.topology;
        let (node, port) = match stream.rsplit_once('.') {
            Some((node, port @ ("rejected" | "snapshots"))) => (node, port),
            _ => (stream, ""),
        };
        let sources = topology.sources.iter().map(|source| (&source.name, false));
        let operators = topology.operators.iter();
        let operators = operators.map(|of| (&of.name, of.snapshots.is_some()));
        let found = sources.chain(operators).find(|(n, _)| n.as_str() == node);
        let is_needed = self.0.passing.contains_key(&format!("{node}.rejected"));
        let why = match found {
            None => return TapError::Unknown { name, there },
            Some((_, false)) if port == "snapshots" => return TapError::Unknown { name, there },
            Some(_) if !is_needed => "no sink depends on it",
            Some(_) if port == "snapshots" => "nothing reads it; `rsrt state` shows what is in it",
            Some(_) => "one function of the plugin makes it and combines it by key",
        };
        TapError::Hidden { name, why, there }
    }

    /// No row will pass any more.
    pub(super) fn close(&self) {
        for (_, queue) in &*self.taps() {
            queue.end();
        }
    }

    /// Nobody looks.
    fn is_idle(&self) -> bool {
        self.0.open.load(Ordering::Acquire) == 0
    }

    /// Whoever looks at a stream in a batch.
    fn of(&self, stream: StreamRef, time: BatchTime) -> Vec<Outlet> {
        let taps = self.taps();
        let own = taps.iter().filter(|(tapped, _)| *tapped == stream);
        own.map(|(_, queue)| Outlet {
            queue: queue.clone(),
            time,
        })
        .collect()
    }

    /// For each place in a chain, before its first step and behind each, who looks there. Empty if
    /// nobody looks at anything.
    pub(super) fn along(
        &self,
        (input, steps, output): (&StageInput, &[StepSpec], &StageOutput),
        kept: bool,
        time: BatchTime,
    ) -> Vec<Vec<Outlet>> {
        if self.is_idle() {
            return Vec::new();
        }
        let mut along = vec![Vec::new(); steps.len() + 1];
        for (at, stream) in outlets(&self.0.topology, input, steps, output) {
            // What a window puts out between its slides is no batch of it.
            if kept || at < steps.len() {
                along[at] = self.of(stream, time);
            }
        }
        along
    }

    /// Shows what tasks put out besides their rows.
    pub(super) fn besides(&self, made: &[TaskOutput], time: BatchTime) {
        if self.is_idle() {
            return;
        }
        let show = |node, port, partition, chunks: &[RecordBatch]| {
            for outlet in self.of(StreamRef { node, port }, time) {
                for rows in chunks {
                    outlet.pass(partition, rows);
                }
            }
        };
        for (partition, task) in made.iter().enumerate() {
            if let Some(source) = task.read.source {
                let node = NodeId::Source(source);
                show(node, Port::Rejected, partition, &task.read.rejected);
            }
            for (id, rows) in &task.rejected {
                show(NodeId::Operator(*id), Port::Rejected, partition, rows);
            }
            for (id, rows) in &task.snapshots {
                show(NodeId::Operator(*id), Port::Snapshots, partition, rows);
            }
        }
    }

    fn taps(&self) -> MutexGuard<'_, Vec<(StreamRef, Arc<Queue>)>> {
        lock(&self.0.taps)
    }
}

/// Streams whose rows pass a chain: before its first step, or behind so many.
fn outlets(
    topology: &Topology,
    input: &StageInput,
    steps: &[StepSpec],
    output: &StageOutput,
) -> Vec<(usize, StreamRef)> {
    let of = |id: OperatorId| &topology.operators[id.0];
    let first = match input {
        StageInput::Source(id) => Some(StreamRef::source(*id)),
        StageInput::Windowed(id) => {
            let is_window = matches!(of(*id).verb, Verb::Window(_));
            is_window.then_some(StreamRef::operator(*id))
        }
        // What is stored was seen where it was made, but for a union, which is made here.
        StageInput::Stored(streams) if streams.len() > 1 => {
            let unions = topology.operators.iter().enumerate();
            let unions = unions.filter(|(_, o)| o.verb == Verb::Union && o.inputs == *streams);
            let unions = unions.map(|(at, _)| StreamRef::operator(OperatorId(at)));
            let unions: Vec<StreamRef> = unions.collect();
            let next = match (steps.first(), output) {
                (Some(step), _) => of(step.operator).inputs.first().copied(),
                (None, StageOutput::Store(stream)) => Some(*stream),
                (None, StageOutput::Shuffle(_)) => None,
            };
            let next = next.filter(|stream| unions.contains(stream));
            next.or(unions.first().copied())
        }
        StageInput::Stored(_) | StageInput::Shuffled(_) | StageInput::Sided { .. } => None,
    };
    let mut outlets: Vec<_> = first.map(|stream| (0, stream)).into_iter().collect();
    for (at, step) in steps.iter().enumerate() {
        let is_done = match &step.part {
            Part::BeforeShuffle | Part::Fused(_) => false,
            Part::Whole | Part::AfterShuffle | Part::Window => true,
        };
        let next = steps.get(at + 1);
        if is_done && next.is_none_or(|next| next.operator != step.operator) {
            outlets.push((at + 1, StreamRef::operator(step.operator)));
        }
    }
    outlets
}

fn name(topology: &Topology, stream: StreamRef) -> String {
    let name = topology.node_name(stream.node);
    match stream.port {
        Port::Main => name.to_string(),
        Port::Rejected => format!("{name}.rejected"),
        Port::Snapshots => format!("{name}.snapshots"),
    }
}

impl Outlet {
    /// Shows rows that pass.
    pub(super) fn pass(&self, partition: usize, rows: &RecordBatch) {
        let count = rows.num_rows();
        if count == 0 {
            return;
        }
        let mut waiting = lock(&self.queue.waiting);
        let bytes = rows.get_array_memory_size().max(1);
        let room = MOST_BYTES.saturating_sub(waiting.bytes);
        let fit = match bytes <= room {
            true => count,
            false => count.saturating_mul(room) / bytes,
        };
        let fit = fit.min(MOST_ROWS.saturating_sub(waiting.rows));
        // A part of a chunk would keep the memory of all of it.
        let taken = match fit == count {
            true => Ok(rows.clone()),
            false => concat_batches(&rows.schema(), [&rows.slice(0, fit)]),
        };
        let taken = taken.ok().filter(|_| fit > 0);
        let lost = (count - taken.as_ref().map_or(0, RecordBatch::num_rows)) as u64;
        if let Some(rows) = taken {
            waiting.rows += rows.num_rows();
            waiting.bytes += rows.get_array_memory_size();
            let time = self.time;
            waiting.passed.push_back(Passed::Rows {
                time,
                partition,
                rows,
            });
        }
        match waiting.passed.back_mut() {
            _ if lost == 0 => {}
            Some(Passed::Lost(before)) => *before += lost,
            _ => waiting.passed.push_back(Passed::Lost(lost)),
        }
        drop(waiting);
        let more = |news: &mut u64| *news = news.saturating_add(count as u64);
        self.queue.news.send_modify(more);
    }
}

impl Tap {
    /// The columns of the stream.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Takes what comes next of what has passed.
    pub fn take(&self) -> Option<Passed> {
        let mut waiting = lock(&self.queue.waiting);
        let passed = waiting.passed.pop_front()?;
        if let Passed::Rows { rows, .. } = &passed {
            waiting.rows -= rows.num_rows();
            waiting.bytes -= rows.get_array_memory_size();
        }
        Some(passed)
    }

    /// How many rows have passed; the greatest number there is when no more will.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.queue.news.subscribe()
    }

    /// Whose cores work on what is seen.
    pub fn tenant(&self) -> &Tenant {
        &self.taps.0.tenant
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let of = self.taps.latest();
        let mut taps = of.taps();
        taps.retain(|(_, queue)| !Arc::ptr_eq(queue, &self.queue));
        of.0.open.store(taps.len(), Ordering::Release);
    }
}

impl Queue {
    /// No row will pass any more.
    fn end(&self) {
        self.news.send_replace(u64::MAX);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
