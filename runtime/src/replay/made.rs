//! What came of a batch that was made once more, and what it cost.

use std::{sync::Arc, time::Duration};

use super::{
    looked_at::{LookedAt, nodes},
    maker::Maker,
};
use crate::{
    model::{Batch, NodeName, Schema},
    scheduler::{BatchError, BatchOutput, LeftOutRows},
};

/// A batch as a program makes it.
#[derive(Debug, Clone)]
pub struct Made {
    /// Why it fails; none: it succeeds.
    pub error: Option<Arc<BatchError>>,
    /// What was looked at, in the topology's order; of a batch that fails no rows.
    pub streams: Vec<MadeStream>,
    /// Records read from sources, the rejected among them.
    pub records: u64,
    /// Bytes read from sources.
    pub bytes: u64,
    /// Rejected rows that nothing reads, by who rejected them, with the first reason.
    pub dropped: Vec<(NodeName, u64, String)>,
    /// What operators left out because their functions fail on it.
    pub left_out: Vec<LeftOutRows>,
    /// From its beginning to its end.
    pub elapsed: Duration,
    /// CPU time of its tasks.
    pub cpu: Duration,
    /// By source and operator, in the topology's order.
    pub costs: Vec<Cost>,
}

/// A stream that was looked at.
#[derive(Debug, Clone)]
pub struct MadeStream {
    /// Of a sink the sink's name, else the stream's.
    pub name: String,
    /// Its columns.
    pub schema: Schema,
    /// Its rows; none: it has no batch at this time.
    pub batch: Option<Batch>,
}

/// What a source or an operator took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Its name.
    pub name: String,
    /// Records that came in.
    pub records_in: u64,
    /// Records that came out.
    pub records_out: u64,
    /// CPU time, in the sandbox and around it.
    pub cpu: Duration,
    /// CPU time in the sandbox.
    pub sandbox: Duration,
    /// The most memory of one instance, in bytes.
    pub memory_peak: usize,
}

impl Made {
    pub(super) fn new(
        maker: &Maker<'_>,
        looked_at: &[LookedAt],
        made: Result<BatchOutput, BatchError>,
        elapsed: Duration,
    ) -> Self {
        let (mut output, error) = match made {
            Ok(output) => (output, None),
            Err(error) => (BatchOutput::default(), Some(Arc::new(error))),
        };
        let topology = maker.topology();
        let streams = looked_at.iter().map(|seen| MadeStream {
            name: seen.name.clone(),
            schema: topology.schema(seen.stream).clone(),
            batch: output.streams.get(&seen.stream).cloned(),
        });
        let streams = streams.collect();
        output.streams.clear();
        Self {
            error,
            streams,
            records: output.records,
            bytes: output.bytes,
            dropped: std::mem::take(&mut output.dropped),
            left_out: LeftOutRows::count(&output.left_out),
            elapsed,
            cpu: output.cpu,
            costs: costs(maker, &output),
        }
    }
}

fn costs(maker: &Maker<'_>, output: &BatchOutput) -> Vec<Cost> {
    let nodes = nodes(maker.topology(), maker.plan()).into_iter();
    let costs = nodes.map(|name| {
        let spent = maker.account().node(&name).spent();
        let mut used = output.operators.iter();
        let used = used.find(|used| used.operator.as_str() == name);
        Cost {
            records_in: spent.records_in,
            records_out: spent.records_out,
            cpu: spent.cpu,
            sandbox: used.map_or(Duration::ZERO, |used| used.sandbox),
            memory_peak: spent.memory_peak,
            name,
        }
    });
    costs.collect()
}
