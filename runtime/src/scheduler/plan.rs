//! Cuts a topology into stages. Pure, and done once per topology: what differs from batch to batch
//! is only how many partitions a source has.
//!
//! A stage reads the partitions of its input and drives each through a chain of steps; where rows
//! must change their partition, or where several read what one makes, the chain ends and another
//! stage begins. Only what a sink needs is planned (spec 1.3).

use std::collections::{BTreeMap, BTreeSet};

use super::routes::{Routes, routes};
use crate::{
    operator::Exchange,
    topology::{
        FusedCall, NodeId, OnFailedBatch, OperatorId, Port, Reducer, SourceId, StreamRef, Topology,
        Verb,
    },
};

/// The stages of a topology, each after those it reads from.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order of execution.
    pub stages: Vec<Stage>,
    /// Sources whose rows some sink depends on. The others need not be opened (spec 1.3).
    pub sources: BTreeSet<SourceId>,
    /// Streams whose rejected rows someone reads.
    pub rejected: BTreeSet<NodeId>,
    /// Operators whose snapshots someone reads.
    pub snapshots: BTreeSet<OperatorId>,
    /// Operators that some sink depends on: also those that have no step, such as a union.
    pub needed: BTreeSet<OperatorId>,
}

/// A chain of steps over the partitions of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What it reads.
    pub input: StageInput,
    /// What it does, in order.
    pub steps: Vec<StepSpec>,
    /// Where its rows go.
    pub output: StageOutput,
}

/// What a stage reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageInput {
    /// A source, decoded in the stage's tasks.
    Source(SourceId),
    /// Streams that were stored: the partitions of the first, then of the next.
    Stored(Vec<StreamRef>),
    /// What an earlier stage sent through its exchange.
    Shuffled(usize),
    /// The same of two stages, partition by partition: the second is fed to the first step as side
    /// 0, before the first.
    Sided {
        /// The stage that sends the rows.
        main: usize,
        /// The stage that sends the side.
        side: usize,
    },
    /// The batches of this operator's input that lie in its window, partition after partition.
    Windowed(OperatorId),
}

/// Where a stage's rows go.
#[derive(Debug, Clone, PartialEq)]
pub enum StageOutput {
    /// Kept for sinks and other stages, partition by partition.
    Store(StreamRef),
    /// To the next stage, through an exchange.
    Shuffle(Exchange),
}

/// A link of the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSpec {
    /// Whose.
    pub operator: OperatorId,
    /// Which part of it.
    pub part: Part,
}

/// Which part of an operator a step is.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// All of it.
    Whole,
    /// What can be done before the shuffle.
    BeforeShuffle,
    /// What is left to do after it.
    AfterShuffle,
    /// What was reduced of this batch goes into the window, and the window's rows come out.
    Window,
    /// This operator and the first part of the reduce-by-key that follows, in one function of the
    /// plugin.
    Fused(FusedCall),
}

impl Part {
    /// It ends before rows change their partition.
    pub fn is_before_shuffle(&self) -> bool {
        matches!(self, Self::BeforeShuffle | Self::Fused(_))
    }
}

impl Plan {
    /// Plans a topology.
    pub fn new(topology: &Topology) -> Self {
        Self::with_fusion(topology, true)
    }

    /// Plans a topology, without map-side combining in the plugin if `fusion` is false.
    pub fn with_fusion(topology: &Topology, fusion: bool) -> Self {
        let needed = needed(topology);
        let mut planner = Planner {
            topology,
            consumers: consumers(topology, &needed),
            plan: Plan {
                stages: Vec::new(),
                sources: needed
                    .iter()
                    .filter_map(|stream| match stream.node {
                        NodeId::Source(id) => Some(id),
                        NodeId::Operator(_) => None,
                    })
                    .collect(),
                rejected: needed
                    .iter()
                    .filter(|stream| stream.port == Port::Rejected)
                    .map(|stream| stream.node)
                    .collect(),
                snapshots: needed
                    .iter()
                    .filter(|stream| stream.port == Port::Snapshots)
                    .filter_map(|stream| operator_of(stream.node))
                    .collect(),
                needed: needed
                    .iter()
                    .filter_map(|stream| operator_of(stream.node))
                    .collect(),
            },
            stored: BTreeSet::new(),
            fusion,
        };
        for sink in &topology.sinks {
            planner.store(sink.input);
        }
        planner.plan
    }
}

