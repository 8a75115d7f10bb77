//! `migrate`: the state of an older version as today's.

use super::{Entry, MigrationEntry};
use crate::{
    abi::{columns::Batch, faults::Fault},
    emitter::{Collect, Sink as _},
    row::{Columns, Row, fault},
};

/// A function from an old state to today's.
pub trait Migrate: 'static {
    /// The stateful function whose state it is.
    const OF: &'static str;
    /// The version that the old state has.
    const SINCE: u32;
    /// The state as it was.
    type Old: Row;
    /// The state as it is.
    type State: Row;
    /// The function.
    fn apply(
        old: <Self::Old as Row>::Ref<'_>,
    ) -> Result<<Self::State as Row>::Ref<'_>, crate::Reject>;
}

/// The function as an entry of the plugin's table.
pub const fn migrate<F: Migrate>() -> Entry {
    Entry::Migration(MigrationEntry {
        of: F::OF,
        since: F::SINCE,
        migrate: migrate_states::<F>,
    })
}

fn migrate_states<F: Migrate>(input: Batch) -> Result<Batch, Fault> {
    let reader = F::Old::read(&mut Columns::of(&input))?;
    let mut out = Collect::<F::State>::whole(super::room(&input));
    for row in 0..input.rows {
        match F::apply(F::Old::get(&reader, row as usize)) {
            Ok(state) => out.put(state),
            Err(reject) => {
                return Err(Fault {
                    row: Some(row),
                    ..fault(reject.into_reason())
                });
            }
        }
    }
    Ok(out.close())
}
