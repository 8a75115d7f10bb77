//! `map`: one row for each row.

use super::{Entry, Function, TransformEntry, rejected, resolve, room};
use crate::{
    Reject,
    abi::{
        columns::Batch,
        exports::transform::{self, Outcome, Verb},
        faults::Fault,
    },
    emitter::{Collect, Sink as _},
    row::{Columns, Row},
    session,
};

/// A function for `map`.
pub trait Map: Function {
    /// What it takes.
    type Input: Row;
    /// What it returns.
    type Output: Row;
    /// The function.
    fn apply<'a>(
        settings: &'a Self::Settings,
        row: <Self::Input as Row>::Ref<'a>,
    ) -> Result<<Self::Output as Row>::Ref<'a>, Reject>;
}

/// The function as an entry of the plugin's table.
pub const fn map<F: Map>() -> Entry {
    Entry::Transform(TransformEntry {
        name: F::NAME,
        describe: describe::<F>,
        feed: super::flat_map::no_sides,
        process: process::<F>,
        finish: super::flat_map::nothing_left,
        resolve: |given| resolve::<F>(given, F::Output::schema()),
    })
}

fn describe<F: Map>() -> transform::Function {
    transform::Function {
        name: F::NAME.into(),
        verb: Verb::Map,
        input: Some(F::Input::schema()),
        sides: Vec::new(),
        output: F::Output::schema(),
        fusion: None,
        doc: F::DOC.into(),
    }
}

fn process<F: Map>(input: Batch) -> Result<Outcome, Fault> {
    session::settings::<F, _, _>(|settings| {
        let reader = F::Input::read(&mut Columns::of(&input))?;
        let mut out = Collect::<F::Output>::whole(room(&input));
        let mut bad = Vec::new();
        for row in 0..input.rows {
            match F::apply(settings, F::Input::get(&reader, row as usize)) {
                Ok(mapped) => out.put(mapped),
                Err(reject) => bad.push(rejected(row, reject)),
            }
        }
        Ok(Outcome {
            rows: out.close(),
            origins: None,
            rejected: bad,
        })
    })
}
