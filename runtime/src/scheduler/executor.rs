//! Runs one batch: stage after stage, a task for each partition.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arrow_array::{RecordBatch, cast::AsArray};

use super::{
    BatchError, Permit, Plan, Presence, Stage, StageInput, StageOutput, StepSpec, TaskError,
    Tenant,
    plan::Part,
    steps::{For, StepMaker},
    task::{self, Chain, Link, TaskInput, TaskOutput},
};
use crate::{
    model::{Batch, BatchTime, NodeName, Partition},
    operator::Exchange,
    plugin::Plugin,
    source::{Claim, PartitionReader},
    topology::{NodeId, OperatorId, Port, SourceId, StreamRef, Topology},
};

/// Runs the batches of one topology.
pub struct Executor {
    topology: Arc<Topology>,
    plan: Plan,
    maker: StepMaker,
    tenant: Tenant,
}

/// What the sources have for a batch, source by source.
pub struct BatchInput {
    /// The batch.
    pub time: BatchTime,
    /// One for each source that is opened; one that is not has no batch.
    pub claims: BTreeMap<SourceId, Claim>,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct BatchOutput {
    /// The streams that sinks read; a stream without a batch is not there.
    pub streams: BTreeMap<StreamRef, Batch>,
    /// Records read from sources, the rejected among them.
    pub records: u64,
    /// Bytes read from sources.
    pub bytes: u64,
    /// Lines in which broken UTF-8 was replaced.
    pub replaced: u64,
    /// Rejected rows that nothing reads, by who rejected them, with the first reason.
    pub dropped: Vec<(NodeName, u64, String)>,
    /// CPU time of all tasks.
    pub cpu: Duration,
    /// What instances used.
    pub operators: Vec<OperatorUsage>,
}

/// What the instances of an operator have used in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorUsage {
    /// The operator.
    pub operator: NodeName,
    /// CPU time in the sandbox, all instances together.
    pub sandbox: Duration,
    /// The most memory of one instance, in bytes.
    pub memory_peak: usize,
}

/// Streams on their way through the stages.
#[derive(Default)]
struct Flow {
    stored: BTreeMap<StreamRef, Vec<Partition>>,
    shuffled: BTreeMap<usize, Vec<Partition>>,
    readers: BTreeMap<SourceId, Vec<Box<dyn PartitionReader>>>,
    usage: BTreeMap<OperatorId, (Duration, usize)>,
    dropped: BTreeMap<NodeId, (u64, String)>,
    output: BatchOutput,
}

impl Executor {
    /// An executor for a topology whose plugins are loaded, in the topology's order.
    pub fn new(topology: Arc<Topology>, plugins: Vec<Plugin>, plan: Plan, tenant: Tenant) -> Self {
        Self {
            maker: StepMaker::new(topology.clone(), plugins),
            topology,
            plan,
            tenant,
        }
    }

    /// Makes running tasks stop soon.
    pub fn abort(&self) {
        self.tenant.abort();
    }

    /// Runs a batch on the pool and on this thread, until all of it is done.
    ///
    /// # Errors
    /// The failure of the first task, in the order of stages and partitions; nothing of the batch
    /// is kept then.
    pub fn run(&self, input: BatchInput) -> Result<BatchOutput, BatchError> {
        let time = input.time;
        let mut flow = Flow::default();
        let mut present = vec![false; self.topology.sources.len()];
        for (id, claim) in input.claims {
            if let Claim::Batch(readers) = claim {
                present[id.0] = true;
                flow.readers.insert(id, readers);
            }
        }
        let presence = Presence::new(&self.topology, present, |id| self.plan.needed.contains(&id))
            .map_err(|missing| BatchError::Missing { time, missing })?;
        let mut merged = BTreeSet::new();
        for (at, stage) in self.plan.stages.iter().enumerate() {
            if !merged.contains(&at) && self.has_batch(stage, &presence) {
                self.run_stage(at, time, &mut flow, &mut merged)
                    .map_err(|error| BatchError::Task { time, error })?;
            }
        }
        Ok(self.output(flow, &presence))
    }

