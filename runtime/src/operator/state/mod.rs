//! What operators remember from batch to batch, partition by partition.

/// What one partition of an operator remembers. A step takes it in, and gives it back when the
/// partition is done; if the task fails it is gone with it.
#[derive(Debug)]
pub enum PartitionState {}
