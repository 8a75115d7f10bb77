//! Which rows of two streams come together.

use std::num::NonZeroUsize;

/// A join of the operator's two inputs. The result has the key columns, then `left.*` and
/// `right.*`, the value columns of either; a side that may be absent has `left.present` or
/// `right.present` before its columns, and its columns are nullable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// What happens to rows without a partner.
    pub kind: JoinKind,
    /// Key columns of the first input.
    pub left_keys: Vec<usize>,
    /// Key columns of the second, of the same kinds in the same order.
    pub right_keys: Vec<usize>,
    /// Of the result.
    pub partitions: NonZeroUsize,
}

/// What a join does with a row that has no partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// It is dropped.
    Inner,
    /// A row of the first input is kept.
    LeftOuter,
    /// A row of the second input is kept.
    RightOuter,
    /// It is kept.
    FullOuter,
}

impl JoinKind {
    /// The verb, as topologies write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inner => "join",
            Self::LeftOuter => "left-outer-join",
            Self::RightOuter => "right-outer-join",
            Self::FullOuter => "full-outer-join",
        }
    }

    /// A row of the first input without a partner is kept: the right side may be absent.
    pub const fn keeps_left(self) -> bool {
        matches!(self, Self::LeftOuter | Self::FullOuter)
    }

    /// A row of the second input without a partner is kept: the left side may be absent.
    pub const fn keeps_right(self) -> bool {
        matches!(self, Self::RightOuter | Self::FullOuter)
    }
}
