//! The compiled topology.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use super::{NodeId, Operator, Port, Reference, Sink, Source, StreamRef};
use crate::model::{BatchInterval, Grant, Location, NodeName, PluginName, Schema, TopologyName};

/// A flow that can run: names resolved, types checked, no cycle.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Its name.
    pub name: TopologyName,
    /// How often a batch closes.
    pub batch_interval: BatchInterval,
    /// Partitions after a shuffle, and of a `file` or `generator` source.
    pub parallelism: NonZeroUsize,
    /// What a failed batch means for those after it.
    pub on_failed_batch: OnFailedBatch,
    /// Where state is to be written; none: nowhere.
    pub checkpoint: Option<Checkpoint>,
    /// What functions may use.
    pub limits: Limits,
    /// Plugins that operators call, in order of first mention.
    pub plugins: Vec<Plugin>,
    /// In order of definition.
    pub sources: Vec<Source>,
    /// Each after those it reads from; otherwise in order of definition.
    pub operators: Vec<Operator>,
    /// Data sets that operators want from files.
    pub references: Vec<Reference>,
    /// In order of definition, which is the order in which they run (spec 4.1).
    pub sinks: Vec<Sink>,
}

impl Topology {
    /// The columns of a stream of this topology.
    pub fn schema(&self, stream: StreamRef) -> &Schema {
        match (stream.node, stream.port) {
            (NodeId::Source(id), Port::Main | Port::Snapshots) => &self.sources[id.0].schema,
            (NodeId::Source(id), Port::Rejected) => &self.sources[id.0].rejected,
            (NodeId::Operator(id), Port::Main) => &self.operators[id.0].output,
            (NodeId::Operator(id), Port::Rejected) => &self.operators[id.0].rejected,
            // A port that the operator has, or the topology would not have been compiled.
            (NodeId::Operator(id), Port::Snapshots) => {
                let operator = &self.operators[id.0];
                operator.snapshots.as_ref().unwrap_or(&operator.output)
            }
        }
    }

    /// The name of a source or operator.
    pub fn node_name(&self, node: NodeId) -> &NodeName {
        match node {
            NodeId::Source(id) => &self.sources[id.0].name,
            NodeId::Operator(id) => &self.operators[id.0].name,
        }
    }
}

/// A plugin that operators call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// As the topology calls it; none is the default, the one on the command line.
    pub alias: Option<PluginName>,
    /// Where its file is, if the topology says so; already joined to the topology's directory.
    pub path: Option<PathBuf>,
    /// What it is given besides its input; directories as written.
    pub grants: Vec<Grant>,
}

/// Where and when state is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// As written.
    pub location: Location,
    /// How often.
    pub interval: Duration,
    /// What becomes of the batches that were missed while nobody ran it.
    pub catch_up: CatchUp,
    /// It reaches back so far that the last so many batches can be made again.
    pub retain_batches: u64,
}

/// What becomes of the batches that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// Each is made, one after the other (spec 2.4).
    #[default]
    Every,
    /// One is made for all of them: the last in which all slides and checkpoint intervals fall
    /// together. The others never are.
    One,
}

/// What a failed batch means for those after it (spec 1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailedBatch {
    /// The run stops with an error.
    Stop,
    /// It is reported and the next batch runs; the run ends with an error.
    Continue,
}

/// What one instance (operator, partition, batch) may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory.
    pub memory: usize,
    /// CPU time of all its calls together.
    pub cpu_time: Duration,
    /// Bytes that one call may return.
    pub output: usize,
    /// Instructions, about, of all its calls together; a deterministic limit that costs some 10 %.
    pub fuel: Option<u64>,
    /// Log lines; more are dropped and counted.
    pub log_lines: u32,
    /// Rows, keys or partitions of one operator that may be left out of a batch.
    pub faults: usize,
    /// Bytes of dead letters in the checkpoint.
    pub dead_letters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            cpu_time: Duration::from_secs(30),
            output: 64 << 20,
            fuel: None,
            log_lines: 100,
            faults: 100,
            dead_letters: 64 << 20,
        }
    }
}
