//! A function of the embedding program as a sink: what `foreachRDD` is in Spark (spec 13.3).

use super::{Sink, SinkError, SinkProblem};
use crate::model::{Batch, BatchTime, NodeName};

/// Calls a function for each batch, once, on the thread that runs the batch.
pub struct FunctionSink<F> {
    name: NodeName,
    function: F,
}

impl<F> FunctionSink<F>
where
    F: FnMut(BatchTime, &Batch) -> Result<(), String> + Send,
{
    /// A sink of this name; what the function returns as an error fails the batch.
    pub fn new(name: &NodeName, function: F) -> Self {
        Self {
            name: name.clone(),
            function,
        }
    }
}

impl<F> Sink for FunctionSink<F>
where
    F: FnMut(BatchTime, &Batch) -> Result<(), String> + Send,
{
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError> {
        (self.function)(time, batch)
            .map_err(|why| SinkError::new(&self.name, time, SinkProblem::Function(why)))
    }
}
