//! Data sets from files: reference data and initial state.

use super::Decoder;
use crate::{
    confine::Place,
    model::{NodeName, Schema},
};

/// A data set, by its place in [`Topology::references`](super::Topology::references).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceId(pub usize);

/// A data set in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Who wants it.
    pub operator: NodeName,
    /// What it is to it, for errors: `reference blocked`, or `initial`.
    pub role: String,
    /// Already joined to the topology's directory.
    pub path: Place,
    /// How its lines become rows.
    pub decoder: Decoder,
    /// Its columns.
    pub schema: Schema,
    /// Read again when the file changes; an initial state is not.
    pub follows_changes: bool,
}
