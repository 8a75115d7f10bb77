//! A function of a plugin as a sink (spec 13.3).

use std::sync::Arc;

use super::{Sink, SinkError, SinkProblem};
use crate::{
    model::{Batch, BatchTime, NodeName, Partition, Text, pieces},
    plugin::{InstanceLimits, Plugin, PluginFault, Task, Unhurried},
};

/// Calls a function with the rows of each partition, in an instance of its own. What the function
/// does is done when it returns: a batch that is made again is given to it again.
pub struct ForeachSink {
    name: NodeName,
    spec: ForeachSpec,
}

/// Which function, and what it may use.
pub struct ForeachSpec {
    /// Whose function it is.
    pub plugin: Plugin,
    /// Its name.
    pub function: String,
    /// The columns that it gets.
    pub picked: Vec<usize>,
    /// What one instance may use.
    pub limits: InstanceLimits,
    /// The topology's name.
    pub topology: Arc<str>,
    /// Text for the function.
    pub settings: Arc<[(String, Text)]>,
}

impl ForeachSink {
    /// A sink of this name.
    pub fn new(name: &NodeName, spec: ForeachSpec) -> Self {
        Self {
            name: name.clone(),
            spec,
        }
    }

    /// Gives a partition to a fresh instance; answers with how many rows it rejected, and why the
    /// first.
    fn partition(
        &self,
        time: BatchTime,
        number: usize,
        chunks: &Partition,
    ) -> Result<Option<(usize, String)>, PluginFault> {
        let ForeachSpec {
            plugin,
            function,
            picked,
            limits,
            topology,
            settings,
        } = &self.spec;
        let task = Task {
            topology: topology.clone(),
            operator: self.name.as_str().into(),
            batch_time: time,
            partition: u32::try_from(number).unwrap_or(u32::MAX),
            settings: settings.clone(),
        };
        let mut instance = plugin.instantiate(task, limits, Arc::new(Unhurried))?;
        let mut rejected: Option<(usize, String)> = None;
        for chunk in chunks {
            for piece in pieces(chunk) {
                let rows = instance.accept(function, &piece, picked)?;
                if let Some(first) = rows.first() {
                    let so_far = rejected.get_or_insert_with(|| (0, first.reason.clone()));
                    so_far.0 += rows.len();
                }
            }
        }
        instance.finish_foreach(function)?;
        Ok(rejected)
    }
}

impl Sink for ForeachSink {
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError> {
        for (number, chunks) in batch.partitions.iter().enumerate() {
            let given = self.partition(time, number, chunks);
            let rejected = given.map_err(|fault| {
                let problem = SinkProblem::Plugin {
                    plugin: self.spec.plugin.info().name.clone(),
                    function: self.spec.function.clone(),
                    partition: number,
                    fault: Box::new(fault),
                };
                SinkError::new(&self.name, time, problem)
            })?;
            if let Some((rows, reason)) = rejected {
                tracing::warn!(
                    "batch {time}, sink {}, partition {number}: {rows} rows rejected, the first: {reason}",
                    self.name
                );
            }
        }
        Ok(())
    }
}
