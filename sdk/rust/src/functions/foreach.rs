//! `foreach`: rows out of the topology.

use super::{Entry, ForeachEntry, Function, rejected, resolve};
use crate::{
    Reject,
    abi::{
        columns::Batch,
        exports::foreach as exported,
        faults::{Fault, Rejected},
    },
    row::{Columns, Row},
    session,
};

/// A sink function: `Self` names it, `Kept` is what it keeps between rows.
pub trait Foreach: Function {
    /// What it takes.
    type Input: Row;
    /// What it keeps while a partition lasts.
    type Kept: 'static;
    /// Makes what it keeps.
    fn start(settings: &Self::Settings) -> Self::Kept;
    /// Takes a row.
    fn accept(
        kept: &mut Self::Kept,
        settings: &Self::Settings,
        row: <Self::Input as Row>::Ref<'_>,
    ) -> Result<(), Reject>;
    /// After the last row of a partition. A reason fails the task.
    fn finish(kept: &mut Self::Kept, settings: &Self::Settings) -> Result<(), Reject>;
}

/// The function as an entry of the plugin's table.
pub const fn foreach<F: Foreach>() -> Entry {
    Entry::Foreach(ForeachEntry {
        name: F::NAME,
        describe: || exported::Function {
            name: F::NAME.into(),
            input: Some(F::Input::schema()),
            doc: F::DOC.into(),
        },
        accept: accept::<F>,
        finish: || {
            with::<F, _>(|kept, settings| {
                F::finish(kept, settings)
                    .map_err(|reject| crate::row::fault(reject.reason().to_owned()))
            })
        },
        resolve: |given| resolve::<F>(given, Vec::new()),
    })
}

fn with<F: Foreach, R>(
    call: impl FnOnce(&mut F::Kept, &F::Settings) -> Result<R, Fault>,
) -> Result<R, Fault> {
    session::settings::<F, _, _>(|settings| {
        session::keep::<F, F::Kept, _>(|| Ok(F::start(settings)), |kept| call(kept, settings))
    })
}

fn accept<F: Foreach>(input: Batch) -> Result<Vec<Rejected>, Fault> {
    with::<F, _>(|kept, settings| {
        let reader = F::Input::read(&mut Columns::of(&input))?;
        let mut bad = Vec::new();
        for row in 0..input.rows {
            if let Err(reject) = F::accept(kept, settings, F::Input::get(&reader, row as usize)) {
                bad.push(rejected(row, reject));
            }
        }
        Ok(bad)
    })
}
