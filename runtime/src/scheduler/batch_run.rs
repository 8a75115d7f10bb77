//! One batch: stage after stage, a task for each partition.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    BatchError, BatchOutput, Executor, Part, Permit, Presence, Stage, StageInput, StageOutput,
    StepSpec, TaskError,
    again::AllAgain,
    executor::References,
    flow::Flow,
    left_out::LeftOutSoFar,
    memory::{Lost, Memory, remembers, remembers_here},
    steps::{For, Given},
    task::{self, Chain, TaskInput},
};
use crate::{
    model::{BatchTime, Partition},
    operator::{Exchange, PartitionState, StepError},
    source::PartitionReader,
    topology::{NodeId, OnFailedBatch, Operator, OperatorId, Port, SourceId, StreamRef, Verb},
};

/// A batch on its way through the stages.
pub(super) struct BatchRun<'a> {
    pub(super) executor: &'a Executor,
    time: BatchTime,
    number: u64,
    presence: Presence,
    pub(super) references: &'a References,
    pub(super) flow: Flow,
    /// Stages that were run as part of the one before them.
    merged: BTreeSet<usize>,
    left_out: LeftOutSoFar,
    pub(super) again: AllAgain,
}

impl<'a> BatchRun<'a> {
    pub(super) fn new(
        executor: &'a Executor,
        (time, number): (BatchTime, u64),
        presence: Presence,
        readers: BTreeMap<SourceId, Vec<Box<dyn PartitionReader>>>,
        references: &'a References,
    ) -> Self {
        Self {
            executor,
            time,
            number,
            presence,
            references,
            flow: Flow::of(readers),
            merged: BTreeSet::new(),
            left_out: LeftOutSoFar::default(),
            again: AllAgain::default(),
        }
    }

    /// Runs all stages, also those that come after a failed one and do not build on it: what they
    /// remember must be right for the next batch. Returns the first failure.
    pub(super) fn all(&mut self, memory: &mut Memory) -> Option<BatchError> {
        let mut first = None;
        for at in 0..self.executor.plan.stages.len() {
            if self.merged.contains(&at) {
                continue;
            }
            if let Err(error) = self.stage(at, memory) {
                let aborted = matches!(
                    error,
                    BatchError::Task {
                        error: TaskError::Aborted { .. },
                        ..
                    }
                );
                first.get_or_insert(error);
                if aborted {
                    break;
                }
            }
        }
        for id in &self.executor.plan.needed {
            let begins = matches!(self.operator(*id).verb, Verb::UpdateStateByKey(_));
            if begins && self.presence.of(StreamRef::operator(*id)) {
                memory.begun.insert(*id);
            }
        }
        first
    }

    pub(super) fn into_output(self) -> BatchOutput {
        let output = self
            .flow
            .into_output(&self.executor.topology, &self.presence);
        BatchOutput {
            left_out: self.left_out.into_all(),
            ..output
        }
    }

