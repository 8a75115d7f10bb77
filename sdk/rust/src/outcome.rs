//! What functions may return.

use crate::{Reject, row::Row};

/// What a `map` or `filter` function returns: a value, or `Result` of one to reject rows.
#[diagnostic::on_unimplemented(
    message = "a function cannot return `{Self}` to rsrt",
    label = "neither a row nor a `Result` of one",
    note = "return a row (i64, &str, a tuple, a #[derive(Record)] struct, ...), or Result<row, Reject> to reject rows"
)]
pub trait Returned {
    /// Without the `Result`.
    type Value;
    /// The value, or why there is none.
    fn outcome(self) -> Result<Self::Value, Reject>;
}

impl<T: Row> Returned for T {
    type Value = T;
    #[inline]
    fn outcome(self) -> Result<T, Reject> {
        Ok(self)
    }
}

impl<T: Row, E: Into<Reject>> Returned for Result<T, E> {
    type Value = T;
    #[inline]
    fn outcome(self) -> Result<T, Reject> {
        self.map_err(Into::into)
    }
}

/// What a function that puts rows out returns: nothing, or `Result` of nothing to reject rows.
#[diagnostic::on_unimplemented(
    message = "a function that puts rows out, or takes them, cannot return `{Self}`",
    label = "neither nothing nor `Result<(), Reject>`",
    note = "return nothing, or Result<(), Reject> to reject rows; rows go out through the Emitter"
)]
pub trait Done {
    /// Rows may be rejected.
    const FALLIBLE: bool;
    /// Nothing, or why the row is rejected.
    fn done(self) -> Result<(), Reject>;
}

impl Done for () {
    const FALLIBLE: bool = false;
    #[inline]
    fn done(self) -> Result<(), Reject> {
        Ok(())
    }
}

impl<E: Into<Reject>> Done for Result<(), E> {
    const FALLIBLE: bool = true;
    #[inline]
    fn done(self) -> Result<(), Reject> {
        self.map_err(Into::into)
    }
}
