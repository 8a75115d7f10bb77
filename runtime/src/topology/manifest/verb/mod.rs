//! The verb of an operator.

mod function;
mod read;

pub(crate) use function::{FunctionOwner, FunctionRef};
pub(super) use {function::read_function, read::read};

use std::num::NonZeroUsize;

use super::spanned::Spanned;
use crate::topology::JoinKind;

/// `"count desc"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortEntry {
    pub(crate) column: Spanned<String>,
    pub(crate) descending: bool,
}

/// What an operator is to do, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VerbEntry {
    Map(FunctionRef),
    FlatMap(FunctionRef),
    Filter(FunctionRef),
    MapPartitions(FunctionRef),
    MapValues(FunctionRef),
    FlatMapValues(FunctionRef),
    Glom,
    Transform(FunctionRef),
    TransformWith(FunctionRef),
    Reduce(FunctionRef),
    ReduceByKey(FunctionRef),
    GroupByKey,
    CombineByKey(FunctionRef),
    Join(JoinKind),
    Cogroup,
    UpdateStateByKey(FunctionRef),
    MapWithState(FunctionRef),
    Window,
    ReduceByWindow(FunctionRef),
    ReduceByKeyAndWindow(FunctionRef),
    CountByWindow,
    CountByValueAndWindow,
    GroupByKeyAndWindow,
    Count,
    CountByValue,
    Union,
    Repartition(NonZeroUsize),
    Distinct,
    Sort(Vec<SortEntry>),
    Top(NonZeroUsize, Vec<SortEntry>),
    Limit(NonZeroUsize),
}

impl VerbEntry {
    pub(crate) fn function(&self) -> Option<&FunctionRef> {
        match self {
            Self::Map(function)
            | Self::FlatMap(function)
            | Self::Filter(function)
            | Self::MapPartitions(function)
            | Self::MapValues(function)
            | Self::FlatMapValues(function)
            | Self::Transform(function)
            | Self::TransformWith(function)
            | Self::Reduce(function)
            | Self::ReduceByKey(function)
            | Self::CombineByKey(function)
            | Self::UpdateStateByKey(function)
            | Self::MapWithState(function)
            | Self::ReduceByWindow(function)
            | Self::ReduceByKeyAndWindow(function) => Some(function),
            _ => None,
        }
    }

    /// As topologies write it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Map(_) => "map",
            Self::FlatMap(_) => "flat-map",
            Self::Filter(_) => "filter",
            Self::MapPartitions(_) => "map-partitions",
            Self::MapValues(_) => "map-values",
            Self::FlatMapValues(_) => "flat-map-values",
            Self::Glom => "glom",
            Self::Transform(_) => "transform",
            Self::TransformWith(_) => "transform-with",
            Self::Reduce(_) => "reduce",
            Self::ReduceByKey(_) => "reduce-by-key",
            Self::GroupByKey => "group-by-key",
            Self::CombineByKey(_) => "combine-by-key",
            Self::Join(kind) => kind.name(),
            Self::Cogroup => "cogroup",
            Self::UpdateStateByKey(_) => "update-state-by-key",
            Self::MapWithState(_) => "map-with-state",
            Self::Window => "window",
            Self::ReduceByWindow(_) => "reduce-by-window",
            Self::ReduceByKeyAndWindow(_) => "reduce-by-key-and-window",
            Self::CountByWindow => "count-by-window",
            Self::CountByValueAndWindow => "count-by-value-and-window",
            Self::GroupByKeyAndWindow => "group-by-key-and-window",
            Self::Count => "count",
            Self::CountByValue => "count-by-value",
            Self::Union => "union",
            Self::Repartition(_) => "repartition",
            Self::Distinct => "distinct",
            Self::Sort(_) => "sort",
            Self::Top(..) => "top",
            Self::Limit(_) => "limit",
        }
    }

    /// Has a `key`.
    pub(super) fn has_key(&self) -> bool {
        matches!(
            self,
            Self::MapValues(_)
                | Self::FlatMapValues(_)
                | Self::ReduceByKey(_)
                | Self::GroupByKey
                | Self::CombineByKey(_)
                | Self::Join(_)
                | Self::Cogroup
                | Self::ReduceByKeyAndWindow(_)
                | Self::GroupByKeyAndWindow
        ) || self.has_state()
    }

    /// Has `partitions`.
    pub(super) fn has_partitions(&self) -> bool {
        let keeps_partitions = matches!(self, Self::MapValues(_) | Self::FlatMapValues(_));
        (self.has_key() && !keeps_partitions)
            || matches!(
                self,
                Self::Transform(_)
                    | Self::TransformWith(_)
                    | Self::CountByValue
                    | Self::CountByValueAndWindow
                    | Self::Distinct
            )
    }

    /// Reads two streams, always.
    pub(crate) fn has_two_inputs(&self) -> bool {
        matches!(self, Self::Join(_) | Self::Cogroup | Self::TransformWith(_))
    }

    /// Its function may want data sets from files.
    pub(super) fn has_references(&self) -> bool {
        matches!(
            self,
            Self::Map(_)
                | Self::FlatMap(_)
                | Self::MapPartitions(_)
                | Self::Transform(_)
                | Self::TransformWith(_)
        )
    }

    /// Remembers something of each key.
    pub(crate) fn has_state(&self) -> bool {
        matches!(self, Self::UpdateStateByKey(_) | Self::MapWithState(_))
    }

    /// Is over a window.
    pub(crate) fn has_window(&self) -> bool {
        matches!(
            self,
            Self::Window
                | Self::ReduceByWindow(_)
                | Self::ReduceByKeyAndWindow(_)
                | Self::CountByWindow
                | Self::CountByValueAndWindow
                | Self::GroupByKeyAndWindow
        )
    }

    /// Keeps the rows of the batches in its window.
    pub(crate) fn keeps_rows(&self) -> bool {
        matches!(self, Self::Window | Self::GroupByKeyAndWindow)
    }

    /// Reduces a window, and may have an inverse.
    pub(super) fn has_inverse(&self) -> bool {
        matches!(
            self,
            Self::ReduceByWindow(_) | Self::ReduceByKeyAndWindow(_)
        )
    }
}
