//! What happens to rows.

use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
};

use super::{
    Join, KeyedState, MapWithState, OnError, PaneStorage, PluginId, ReferenceId, StreamRef,
    UpdateState, Window, WindowReduce,
};
use crate::model::{NodeName, Schema, Text};

/// An operator, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Operator {
    /// Its name: state, logs and errors go by it.
    pub name: NodeName,
    /// What it reads: one; two for joins, `cogroup` and `transform-with`; several for `union`.
    pub inputs: Vec<StreamRef>,
    /// How many batch intervals lie between two of its batches: its slide. It has a batch at zero
    /// time + n x interval only if n is a multiple of it (spec 2.2).
    pub every: NonZeroU64,
    /// What it does.
    pub verb: Verb,
    /// Where the batches in its window wait, if it is one of rows.
    pub panes: PaneStorage,
    /// Columns of what comes out.
    pub output: Schema,
    /// Columns of `x.rejected`: those of the input, and `reason: utf8`.
    pub rejected: Schema,
    /// Columns of `x.snapshots`, key then state: only `map-with-state` has it.
    pub snapshots: Option<Schema>,
    /// Text for the function.
    pub settings: BTreeMap<String, Text>,
    /// What a fault of its function means.
    pub on_error: OnError,
    /// Its name in the version before: it goes on with what that remembered.
    pub renamed_from: Option<String>,
}

/// A function of a plugin, as an operator calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Whose function it is.
    pub plugin: PluginId,
    /// Its name in the plugin.
    pub function: String,
    /// Which columns of the input to pass, in order. Names that lie under `key` or `value` are
    /// not passed on; only places and types count.
    pub input: Vec<usize>,
    /// What the function wants whole before its first chunk, in the order in which it declares it.
    pub sides: Vec<Side>,
}

/// Rows that a function is fed before its first chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Where they come from.
    pub from: SideFrom,
    /// Which columns of them to pass, in order.
    pub input: Vec<usize>,
}

/// Where the rows of a side come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SideFrom {
    /// The batch of the operator's second input at the same time.
    SecondInput,
    /// A data set from a file.
    Reference(ReferenceId),
}

/// A `map-partitions` function that does a `flat-map` or `map` and combines by key in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FusedCall {
    /// The name of the fused function, in the plugin of the first.
    pub function: String,
    /// What the next operator must reduce with for the fused function to stand for both.
    pub combine: Reducer,
}

/// How the rows of a key become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reducer {
    /// In the host.
    Std(StdFunction),
    /// By a plugin. `associative` functions are applied in parts, before a shuffle and after.
    Plugin {
        /// The function; its `input` are the value columns.
        call: Call,
        /// Columns of the key to pass; none: no keys.
        keys: Option<Vec<usize>>,
        /// May be applied in parts.
        associative: bool,
    },
}

/// What the host can reduce with. Over one value column, but `first` and `last` over any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdFunction {
    /// Sum of integers (an overflow fails the batch) or floats; nulls count as nothing.
    Sum,
    /// The least; nulls only if there is nothing else.
    Min,
    /// The greatest; nulls only if there is nothing else.
    Max,
    /// How many rows; an int64.
    Count,
    /// The row that came first.
    First,
    /// The row that came last.
    Last,
}

impl StdFunction {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sum,
        Self::Min,
        Self::Max,
        Self::Count,
        Self::First,
        Self::Last,
    ];

    /// As a topology writes it, after `std:`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// Its index.
    pub column: usize,
    /// Greatest first. Nulls come last in either direction.
    pub descending: bool,
}

