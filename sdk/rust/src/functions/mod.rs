//! From functions to exports: one trait per kind of function, which the attributes implement, and
//! the code that runs it over chunks.

mod aggregate;
mod entry;
mod filter;
mod flat_map;
mod foreach;
mod fused;
mod map;
mod map_with_state;
mod migrate;
mod partitions;
mod update_state;

pub use aggregate::{Aggregate, Key, NoKey, Reduce, aggregate, reduce};
pub use entry::{
    AggregateEntry, Entry, FilterEntry, ForeachEntry, MigrationEntry, Resolve, StatefulEntry,
    TransformEntry,
};
pub use filter::{Filter, filter};
pub use flat_map::{FlatMap, flat_map};
pub use foreach::{Foreach, foreach};
pub use fused::{Fused, StdSum, fused};
pub use map::{Map, map};
pub use map_with_state::{MapWithState, State, map_with_state};
pub use migrate::{Migrate, migrate};
pub use partitions::{Partitions, SideOf, feed_rows, map_partitions, transform};
pub use update_state::{UpdateState, update_state};

use crate::{
    Reject, Settings,
    abi::{
        columns::{Batch, Field},
        faults::Rejected,
        settings::Setting,
    },
    row::{Room, Row},
    settings,
};

/// What all functions have.
pub trait Function: 'static {
    /// As topologies call it.
    const NAME: &'static str;
    /// Its doc comment.
    const DOC: &'static str;
    /// `()` if it takes none.
    type Settings: Settings;
}

/// The functions that an attribute made.
pub trait Exported {
    /// Usually one; two with a map-side combine.
    const ENTRIES: &'static [Entry];
}

/// Checks the settings and tells the output columns.
fn resolve<F: Function>(given: Vec<Setting>, output: Vec<Field>) -> Result<Vec<Field>, String> {
    settings::parse::<F::Settings>(settings::pairs(given)).map(|_| output)
}

/// Room for about as many rows as come in, with about as much text.
fn room(input: &Batch) -> Room {
    let bytes = input.columns.iter().map(|column| column.data.len()).max();
    Room {
        rows: input.rows as usize,
        bytes: bytes.unwrap_or_default(),
    }
}

fn rejected(row: u32, reject: Reject) -> Rejected {
    Rejected {
        row,
        reason: reject.into_reason(),
    }
}

/// The columns of a type that stands alone: a state, or the values of a group.
fn values<T: Row>() -> Vec<Field> {
    let mut fields = Vec::new();
    T::fields("value", &mut fields);
    fields
}

#[cfg(test)]
mod tests;
