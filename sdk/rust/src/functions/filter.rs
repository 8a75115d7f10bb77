//! `filter`: keep a row or not.

use super::{Entry, FilterEntry, Function, rejected, resolve};
use crate::{
    Reject,
    abi::{
        columns::Batch,
        exports::filter::{self as exported, Selection},
        faults::Fault,
    },
    row::{Bits, Columns, Row},
    session,
};

/// A function for `filter`.
pub trait Filter: Function {
    /// What it looks at.
    type Input: Row;
    /// The function.
    fn keeps(settings: &Self::Settings, row: <Self::Input as Row>::Ref<'_>)
    -> Result<bool, Reject>;
}

/// The function as an entry of the plugin's table.
pub const fn filter<F: Filter>() -> Entry {
    Entry::Filter(FilterEntry {
        name: F::NAME,
        describe: || exported::Function {
            name: F::NAME.into(),
            input: Some(F::Input::schema()),
            doc: F::DOC.into(),
        },
        select: select::<F>,
        resolve: |given| resolve::<F>(given, Vec::new()),
    })
}

fn select<F: Filter>(input: Batch) -> Result<Selection, Fault> {
    session::settings::<F, _, _>(|settings| {
        let reader = F::Input::read(&mut Columns::of(&input))?;
        let mut keep = Bits::with_room(input.rows as usize);
        let mut bad = Vec::new();
        for row in 0..input.rows {
            match F::keeps(settings, F::Input::get(&reader, row as usize)) {
                Ok(keeps) => keep.push(keeps),
                Err(reject) => {
                    keep.push(false);
                    bad.push(rejected(row, reject));
                }
            }
        }
        Ok(Selection {
            keep: keep.into_bytes(),
            rejected: bad,
        })
    })
}