    pub(super) fn operator(&self, id: OperatorId) -> &'a Operator {
        &self.executor.topology.operators[id.0]
    }

    fn stage(&mut self, at: usize, memory: &mut Memory) -> Result<(), BatchError> {
        let stage = &self.executor.plan.stages[at];
        let pane = match stage.input {
            StageInput::Windowed(id) => self.add_pane(id, memory),
            _ => Ok(()),
        };
        if pane.is_err() || self.builds_on_failure(stage) {
            for step in stage
                .steps
                .iter()
                .filter(|step| !step.part.is_before_shuffle())
            {
                let operator = self.operator(step.operator);
                memory.miss(step.operator, operator, (self.time, self.number));
            }
            self.fail(at, &stage.steps);
            return pane;
        }
        if !self.has_work(stage) {
            return Ok(());
        }
        let ran = self.run(at, memory);
        ran.map_err(|Failed { steps, last, error }| {
            self.flow.failed_stages.insert(at);
            self.fail(last, &steps);
            error
        })
    }

    fn add_pane(&mut self, id: OperatorId, memory: &mut Memory) -> Result<(), BatchError> {
        let operator = self.operator(id);
        let (Some(window), Some(input)) = (operator.verb.window(), operator.inputs.first()) else {
            return Ok(());
        };
        let at = (self.number, window.length.get());
        if self.has_failed(*input) {
            memory.add_pane(id, at, Some(Err(self.lost(id))));
            return Ok(());
        }
        let Some(rows) = self.stored(*input) else {
            memory.add_pane(id, at, None);
            return Ok(());
        };
        let schema = self.executor.topology.schema(*input);
        let kept = memory.keep_pane((id, operator), at, schema, rows);
        kept.map_err(|error| {
            memory.add_pane(id, at, Some(Err(self.lost(id))));
            BatchError::Task {
                time: self.time,
                error: TaskError::Pane(Box::new(error)),
            }
        })
    }

    fn lost(&self, id: OperatorId) -> Lost {
        Lost {
            operator: self.operator(id).name.clone(),
            since: self.time,
        }
    }

    /// The rows of a stream that was stored; none if it has no batch.
    pub(super) fn stored(&self, stream: StreamRef) -> Option<&[Partition]> {
        let stored = self.flow.stored.get(&stream).map(Vec::as_slice);
        // Second outputs are there only once something was put out.
        let empty = stream.port != Port::Main && self.presence.of(stream);
        stored.or(empty.then_some(&[]))
    }

    fn has_failed(&self, stream: StreamRef) -> bool {
        self.presence.failed(stream) || self.flow.failed_nodes.contains(&stream.node)
    }

    fn builds_on_failure(&self, stage: &Stage) -> bool {
        let failed = &self.flow.failed_stages;
        let input = match &stage.input {
            StageInput::Source(_) | StageInput::Windowed(_) => false,
            StageInput::Stored(streams) => streams.iter().any(|stream| self.has_failed(*stream)),
            StageInput::Shuffled(from) => failed.contains(from),
            StageInput::Sided { main, side } => failed.contains(main) || failed.contains(side),
        };
        let output = match stage.output {
            StageOutput::Store(stream) => self.presence.failed(stream),
            StageOutput::Shuffle(_) => false,
        };
        let windowed = matches!(stage.input, StageInput::Windowed(_));
        let steps = stage.steps.iter().map(|step| step.operator).any(|id| {
            let inputs = &self.operator(id).inputs;
            self.presence.failed(StreamRef::operator(id))
                || !windowed && inputs.iter().any(|input| self.has_failed(*input))
        });
        input || output || steps
    }

    fn has_work(&self, stage: &Stage) -> bool {
        let sent = |from: &usize| self.flow.shuffled.contains_key(from);
        let fed = match &stage.input {
            StageInput::Source(id) => self.flow.readers.contains_key(id),
            StageInput::Stored(streams) => streams.iter().all(|s| self.stored(*s).is_some()),
            StageInput::Shuffled(from) => sent(from),
            StageInput::Sided { main, side } => sent(main) && sent(side),
            StageInput::Windowed(id) => self.presence.of(StreamRef::operator(*id)),
        };
        // State is looked at, and windows move on, also without a batch of the input.
        let Some(first) = stage.steps.first() else {
            return fed;
        };
        let remembers = remembers(self.operator(first.operator), &first.part);
        fed || remembers && self.presence.of(StreamRef::operator(first.operator))
    }

    fn run(&mut self, at: usize, memory: &mut Memory) -> Result<(), Failed> {
        let stage = &self.executor.plan.stages[at];
        let failed = |error| Failed {
            steps: stage.steps.clone(),
            last: at,
            error,
        };
        let mut sides = self.sides(&stage.input);
        let mut inputs = self
            .inputs(&stage.input, memory)
            .map_err(|lost| failed(self.lost_error(lost)))?;
        if inputs.is_empty() && self.again.is_for(&stage.steps) {
            inputs.push(TaskInput::Chunks(Vec::new()));
        }
        let count = inputs.len();
        let (mut steps, last) = self.joined(at, count);
        let gap = self.cut_at_window(&mut steps, memory);
        let kept = gap == Cut::Nowhere;
        let blame = |error| Failed {
            steps: steps.clone(),
            last,
            error,
        };
        let mut states = self.states(&steps, count, memory).map_err(blame)?;
        let output = &self.executor.plan.stages[last].output;
        let (exchange, targets) = sent_to(output, kept, count);
        let taps = &self.executor.taps;
        let along = taps.along((&stage.input, &steps, output), kept, self.time);
        let again = steps.iter().map(|step| self.again.take(step, count));
        let mut again: Vec<_> = again.collect();
        let mut tasks = Vec::with_capacity(count);
        for (partition, input) in inputs.into_iter().enumerate() {
            let given = steps.iter().enumerate().map(|(at, step)| Given {
                spec: step.clone(),
                state: states
                    .get_mut(&step.operator)
                    .filter(|_| remembers_here(self.operator(step.operator), &step.part))
                    .and_then(|states| states.get_mut(partition)?.take()),
                feeds: self.feeds(step, (at == 0).then(|| sides.get_mut(partition)).flatten()),
                again: std::mem::take(&mut again[at][partition]),
                outlets: along.get(at + 1).cloned().unwrap_or_default(),
            });
            let given: Vec<Given> = given.collect();
            let mut outlets = along.first().cloned().unwrap_or_default();
            let (maker, exchange) = (self.executor.maker.clone(), exchange.clone());
            let source = match &input {
                TaskInput::Source(id, _) => Some(self.executor.sources[id.0].clone()),
                TaskInput::Chunks(_) | TaskInput::Spilled(_) => None,
            };
            let to = For {
                time: self.time,
                number: self.number,
                partition,
                emits: gap != Cut::AtGap,
                retried: self.again.count,
            };
            // What is logged in the task is logged of the same batch.
            let span = tracing::Span::current();
            tasks.push(move |permit: &Arc<Permit>| {
                let _in_batch = span.enter();
                let (links, again) = maker.links(given, &mut outlets, &to, permit);
                let chain = Chain {
                    partition,
                    source,
                    outlets,
                    again,
                    links,
                    exchange,
                    targets,
                };
                task::run(input, chain, permit)
            });
        }
        let mut made = Vec::with_capacity(count);
        for (partition, result) in self.executor.tenant.run(tasks).into_iter().enumerate() {
            let result = result.unwrap_or(Err(TaskError::Panicked { partition }));
            made.push(result.map_err(|error| {
                for operator in states.keys() {
                    memory.lose(*operator, self.lost(*operator));
                }
                let time = self.time;
                blame(BatchError::Task { time, error })
            })?);
        }
        let topology = &self.executor.topology;
        let batch = (self.time, self.again.count);
        if let Err(error) = self.left_out.take(&mut made, topology, batch) {
            for operator in states.keys() {
                memory.lose(*operator, self.lost(*operator));
            }
            return Err(blame(error));
        }
        memory.keep_all(&mut made);
        taps.besides(&made, self.time);
        let plan = &self.executor.plan;
        self.flow.collect(made, (last, output), targets, kept, plan);
        let mut gaps = steps.iter().filter_map(|step| self.gap(step, memory));
        let lost = gaps.next().filter(|_| gap == Cut::AtGap);
        lost.map_or(Ok(()), |lost| Err(blame(self.lost_error(lost))))
    }

    fn lost_error(&self, lost: Lost) -> BatchError {
        BatchError::Lost {
            time: self.time,
            lost,
        }
    }

    /// Takes away the steps after a window that puts out nothing in this batch.
    fn cut_at_window(&self, steps: &mut Vec<StepSpec>, memory: &Memory) -> Cut {
        for at in 0..steps.len() {
            let step = &steps[at];
            if step.part != Part::Window {
                continue;
            }
            let cut = if !self.presence.of(StreamRef::operator(step.operator)) {
                Cut::BetweenSlides
            } else if self.gap(step, memory).is_some() {
                Cut::AtGap
            } else {
                continue;
            };
            steps.truncate(at + 1);
            return cut;
        }
        Cut::Nowhere
    }

    fn gap(&self, step: &StepSpec, memory: &Memory) -> Option<Lost> {
        let window = self.operator(step.operator).verb.window()?;
        memory
            .gap_in(step.operator, self.number, window.length.get())
            .cloned()
    }

    /// What the operators of these steps remember, partition by partition.
    fn states(
        &self,
        steps: &[StepSpec],
        partitions: usize,
        memory: &mut Memory,
    ) -> Result<BTreeMap<OperatorId, Vec<Option<PartitionState>>>, BatchError> {
        let mut states = BTreeMap::new();
        for step in steps {
            let id = step.operator;
            if !remembers_here(self.operator(id), &step.part) {
                continue;
            }
            let taken = memory.take(id).map_err(|lost| self.lost_error(lost))?;
            let taken = match taken {
                Some(taken) if taken.len() == partitions => taken,
                Some(taken) => self.redistributed(id, taken, partitions)?,
                None => self.fresh(id, partitions)?,
            };
            states.insert(id, taken.into_iter().map(Some).collect());
        }
        Ok(states)
    }

    /// What an operator remembers at the beginning.
    fn fresh(&self, id: OperatorId, partitions: usize) -> Result<Vec<PartitionState>, BatchError> {
        let keyed = self.operator(id).verb.keyed_state();
        let initial = keyed.and_then(|keyed| self.references.get(&keyed.initial?));
        let initial = initial.map_or(&[][..], |rows| &**rows);
        let fresh = self
            .executor
            .maker
            .fresh(id, partitions, initial, self.time);
        fresh.map_err(|error| self.state_error(id, error))
    }

    /// The topology has another number of partitions than the one that wrote the state.
    fn redistributed(
        &self,
        id: OperatorId,
        states: Vec<PartitionState>,
        partitions: usize,
    ) -> Result<Vec<PartitionState>, BatchError> {
        let maker = &self.executor.maker;
        let states = maker.redistribute(id, states, partitions);
        states.map_err(|error| self.state_error(id, error))
    }

    fn state_error(&self, id: OperatorId, error: StepError) -> BatchError {
        BatchError::Task {
            time: self.time,
            error: TaskError::Operator {
                operator: self.operator(id).name.clone(),
                partition: 0,
                error: Box::new(error),
            },
        }
    }

    /// The steps of the stage at `at`, and of those after it as long as rows only go from one
    /// partition to one: such a shuffle moves nothing, so what is split around it is done whole.
    /// Where runs go on behind a failed batch, a stage that remembers begins anew: of what fails
    /// before it, it only lacks a batch.
    fn joined(&mut self, at: usize, partitions: usize) -> (Vec<StepSpec>, usize) {
        let stages = &self.executor.plan.stages;
        let goes_on = self.executor.topology.on_failed_batch == OnFailedBatch::Continue;
        let mut steps = stages[at].steps.clone();
        let mut last = at;
        while partitions == 1
            && let StageOutput::Shuffle(exchange) = &stages[last].output
            && exchange.partitions(1) == 1
            && let Some(next) = self.reader_of(last)
            && !(goes_on && self.stage_remembers(next))
        {
            if steps.last().is_some_and(|s| s.part == Part::BeforeShuffle) {
                steps.pop();
            }
            let fused = steps
                .last()
                .is_some_and(|s| matches!(s.part, Part::Fused(_)));
            let mut following = stages[next].steps.clone();
            if let (Some(first), false) = (following.first_mut(), fused) {
                first.part = Part::Whole;
            }
            steps.extend(following);
            self.merged.insert(next);
            last = next;
        }
        (steps, last)
    }

    fn stage_remembers(&self, at: usize) -> bool {
        let first = self.executor.plan.stages[at].steps.first();
        first.is_some_and(|step| remembers(self.operator(step.operator), &step.part))
    }

    fn reader_of(&self, shuffled: usize) -> Option<usize> {
        let reads = |stage: &Stage| stage.input == StageInput::Shuffled(shuffled);
        self.executor.plan.stages.iter().position(reads)
    }

    /// Nothing will come of these steps: what builds on them is not run.
    fn fail(&mut self, stage: usize, steps: &[StepSpec]) {
        self.flow.failed_stages.insert(stage);
        if let StageOutput::Store(stream) = self.executor.plan.stages[stage].output {
            self.flow.failed_nodes.insert(stream.node);
        }
        let nodes = steps.iter().map(|step| NodeId::Operator(step.operator));
        self.flow.failed_nodes.extend(nodes);
    }
}

/// Why a stage failed, and what with it.
struct Failed {
    steps: Vec<StepSpec>,
    last: usize,
    error: BatchError,
}

/// Where a chain ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nowhere,
    /// At a window that has no batch at this time.
    BetweenSlides,
    /// At a window that lacks a batch.
    AtGap,
}

/// How rows of `count` partitions are sent on, and to how many partitions.
fn sent_to(output: &StageOutput, kept: bool, count: usize) -> (Exchange, usize) {
    match output {
        StageOutput::Shuffle(exchange) if kept && *exchange != Exchange::Keep => {
            (exchange.clone(), exchange.partitions(count))
        }
        _ => (Exchange::Keep, 1),
    }
}
