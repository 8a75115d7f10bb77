//! Map-side combine: pairs go straight from a function into a table by key.

mod key;
mod sink;
mod table;

pub use key::CombineKey;
pub use sink::Combining;
pub(crate) use table::Table;

use crate::row::{Owned, Row};

/// A pair of a key and a value that a map-side combine can take.
#[diagnostic::on_unimplemented(
    message = "`combine` needs pairs, and `{Self}` is none",
    label = "not a pair whose key can be looked up and whose value can be kept",
    note = "emit (key, value): a key of scalars and tuples of them, a value without borrowed parts"
)]
pub trait Pair: Row {
    /// The key.
    type Key: CombineKey;
    /// The value.
    type Value: Owned;
}

impl<K: CombineKey, V: Owned> Pair for (K, V) {
    type Key = K;
    type Value = V;
}
