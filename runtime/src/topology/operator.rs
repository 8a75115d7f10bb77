//! What happens to rows.

use std::{collections::BTreeMap, num::NonZeroUsize};

use super::{PluginId, StreamRef};
use crate::model::{NodeName, Schema};

/// An operator, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Operator {
    /// Its name: state, logs and errors go by it.
    pub name: NodeName,
    /// What it reads; one, or several for `union`.
    pub inputs: Vec<StreamRef>,
    /// What it does.
    pub verb: Verb,
    /// Columns of what comes out.
    pub output: Schema,
    /// Columns of `x.rejected`: those of the input, and `reason: utf8`.
    pub rejected: Schema,
    /// Text for the function.
    pub settings: BTreeMap<String, String>,
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
