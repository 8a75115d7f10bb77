//! One partition of one stage: chunks driven through a chain of steps and out through an exchange.

use std::{sync::Arc, time::Duration};

use arrow_array::RecordBatch;

use super::{Permit, TaskError, pane::SpilledPartition, stage_input::Feeds, tap::Outlet};
use crate::{
    account::{Node, thread_cpu},
    model::{NodeName, Partition},
    operator::{Emitted, Exchange, Letter, PartitionState, Step},
    plugin::{Preempt as _, Tick},
    source::PartitionReader,
    topology::{OperatorId, SourceId},
};

/// What a task reads.
pub(super) enum TaskInput {
    /// A partition of a source.
    Source(SourceId, Box<dyn PartitionReader>),
    /// Chunks that are there already.
    Chunks(Partition),
    /// Chunks on disk.
    Spilled(Arc<SpilledPartition>),
}

/// A step and whose it is.
pub(super) struct Link {
    pub(super) operator: OperatorId,
    /// What the operator uses.
    pub(super) node: Arc<Node>,
    pub(super) name: NodeName,
    pub(super) step: Box<dyn Step>,
    /// What it is fed before its first chunk.
    pub(super) feeds: Feeds,
    /// Who looks at what it puts out.
    pub(super) outlets: Vec<Outlet>,
}

/// A chain, and where its rows go.
pub(super) struct Chain {
    pub(super) partition: usize,
    /// What the source uses, if the task reads one.
    pub(super) source: Option<Arc<Node>>,
    /// Who looks at what it reads.
    pub(super) outlets: Vec<Outlet>,
    /// Rows that go into links before all others, by the link's place.
    pub(super) again: Vec<(usize, RecordBatch)>,
    pub(super) links: Vec<Link>,
    pub(super) exchange: Exchange,
    pub(super) targets: usize,
}

/// What a task made.
#[derive(Debug, Default)]
pub(super) struct TaskOutput {
    /// For each partition of what comes next.
    pub(super) to: Vec<Partition>,
    /// Rejected rows of each operator, in the order of the chain.
    pub(super) rejected: Vec<(OperatorId, Vec<RecordBatch>)>,
    /// Snapshots of each operator.
    pub(super) snapshots: Vec<(OperatorId, Vec<RecordBatch>)>,
    /// What each operator left out.
    pub(super) letters: Vec<(OperatorId, Vec<Letter>)>,
    /// What each operator remembers from now on.
    pub(super) states: Vec<(OperatorId, PartitionState)>,
    /// What was read from a source, if it was one.
    pub(super) read: Read,
    /// CPU time in the sandbox and the most memory of one instance, by operator.
    pub(super) sandboxes: Vec<(OperatorId, Duration, usize)>,
    /// CPU time of the task.
    pub(super) cpu: Duration,
}

/// What a task has read from a source.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) source: Option<SourceId>,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) replaced: u64,
    pub(super) rejected: Vec<RecordBatch>,
}

/// Runs a task.
pub(super) fn run(
    input: TaskInput,
    chain: Chain,
    permit: &Arc<Permit>,
) -> Result<TaskOutput, TaskError> {
    let mut driver = Driver::new(chain);
    driver.feed(permit)?;
    for (level, chunk) in std::mem::take(&mut driver.chain.again) {
        driver.check(permit)?;
        driver.enter(level, chunk)?;
    }
    match input {
        TaskInput::Chunks(chunks) => {
            for chunk in chunks {
                driver.check(permit)?;
                driver.push(0, chunk)?;
            }
        }
        TaskInput::Spilled(partition) => {
            let chunks = partition.read();
            for chunk in chunks.map_err(|error| TaskError::Pane(Box::new(error)))? {
                driver.check(permit)?;
                driver.push(0, chunk)?;
            }
        }
        TaskInput::Source(id, mut reader) => {
            driver.output.read.source = Some(id);
            loop {
                driver.check(permit)?;
                let source = driver.chain.source.as_ref();
                let next = used_by(source, || reader.next_chunk());
                let next = next.map_err(|error| TaskError::Source {
                    partition: driver.chain.partition,
                    error: Box::new(error),
                })?;
                let Some(chunk) = next else { break };
                let rejected = chunk.rejected.as_ref().map_or(0, RecordBatch::num_rows);
                let records = (chunk.rows.num_rows() + rejected) as u64;
                permit.account().read(records, chunk.bytes as u64);
                if let Some(source) = source {
                    source.took(records, chunk.bytes as u64);
                    source.made(chunk.rows.num_rows() as u64);
                }
                let read = &mut driver.output.read;
                read.records += records;
                read.bytes += chunk.bytes as u64;
                read.replaced += chunk.replaced as u64;
                read.rejected.extend(chunk.rejected);
                if chunk.rows.num_rows() > 0 {
                    driver.push(0, chunk.rows)?;
                }
            }
        }
    }
    driver.finish(permit)
}

struct Driver {
    chain: Chain,
    /// One for each link, kept so that its vectors are not made anew for every chunk.
    emitted: Vec<Emitted>,
    rejected: Vec<Vec<RecordBatch>>,
    snapshots: Vec<Vec<RecordBatch>>,
    sent: usize,
    output: TaskOutput,
}