    /// The stage's input has a batch. A union whose inputs have none was refused before.
    fn has_batch(&self, stage: &Stage, presence: &Presence) -> bool {
        match &stage.input {
            StageInput::Source(id) => presence.of(StreamRef::source(*id)),
            StageInput::Stored(streams) => streams.iter().all(|s| presence.of(*s)),
            StageInput::Shuffled(from) => self.has_batch(&self.plan.stages[*from], presence),
        }
    }

    fn run_stage(
        &self,
        at: usize,
        time: BatchTime,
        flow: &mut Flow,
        merged: &mut BTreeSet<usize>,
    ) -> Result<(), TaskError> {
        let inputs = inputs(&self.plan.stages[at], flow);
        let (steps, last) = self.joined(at, inputs.len(), merged);
        let output = &self.plan.stages[last].output;
        let exchange = match output {
            StageOutput::Store(_) => Exchange::Keep,
            StageOutput::Shuffle(exchange) => exchange.clone(),
        };
        let count = inputs.len();
        let targets = match exchange {
            Exchange::Keep => 1,
            _ => exchange.partitions(count),
        };
        let tasks: Vec<_> = inputs
            .into_iter()
            .enumerate()
            .map(|(partition, input)| {
                let (maker, steps, exchange) = (&self.maker, &steps, exchange.clone());
                let make = maker.clone_for(steps);
                move |permit: &Arc<Permit>| {
                    let to = For {
                        time,
                        partition,
                        permit,
                    };
                    let chain = Chain {
                        partition,
                        links: make(&to),
                        exchange,
                        targets,
                    };
                    task::run(input, chain, permit)
                }
            })
            .collect();
        let mut made = Vec::with_capacity(count);
        for (partition, result) in self.tenant.run(tasks).into_iter().enumerate() {
            made.push(result.unwrap_or(Err(TaskError::Panicked { partition }))?);
        }
        self.collect(made, output, targets, last, flow);
        Ok(())
    }

    /// The steps of the stage at `at`, and of those after it as long as rows only go from one
    /// partition to one: such a shuffle moves nothing, so what is split around it is done whole.
    fn joined(
        &self,
        at: usize,
        partitions: usize,
        merged: &mut BTreeSet<usize>,
    ) -> (Vec<StepSpec>, usize) {
        let mut steps = self.plan.stages[at].steps.clone();
        let mut last = at;
        while partitions == 1
            && let StageOutput::Shuffle(exchange) = &self.plan.stages[last].output
            && exchange.partitions(1) == 1
            && let Some(next) = self.reader_of(last)
        {
            if steps.last().is_some_and(|s| s.part == Part::BeforeShuffle) {
                steps.pop();
            }
            let fused = steps
                .last()
                .is_some_and(|s| matches!(s.part, Part::Fused(_)));
            let mut following = self.plan.stages[next].steps.clone();
            if let (Some(first), false) = (following.first_mut(), fused) {
                first.part = Part::Whole;
            }
            steps.extend(following);
            merged.insert(next);
            last = next;
        }
        (steps, last)
    }

    fn reader_of(&self, shuffled: usize) -> Option<usize> {
        let reads = |stage: &Stage| stage.input == StageInput::Shuffled(shuffled);
        self.plan.stages.iter().position(reads)
    }

