//! Which batches a window holds, and how they become one.

use std::num::{NonZeroU64, NonZeroUsize};

use super::{Call, Reducer};
use crate::{confine::Place, model::PersistLevel};

/// A window over the batches of a stream. At batch n (zero time + n x interval) it holds those with
/// a number in (n - length, n] (spec 7.2); the operator's `every` is its slide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// In batch intervals; a multiple of `of`.
    pub length: NonZeroU64,
    /// The slide of the stream it is over, in batch intervals.
    pub of: NonZeroU64,
}

/// Where the batches in a window of rows wait (spec 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneStorage {
    /// In memory, on disk, or both.
    pub persist: PersistLevel,
    /// Bytes in memory, about, with `memory-and-disk`; the rest lies on disk.
    pub memory: NonZeroUsize,
    /// Where spill files lie; none: where the system has temporary files.
    pub spill_directory: Option<Place>,
}

impl Default for PaneStorage {
    fn default() -> Self {
        Self {
            persist: PersistLevel::Memory,
            memory: NonZeroUsize::MIN.saturating_add((256 << 20) - 1),
            spill_directory: None,
        }
    }
}

/// How the rows of a window become one for each key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowReduce {
    /// Associative, always.
    pub reducer: Reducer,
    /// Takes out what leaves the window, so that what stays need not be reduced again (spec 7.5).
    pub inverse: Option<Inverse>,
    /// Which of the results to keep, over key and value; only with an inverse.
    pub filter: Option<Call>,
}

/// Takes values out of a reduced one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inverse {
    /// Subtraction, for `std:sum` and `std:count`.
    Subtract,
    /// By a plugin; its groups have two rows: the value so far, and what leaves.
    Plugin {
        /// The function; its `input` are the value columns of the reduced rows, counted from the
        /// first key column.
        call: Call,
        /// Columns of the key to pass; none: no keys.
        keys: Option<Vec<usize>>,
    },
}