fn operator_of(node: NodeId) -> Option<OperatorId> {
    match node {
        NodeId::Operator(id) => Some(id),
        NodeId::Source(_) => None,
    }
}

/// Streams that some sink needs, and what they are made of.
fn needed(topology: &Topology) -> BTreeSet<StreamRef> {
    let mut needed = BTreeSet::new();
    let mut todo: Vec<StreamRef> = topology.sinks.iter().map(|sink| sink.input).collect();
    while let Some(stream) = todo.pop() {
        if needed.insert(stream)
            && let NodeId::Operator(id) = stream.node
        {
            todo.extend(&topology.operators[id.0].inputs);
        }
    }
    needed
}

/// How many read each stream; a stream that a sink reads, or whose second output someone reads,
/// counts as read by several, so that it is stored. So does one of an operator that remembers if
/// runs go on behind a failed batch: what it remembers must not go with a later step that fails.
fn consumers(topology: &Topology, needed: &BTreeSet<StreamRef>) -> BTreeMap<StreamRef, usize> {
    let mut consumers = BTreeMap::new();
    for sink in &topology.sinks {
        *consumers.entry(sink.input).or_insert(0) += 2;
    }
    for (at, operator) in topology.operators.iter().enumerate() {
        let id = NodeId::Operator(OperatorId(at));
        if needed.iter().any(|stream| stream.node == id) {
            for input in &operator.inputs {
                *consumers.entry(*input).or_insert(0) += 1;
            }
            if topology.on_failed_batch == OnFailedBatch::Continue && operator.verb.remembers() {
                *consumers
                    .entry(StreamRef::operator(OperatorId(at)))
                    .or_insert(0) += 1;
            }
        }
    }
    for stream in needed.iter().filter(|s| s.port != Port::Main) {
        let main = StreamRef {
            port: Port::Main,
            ..*stream
        };
        *consumers.entry(main).or_insert(0) += 2;
    }
    consumers
}

struct Planner<'a> {
    topology: &'a Topology,
    consumers: BTreeMap<StreamRef, usize>,
    plan: Plan,
    stored: BTreeSet<StreamRef>,
    fusion: bool,
}

/// A chain that is still open at its end.
struct Chain {
    input: StageInput,
    steps: Vec<StepSpec>,
}