impl Driver {
    fn new(chain: Chain) -> Self {
        Self {
            emitted: chain.links.iter().map(|_| Emitted::default()).collect(),
            rejected: chain.links.iter().map(|_| Vec::new()).collect(),
            snapshots: chain.links.iter().map(|_| Vec::new()).collect(),
            sent: 0,
            output: TaskOutput {
                to: vec![Vec::new(); chain.targets],
                ..TaskOutput::default()
            },
            chain,
        }
    }

    fn check(&self, permit: &Permit) -> Result<(), TaskError> {
        match permit.tick() {
            Tick::Continue => Ok(()),
            Tick::Abort => Err(TaskError::Aborted {
                partition: self.chain.partition,
            }),
        }
    }

    /// Feeds each link its sides.
    fn feed(&mut self, permit: &Permit) -> Result<(), TaskError> {
        let partition = self.chain.partition;
        for level in 0..self.chain.links.len() {
            for (side, chunks) in std::mem::take(&mut self.chain.links[level].feeds) {
                for chunk in chunks {
                    self.check(permit)?;
                    let link = &mut self.chain.links[level];
                    link.node.took(chunk.num_rows() as u64, bytes(&chunk));
                    used_by(Some(&link.node), || link.step.feed(side, chunk))
                        .map_err(|error| blame(link, partition, error))?;
                }
            }
        }
        Ok(())
    }

    /// Pushes a chunk into the link at `level`, and what comes out into the next.
    fn push(&mut self, level: usize, chunk: RecordBatch) -> Result<(), TaskError> {
        let partition = self.chain.partition;
        let outlets = match level {
            0 => &self.chain.outlets,
            _ => &self.chain.links[level - 1].outlets,
        };
        for outlet in outlets {
            outlet.pass(partition, &chunk);
        }
        self.enter(level, chunk)
    }

    fn enter(&mut self, level: usize, chunk: RecordBatch) -> Result<(), TaskError> {
        let partition = self.chain.partition;
        let Some(link) = self.chain.links.get_mut(level) else {
            return self
                .chain
                .exchange
                .send(partition, &mut self.sent, chunk, &mut self.output.to)
                .map_err(|error| TaskError::Exchange {
                    partition,
                    error: Box::new(error),
                });
        };
        let mut out = std::mem::take(&mut self.emitted[level]);
        link.node.took(chunk.num_rows() as u64, bytes(&chunk));
        used_by(Some(&link.node), || link.step.push(chunk, &mut out))
            .map_err(|error| blame(link, partition, error))?;
        self.pass_on(level, out)
    }

    fn pass_on(&mut self, level: usize, mut out: Emitted) -> Result<(), TaskError> {
        self.rejected[level].append(&mut out.rejected);
        self.snapshots[level].append(&mut out.snapshots);
        if !out.letters.is_empty() {
            let operator = self.chain.links[level].operator;
            let letters = std::mem::take(&mut out.letters);
            self.output.letters.push((operator, letters));
        }
        let rows = out.rows.iter().map(RecordBatch::num_rows);
        let rows = rows.sum::<usize>() as u64;
        self.chain.links[level].node.made(rows);
        for chunk in out.rows.drain(..) {
            self.push(level + 1, chunk)?;
        }
        self.emitted[level] = out;
        Ok(())
    }

    fn finish(mut self, permit: &Permit) -> Result<TaskOutput, TaskError> {
        for level in 0..self.chain.links.len() {
            let link = &mut self.chain.links[level];
            let mut out = std::mem::take(&mut self.emitted[level]);
            used_by(Some(&link.node), || link.step.finish(&mut out))
                .map_err(|error| blame(link, self.chain.partition, error))?;
            self.pass_on(level, out)?;
        }
        let mut output = self.output;
        let second = self.rejected.into_iter().zip(self.snapshots);
        // Instances are dropped before the time is taken: that is work, too.
        for (link, (rejected, snapshots)) in self.chain.links.into_iter().zip(second) {
            let usage = link.step.usage();
            link.node.instance_has(usage.memory_peak);
            if !usage.cpu.is_zero() {
                output
                    .sandboxes
                    .push((link.operator, usage.cpu, usage.memory_peak));
            }
            if !rejected.is_empty() {
                output.rejected.push((link.operator, rejected));
            }
            if !snapshots.is_empty() {
                output.snapshots.push((link.operator, snapshots));
            }
            let state = used_by(Some(&link.node), || link.step.into_state());
            output
                .states
                .extend(state.map(|state| (link.operator, state)));
        }
        output.cpu = permit.used();
        Ok(output)
    }
}

/// Does part of a task for a node of the topology. That it is charged to the topology is the
/// permit's business.
fn used_by<T>(node: Option<&Arc<Node>>, act: impl FnOnce() -> T) -> T {
    let Some(node) = node else {
        return act();
    };
    let began = thread_cpu();
    let done = act();
    node.used(thread_cpu().saturating_sub(began));
    done
}

/// Bytes of these rows, not of those that share their buffers.
fn bytes(chunk: &RecordBatch) -> u64 {
    let columns = chunk.columns().iter();
    let sizes = columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0));
    sizes.sum::<usize>() as u64
}

fn blame(link: &Link, partition: usize, error: crate::operator::StepError) -> TaskError {
    link.node.instance_has(link.step.usage().memory_peak);
    TaskError::Operator {
        operator: link.name.clone(),
        partition,
        error: Box::new(error),
    }
}
