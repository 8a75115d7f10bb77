//! `flat-map`: any number of rows for each row.

use super::{Entry, Function, TransformEntry, rejected, resolve, room};
use crate::{
    Emitter, Reject,
    abi::{
        columns::Batch,
        exports::transform::{self, Outcome, Verb},
        faults::Fault,
    },
    emitter::Collect,
    row::{Columns, Room, Row},
    session,
};

/// A function for `flat-map`.
pub trait FlatMap: Function {
    /// What it takes.
    type Input: Row;
    /// What it puts out.
    type Output: Row;
    /// The function.
    fn apply(
        settings: &Self::Settings,
        row: <Self::Input as Row>::Ref<'_>,
        out: &mut Emitter<Self::Output>,
    ) -> Result<(), Reject>;
}

/// The function as an entry of the plugin's table.
pub const fn flat_map<F: FlatMap>() -> Entry {
    Entry::Transform(TransformEntry {
        name: F::NAME,
        describe: describe::<F>,
        feed: no_sides,
        process: process::<F>,
        finish: nothing_left,
        resolve: |given| resolve::<F>(given, F::Output::schema()),
    })
}

fn describe<F: FlatMap>() -> transform::Function {
    transform::Function {
        name: F::NAME.into(),
        verb: Verb::FlatMap,
        input: Some(F::Input::schema()),
        sides: Vec::new(),
        output: F::Output::schema(),
        fusion: None,
        doc: F::DOC.into(),
    }
}

/// How much the last chunk put out: the best guess for the next one.
#[derive(Default)]
struct Last(Room);

fn process<F: FlatMap>(input: Batch) -> Result<Outcome, Fault> {
    session::settings::<F, _, _>(|settings| {
        session::keep::<F, Last, _>(
            || Ok(Last::default()),
            |last| {
                let guess = room(&input);
                let guess = Room {
                    rows: guess.rows.max(last.0.rows),
                    bytes: guess.bytes.max(last.0.bytes),
                };
                let outcome = run::<F>(settings, &input, guess)?;
                let made = room(&outcome.rows);
                last.0 = Room {
                    rows: made.rows + made.rows / 8,
                    bytes: made.bytes + made.bytes / 8,
                };
                Ok(outcome)
            },
        )
    })
}

fn run<F: FlatMap>(settings: &F::Settings, input: &Batch, guess: Room) -> Result<Outcome, Fault> {
    let reader = F::Input::read(&mut Columns::of(input))?;
    let mut out = Emitter::into(Collect::<F::Output>::whole(guess));
    let mut origins: Vec<[u8; 4]> = Vec::with_capacity(guess.rows);
    let mut bad = Vec::new();
    for row in 0..input.rows {
        match F::apply(settings, F::Input::get(&reader, row as usize), &mut out) {
            Ok(()) => origins.resize(out.sink.rows() as usize, row.to_le_bytes()),
            Err(reject) => {
                out.sink.truncate(rows(&origins));
                bad.push(rejected(row, reject));
            }
        }
    }
    Ok(Outcome {
        rows: out.sink.close(),
        origins: Some(origins.into_flattened()),
        rejected: bad,
    })
}

/// How many rows have an origin: all but those of the row at hand.
fn rows(origins: &[[u8; 4]]) -> u32 {
    u32::try_from(origins.len()).unwrap_or(u32::MAX)
}

/// For functions without sides, which the host feeds nothing.
pub(super) fn no_sides(_: u32, _: Batch) -> Result<(), Fault> {
    Err(crate::row::fault("the function has no sides".into()))
}

/// For functions that keep nothing back.
#[expect(clippy::unnecessary_wraps, reason = "an entry of the table")]
pub(super) fn nothing_left() -> Result<Option<Batch>, Fault> {
    Ok(None)
}
