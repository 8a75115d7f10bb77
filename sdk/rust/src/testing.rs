//! For a plugin's unit tests, which run natively: a function is called as what it is.
//!
//! An [`Emitter::new`] collects what a function puts out, [`State::new`](crate::State::new) is what
//! is remembered of a key, and [`settings`] reads settings as the host would.

use crate::{
    Emitter, Settings,
    emitter::Collect,
    row::{Columns, Room, Row},
    settings::parse,
};

impl<T: Row> Emitter<T> {
    /// An emitter that collects rows.
    #[expect(
        clippy::new_without_default,
        reason = "for tests; functions are given theirs"
    )]
    pub fn new() -> Self {
        Self::into(Collect::whole(Room::default()))
    }

    /// The rows that were put out.
    ///
    /// # Panics
    /// When the columns they went through do not read back, which would be a fault of this crate.
    pub fn rows(&mut self) -> Vec<T::Ref<'_>> {
        let mut rows = Vec::new();
        for batch in self.sink.batches() {
            match T::read(&mut Columns::of(batch)) {
                Ok(reader) => rows.extend((0..batch.rows as usize).map(|at| T::get(&reader, at))),
                Err(fault) => panic!("{}", fault.message),
            }
        }
        rows
    }
}

/// Settings read from text, as a topology gives them.
///
/// # Errors
/// What the host would say: one is missing, has a wrong value, or is not known.
pub fn settings<S: Settings>(given: &[(&str, &str)]) -> Result<S, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parse(given.iter().map(owned).collect())
}