/// What an operator does. Names and results are Spark's (spec 5.2); columns are indexes into the
/// input's schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// One row for each row.
    Map {
        /// The function.
        call: Call,
        /// Functions that stand for this one and a reduce-by-key that follows.
        fused: Vec<FusedCall>,
    },
    /// Any number of rows for each row.
    FlatMap {
        /// The function.
        call: Call,
        /// Functions that stand for this one and a reduce-by-key that follows.
        fused: Vec<FusedCall>,
    },
    /// Rows for which the function says yes.
    Filter(Call),
    /// A function over each partition, also an empty one.
    MapPartitions(Call),
    /// One value for each value, the key staying: key columns, then what the function makes.
    MapValues {
        /// The function; its `input` are value columns.
        call: Call,
        /// Key columns of the input, which come first in the output.
        keys: Vec<usize>,
    },
    /// Any number of values for each value, each with the key of what it was made of.
    FlatMapValues {
        /// The function; its `input` are value columns.
        call: Call,
        /// Key columns of the input, which come first in the output.
        keys: Vec<usize>,
    },
    /// One row for each partition: each column as the list of its values.
    Glom,
    /// A function over the whole batch, with its other input or a reference data set if it has
    /// sides; also `transform-with`.
    Transform {
        /// The function.
        call: Call,
        /// None: all rows are brought into one partition.
        partitions: Option<NonZeroUsize>,
    },
    /// One row for the whole batch; none for an empty batch.
    Reduce(Reducer),
    /// One row for each key.
    ReduceByKey {
        /// What makes one of several.
        reducer: Reducer,
        /// Key columns; the others are the values.
        keys: Vec<usize>,
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// One row for each key: the key columns, then each other column as the list of its values.
    GroupByKey {
        /// Key columns; the others are the values.
        keys: Vec<usize>,
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// One combiner for each key: `create` makes one of the values of a partition, `merge` one of
    /// several.
    CombineByKey {
        /// Values to a combiner.
        create: Reducer,
        /// Combiners to one; its `input` counts from the first key column of the result.
        merge: Reducer,
        /// Key columns; the others are the values.
        keys: Vec<usize>,
        /// Of the result.
        partitions: NonZeroUsize,
        /// `create` runs before the shuffle, too; if not, only after it.
        map_side: bool,
    },
    /// Rows of two streams with equal keys, of the same batch.
    Join(Join),
    /// For each key of either stream, its values left and right, as lists: the key columns, then
    /// `left.*` and `right.*`.
    Cogroup {
        /// Key columns of the first input.
        left_keys: Vec<usize>,
        /// Key columns of the second.
        right_keys: Vec<usize>,
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// A new state for every key, in every batch.
    UpdateStateByKey(UpdateState),
    /// A state for every key, and rows out for rows in.
    MapWithState(MapWithState),
    /// All rows of the batches in the window, in time order.
    Window(Window),
    /// One row for the window; none for one without rows.
    ReduceByWindow {
        /// Which batches.
        window: Window,
        /// How.
        reduce: WindowReduce,
    },
    /// One row for each key in the window.
    ReduceByKeyAndWindow {
        /// Which batches.
        window: Window,
        /// How.
        reduce: WindowReduce,
        /// Key columns; the others are the values.
        keys: Vec<usize>,
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// How many rows are in the window; nothing before the first row ever (spec 7.6).
    CountByWindow(Window),
    /// Each distinct row of the window as `key`, and how many of it.
    CountByValueAndWindow {
        /// Which batches.
        window: Window,
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// As `GroupByKey`, of all batches in the window.
    GroupByKeyAndWindow {
        /// Which batches.
        window: Window,
        /// Key columns; the others are the values.
        keys: Vec<usize>,
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// How many rows: `value: int64`; 0 for an empty batch.
    Count,
    /// Each distinct row as `key`, and how many of it.
    CountByValue {
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// All rows of all inputs: partitions of the first, then of the next.
    Union,
    /// The same rows in so many partitions.
    Repartition {
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// Each row once, the first of equals staying.
    Distinct {
        /// Of the result.
        partitions: NonZeroUsize,
    },
    /// All rows of the batch in one order, in one partition. Ties are broken by the columns not
    /// named, in their order, so the order is total.
    Sort {
        /// First by the first.
        by: Vec<SortKey>,
    },
    /// The first `n` rows in that order.
    Top {
        /// How many.
        n: NonZeroUsize,
        /// First by the first.
        by: Vec<SortKey>,
    },
    /// The first `n` rows of the batch as it stands.
    Limit {
        /// How many.
        n: NonZeroUsize,
    },
}

impl Verb {
    /// Its functions see rows, or the rows of a key, by themselves: some may come a second time with
    /// those of another batch.
    pub const fn takes_rows_again(&self) -> bool {
        matches!(
            self,
            Self::Map { .. }
                | Self::FlatMap { .. }
                | Self::MapValues { .. }
                | Self::FlatMapValues { .. }
                | Self::Filter(_)
                | Self::ReduceByKey { .. }
                | Self::CombineByKey { .. }
                | Self::UpdateStateByKey(_)
                | Self::MapWithState(_)
        )
    }

    /// Something of its own goes on from batch to batch, changed by each: the state of keys, or a
    /// window that is reduced.
    pub const fn remembers(&self) -> bool {
        self.keyed_state().is_some() || self.reduces_window()
    }

    /// Folds what was reduced of each batch into a window.
    pub const fn reduces_window(&self) -> bool {
        matches!(
            self,
            Self::ReduceByWindow { .. }
                | Self::ReduceByKeyAndWindow { .. }
                | Self::CountByWindow(_)
                | Self::CountByValueAndWindow { .. }
        )
    }

    /// How many columns of the `output` of a window that is reduced are its key; they come first.
    pub fn window_keys(&self, output: &Schema) -> usize {
        match self {
            Self::ReduceByKeyAndWindow { keys, .. } => keys.len(),
            Self::CountByValueAndWindow { .. } => output.fields().len().saturating_sub(1),
            _ => 0,
        }
    }

    /// The window it is over, if it is over one.
    pub const fn window(&self) -> Option<&Window> {
        match self {
            Self::Window(window)
            | Self::CountByWindow(window)
            | Self::ReduceByWindow { window, .. }
            | Self::ReduceByKeyAndWindow { window, .. }
            | Self::CountByValueAndWindow { window, .. }
            | Self::GroupByKeyAndWindow { window, .. } => Some(window),
            _ => None,
        }
    }

    /// Takes out of a window what leaves it, rather than reducing what stays.
    pub const fn has_inverse(&self) -> bool {
        match self {
            Self::CountByWindow(_) | Self::CountByValueAndWindow { .. } => true,
            Self::ReduceByWindow { reduce, .. } | Self::ReduceByKeyAndWindow { reduce, .. } => {
                reduce.inverse.is_some()
            }
            _ => false,
        }
    }

    /// The function that it calls with chunks of rows, if it does.
    pub const fn call(&self) -> Option<&Call> {
        match self {
            Self::Map { call, .. }
            | Self::FlatMap { call, .. }
            | Self::MapPartitions(call)
            | Self::MapValues { call, .. }
            | Self::FlatMapValues { call, .. }
            | Self::Transform { call, .. } => Some(call),
            _ => None,
        }
    }

    /// What it remembers of each key, if it does.
    pub const fn keyed_state(&self) -> Option<&KeyedState> {
        match self {
            Self::UpdateStateByKey(update) => Some(&update.keyed),
            Self::MapWithState(map) => Some(&map.keyed),
            _ => None,
        }
    }

    /// As topologies write it; `transform-with` is a `transform` with a second input.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Map { .. } => "map",
            Self::FlatMap { .. } => "flat-map",
            Self::Filter(_) => "filter",
            Self::MapPartitions(_) => "map-partitions",
            Self::MapValues { .. } => "map-values",
            Self::FlatMapValues { .. } => "flat-map-values",
            Self::Glom => "glom",
            Self::Transform { .. } => "transform",
            Self::Reduce(_) => "reduce",
            Self::ReduceByKey { .. } => "reduce-by-key",
            Self::GroupByKey { .. } => "group-by-key",
            Self::CombineByKey { .. } => "combine-by-key",
            Self::Join(join) => join.kind.name(),
            Self::Cogroup { .. } => "cogroup",
            Self::UpdateStateByKey(_) => "update-state-by-key",
            Self::MapWithState(_) => "map-with-state",
            Self::Window(_) => "window",
            Self::ReduceByWindow { .. } => "reduce-by-window",
            Self::ReduceByKeyAndWindow { .. } => "reduce-by-key-and-window",
            Self::CountByWindow(_) => "count-by-window",
            Self::CountByValueAndWindow { .. } => "count-by-value-and-window",
            Self::GroupByKeyAndWindow { .. } => "group-by-key-and-window",
            Self::Count => "count",
            Self::CountByValue { .. } => "count-by-value",
            Self::Union => "union",
            Self::Repartition { .. } => "repartition",
            Self::Distinct { .. } => "distinct",
            Self::Sort { .. } => "sort",
            Self::Top { .. } => "top",
            Self::Limit { .. } => "limit",
        }
    }
}