impl Planner<'_> {
    /// Makes sure that a stage stores this stream.
    fn store(&mut self, stream: StreamRef) {
        if stream.port != Port::Main {
            // Second outputs are stored by whatever stage runs the node.
            return self.store(StreamRef {
                port: Port::Main,
                ..stream
            });
        }
        if self.stored.insert(stream) {
            let chain = self.make(stream);
            self.end(chain, StageOutput::Store(stream));
        }
    }

    fn end(&mut self, chain: Chain, output: StageOutput) -> usize {
        self.plan.stages.push(Stage {
            input: chain.input,
            steps: chain.steps,
            output,
        });
        self.plan.stages.len() - 1
    }

    /// A chain that yields this stream: a new one if it is stored, else the one that makes it.
    fn chain(&mut self, stream: StreamRef) -> Chain {
        let shared = self.consumers.get(&stream).is_some_and(|c| *c > 1);
        if shared || stream.port != Port::Main {
            self.store(stream);
            return Chain {
                input: StageInput::Stored(vec![stream]),
                steps: Vec::new(),
            };
        }
        self.make(stream)
    }

    fn make(&mut self, stream: StreamRef) -> Chain {
        let id = match stream.node {
            NodeId::Source(id) => {
                return Chain {
                    input: StageInput::Source(id),
                    steps: Vec::new(),
                };
            }
            NodeId::Operator(id) => id,
        };
        let operator = &self.topology.operators[id.0];
        if operator.verb == Verb::Union {
            for input in &operator.inputs {
                self.store(*input);
            }
            return Chain {
                input: StageInput::Stored(operator.inputs.clone()),
                steps: Vec::new(),
            };
        }
        let Some(input) = operator.inputs.first() else {
            return Chain {
                input: StageInput::Stored(Vec::new()),
                steps: Vec::new(),
            };
        };
        let step = |part| StepSpec { operator: id, part };
        let chain = match &operator.verb {
            Verb::Window(_) | Verb::GroupByKeyAndWindow { .. } => {
                self.store(*input);
                Chain {
                    input: StageInput::Windowed(id),
                    steps: Vec::new(),
                }
            }
            _ => self.chain(*input),
        };
        match routes(operator) {
            Routes::Stay => {
                let mut chain = chain;
                if !matches!(operator.verb, Verb::Window(_)) {
                    chain.steps.push(step(Part::Whole));
                }
                chain
            }
            Routes::Move(exchange) => {
                let mut chain = chain;
                if !self.fuse(&mut chain, id) {
                    chain.steps.push(step(Part::BeforeShuffle));
                }
                let from = self.end(chain, StageOutput::Shuffle(exchange));
                let mut steps = vec![step(Part::AfterShuffle)];
                if operator.verb.reduces_window() {
                    steps.push(step(Part::Window));
                }
                Chain {
                    input: StageInput::Shuffled(from),
                    steps,
                }
            }
            Routes::Meet(exchange, other) => {
                let main = self.end(chain, StageOutput::Shuffle(exchange));
                let side = match operator.inputs.get(1) {
                    Some(second) => self.chain(*second),
                    None => Chain {
                        input: StageInput::Stored(Vec::new()),
                        steps: Vec::new(),
                    },
                };
                let side = self.end(side, StageOutput::Shuffle(other));
                Chain {
                    input: StageInput::Sided { main, side },
                    steps: vec![step(Part::Whole)],
                }
            }
        }
    }

    /// Lets a fused function stand for the chain's last step and the first part of this
    /// reduce-by-key.
    fn fuse(&self, chain: &mut Chain, reduce: OperatorId) -> bool {
        // A row to blame could not be told from the others of its key.
        let goes_on = |id: OperatorId| self.topology.operators[id.0].on_error.goes_on();
        let (reducer, keys) = match &self.topology.operators[reduce.0].verb {
            _ if goes_on(reduce) => return false,
            Verb::ReduceByKey { reducer, keys, .. } => (reducer, keys),
            Verb::ReduceByKeyAndWindow { reduce, keys, .. } => (&reduce.reducer, keys),
            _ => return false,
        };
        let Some(last) = chain.steps.last_mut().filter(|_| self.fusion) else {
            return false;
        };
        if goes_on(last.operator) {
            return false;
        }
        let before = &self.topology.operators[last.operator.0];
        let (Verb::Map { call, fused } | Verb::FlatMap { call, fused }) = &before.verb else {
            return false;
        };
        // The fused function combines by the columns under `key`, in their order.
        let natural = before.output.shape().key_columns();
        if natural.as_ref() != Some(keys) {
            return false;
        }
        let same = |fused: &&FusedCall| match (&fused.combine, reducer) {
            (Reducer::Std(ours), Reducer::Std(theirs)) => ours == theirs,
            (Reducer::Plugin { call: ours, .. }, Reducer::Plugin { call: theirs, .. }) => {
                ours.plugin == theirs.plugin
                    && ours.function == theirs.function
                    && theirs.plugin == call.plugin
            }
            _ => false,
        };
        match fused.iter().find(same) {
            Some(fused) if last.part == Part::Whole => {
                last.part = Part::Fused(fused.clone());
                true
            }
            _ => false,
        }
    }
}
