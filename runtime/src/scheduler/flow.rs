//! Streams on their way through the stages of one batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use arrow_array::{RecordBatch, cast::AsArray};

use super::{BatchOutput, OperatorUsage, Plan, Presence, StageOutput, task::TaskOutput};
use crate::{
    model::{Batch, Partition},
    source::PartitionReader,
    topology::{NodeId, OperatorId, Port, SourceId, StreamRef, Topology},
};

/// Streams on their way.
#[derive(Default)]
pub(super) struct Flow {
    pub(super) stored: BTreeMap<StreamRef, Vec<Partition>>,
    /// What a stage sent, by its number.
    pub(super) shuffled: BTreeMap<usize, Vec<Partition>>,
    pub(super) readers: BTreeMap<SourceId, Vec<Box<dyn PartitionReader>>>,
    /// Stages whose rows will not come, because they or what they build on failed.
    pub(super) failed_stages: BTreeSet<usize>,
    /// The same of sources and operators.
    pub(super) failed_nodes: BTreeSet<NodeId>,
    usage: BTreeMap<OperatorId, (Duration, usize)>,
    dropped: BTreeMap<NodeId, (u64, String)>,
    output: BatchOutput,
}

impl Flow {
    /// The beginning: what sources have.
    pub(super) fn of(readers: BTreeMap<SourceId, Vec<Box<dyn PartitionReader>>>) -> Self {
        Self {
            readers,
            ..Self::default()
        }
    }

    /// Takes in what the tasks of a stage made; `kept` is false if its rows are not wanted.
    pub(super) fn collect(
        &mut self,
        made: Vec<TaskOutput>,
        (stage, output): (usize, &StageOutput),
        targets: usize,
        kept: bool,
        plan: &Plan,
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
            self.output.records += task.read.records;
            self.output.bytes += task.read.bytes;
            self.output.replaced += task.read.replaced;
            self.output.cpu += task.cpu;
            for (operator, cpu, memory) in task.sandboxes {
                let usage = self.usage.entry(operator).or_default();
                usage.0 += cpu;
                usage.1 = usage.1.max(memory);
            }
            if let Some(source) = task.read.source {
                self.reject(NodeId::Source(source), partition, task.read.rejected, plan);
            }
            for (operator, rows) in task.rejected {
                self.reject(NodeId::Operator(operator), partition, rows, plan);
            }
            for (operator, rows) in task.snapshots {
                let node = NodeId::Operator(operator);
                let port = Port::Snapshots;
                self.store(StreamRef { node, port }, partition, rows);
            }
        }
        match output {
            _ if !kept => {}
            StageOutput::Store(stream) => {
                self.stored.insert(*stream, partitions);
            }
            StageOutput::Shuffle(_) => {
                self.shuffled.insert(stage, partitions);
            }
        }
    }

    fn store(&mut self, stream: StreamRef, partition: usize, rows: Vec<RecordBatch>) {
        let partitions = self.stored.entry(stream).or_default();
        partitions.resize_with(partitions.len().max(partition + 1), Vec::new);
        partitions[partition].extend(rows);
    }

    /// Rejected rows go to who reads them, else they are counted.
    fn reject(&mut self, node: NodeId, partition: usize, rows: Vec<RecordBatch>, plan: &Plan) {
        if plan.rejected.contains(&node) {
            let port = Port::Rejected;
            return self.store(StreamRef { node, port }, partition, rows);
        }
        for chunk in rows.iter().filter(|chunk| chunk.num_rows() > 0) {
            let (count, first) = self.dropped.entry(node).or_default();
            if *count == 0
                && let Some(reasons) = chunk.columns().last()
                && let Some(reasons) = reasons.as_string_opt::<i32>()
            {
                reasons.value(0).clone_into(first);
            }
            *count += chunk.num_rows() as u64;
        }
    }

    /// What sinks get, and what it cost.
    pub(super) fn into_output(self, topology: &Topology, presence: &Presence) -> BatchOutput {
        let Self {
            mut stored,
            usage,
            dropped,
            mut output,
            ..
        } = self;
        for sink in &topology.sinks {
            if presence.of(sink.input) {
                let batch = || Batch {
                    schema: topology.schema(sink.input).clone(),
                    partitions: stored.remove(&sink.input).unwrap_or_default(),
                };
                output.streams.entry(sink.input).or_insert_with(batch);
            }
        }
        let name = |id: OperatorId| topology.operators[id.0].name.clone();
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
            .map(|(node, (count, reason))| (topology.node_name(node).clone(), count, reason))
            .collect();
        output
    }
}