    fn collect(
        &self,
        made: Vec<TaskOutput>,
        output: &StageOutput,
        targets: usize,
        stage: usize,
        flow: &mut Flow,
    ) {
        let tasks = made.len();
        let mut partitions: Vec<Partition> = match output {
            StageOutput::Store(_) => Vec::with_capacity(tasks),
            StageOutput::Shuffle(_) => vec![Vec::new(); targets],
        };
        for (partition, task) in made.into_iter().enumerate() {
            match output {
                StageOutput::Store(_) => partitions.extend(task.to),
                StageOutput::Shuffle(_) => {
                    for (target, chunks) in partitions.iter_mut().zip(task.to) {
                        target.extend(chunks);
                    }
                }
            }
            flow.output.records += task.read.records;
            flow.output.bytes += task.read.bytes;
            flow.output.replaced += task.read.replaced;
            flow.output.cpu += task.cpu;
            for (operator, cpu, memory) in task.sandboxes {
                let usage = flow.usage.entry(operator).or_default();
                usage.0 += cpu;
                usage.1 = usage.1.max(memory);
            }
            if let Some(source) = task.read.source {
                self.reject(NodeId::Source(source), partition, task.read.rejected, flow);
            }
            for (operator, rows) in task.rejected {
                self.reject(NodeId::Operator(operator), partition, rows, flow);
            }
        }
        match output {
            StageOutput::Store(stream) => {
                flow.stored.insert(*stream, partitions);
            }
            StageOutput::Shuffle(_) => {
                flow.shuffled.insert(stage, partitions);
            }
        }
    }

    /// Rejected rows go to who reads them, else they are counted.
    fn reject(&self, node: NodeId, partition: usize, rows: Vec<RecordBatch>, flow: &mut Flow) {
        if self.plan.rejected.contains(&node) {
            let port = Port::Rejected;
            let partitions = flow.stored.entry(StreamRef { node, port }).or_default();
            partitions.resize_with(partitions.len().max(partition + 1), Vec::new);
            partitions[partition].extend(rows);
            return;
        }
        for chunk in rows.iter().filter(|chunk| chunk.num_rows() > 0) {
            let (count, first) = flow.dropped.entry(node).or_default();
            if *count == 0
                && let Some(reasons) = chunk.columns().last()
                && let Some(reasons) = reasons.as_string_opt::<i32>()
            {
                reasons.value(0).clone_into(first);
            }
            *count += chunk.num_rows() as u64;
        }
    }

    fn output(&self, flow: Flow, presence: &Presence) -> BatchOutput {
        let Flow {
            mut stored,
            usage,
            dropped,
            mut output,
            ..
        } = flow;
        for sink in &self.topology.sinks {
            if presence.of(sink.input) {
                let batch = || Batch {
                    schema: self.topology.schema(sink.input).clone(),
                    partitions: stored.remove(&sink.input).unwrap_or_default(),
                };
                output.streams.entry(sink.input).or_insert_with(batch);
            }
        }
        let name = |id: OperatorId| self.topology.operators[id.0].name.clone();
        output.operators = usage
            .into_iter()
            .map(|(id, (sandbox, memory_peak))| OperatorUsage {
                operator: name(id),
                sandbox,
                memory_peak,
            })
            .collect();
        output.dropped = dropped
            .into_iter()
            .map(|(node, (count, reason))| (self.topology.node_name(node).clone(), count, reason))
            .collect();
        output
    }
}

fn inputs(stage: &Stage, flow: &mut Flow) -> Vec<TaskInput> {
    match &stage.input {
        StageInput::Source(id) => {
            let readers = flow.readers.remove(id).unwrap_or_default().into_iter();
            readers
                .map(|reader| TaskInput::Source(*id, reader))
                .collect()
        }
        StageInput::Stored(streams) => streams
            .iter()
            .flat_map(|stream| flow.stored.get(stream).cloned().unwrap_or_default())
            .map(TaskInput::Chunks)
            .collect(),
        StageInput::Shuffled(from) => {
            let partitions = flow.shuffled.remove(from).unwrap_or_default();
            partitions.into_iter().map(TaskInput::Chunks).collect()
        }
    }
}

impl StepMaker {
    /// Makes the links of a chain, later and on another thread.
    fn clone_for(&self, steps: &[StepSpec]) -> impl FnOnce(&For<'_>) -> Vec<Link> + Send + use<> {
        let (maker, steps) = (self.clone(), steps.to_vec());
        move |to| {
            let link = |spec: &StepSpec| {
                Some(Link {
                    operator: spec.operator,
                    name: maker.topology().operators[spec.operator.0].name.clone(),
                    step: maker.make(spec, to)?,
                })
            };
            steps.iter().filter_map(link).collect()
        }
    }
}
