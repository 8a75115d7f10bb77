//! How Rust types lie in columns.
//!
//! A [`Row`] type knows its columns, reads a row out of incoming ones without copying, and appends
//! a row to outgoing ones. Scalars are one column; tuples and records are their parts', in order.

mod bits;
mod list;
mod option;
mod reader;
mod scalar;
mod text;
mod tuple;

pub use bits::Bits;
pub use reader::Columns;
pub use scalar::Timestamp;
pub(crate) use {bits::bit, reader::fault, text::offset};

use crate::abi::{
    columns::{Column, Field, Kind},
    faults::Fault,
};

/// A type whose values are rows of columns.
///
/// Implemented for `bool`, `i64`, `f64`, `&str`, `String`, `&[u8]`, `Vec<u8>`, [`Timestamp`],
/// `Option` of these, `Vec` of anything here but a list, tuples of up to six, and structs with
/// `#[derive(Record)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no columns, so rsrt cannot pass it",
    label = "not a type of rows",
    note = "rows are made of bool, i64, f64, &str, String, &[u8], Vec<u8>, Timestamp, Option and Vec of these, tuples of up to six, and structs with #[derive(Record)]"
)]
pub trait Row: Sized {
    /// The value while it is looked at: borrowed from the columns it lies in.
    type Ref<'a>;
    /// Incoming columns.
    type Reader<'a>;
    /// Outgoing columns.
    type Builder;
    /// Has a column whose rows are lists; such a type cannot be listed again.
    const LISTED: bool;

    /// Adds the columns of this type when it stands at `name` in a row. No name: the row itself is
    /// this record.
    fn fields(name: &str, out: &mut Vec<Field>);

    /// The columns of a stream of this type.
    fn schema() -> Vec<Field> {
        let mut fields = Vec::new();
        Self::fields("value", &mut fields);
        fields
    }

    /// Takes this type's columns off the front.
    ///
    /// # Errors
    /// When they are not of its kinds.
    fn read<'a>(columns: &mut Columns<'a>) -> Result<Self::Reader<'a>, Fault>;

    /// The item at `at`.
    fn get<'a>(reader: &Self::Reader<'a>, at: usize) -> Self::Ref<'a>;

    /// Empty columns with room.
    fn build(room: Room) -> Self::Builder;

    /// Appends a row.
    fn push(builder: &mut Self::Builder, row: Self::Ref<'_>);

    /// Appends a row that stands for none, such as a null.
    fn push_blank(builder: &mut Self::Builder);

    /// Drops all rows from `rows` on.
    fn truncate(builder: &mut Self::Builder, rows: usize);

    /// The finished columns.
    fn close(builder: Self::Builder, out: &mut Vec<Column>);
}

/// A row type of one column that may hold nulls.
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` has no column: only a scalar can be null",
    note = "scalars are bool, i64, f64, &str, String, &[u8], Vec<u8> and Timestamp"
)]
pub trait Scalar: Row {}

/// A row type that owns what it holds, so that it can be kept.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept: it is not a row, or borrows from one",
    note = "use String for text, Vec<u8> for bytes, and structs without lifetimes"
)]
pub trait Owned: for<'a> Row<Ref<'a> = Self> + Clone + 'static {}

impl<T> Owned for T where T: for<'a> Row<Ref<'a> = T> + Clone + 'static {}

/// No columns at all: what a function that puts nothing out puts out.
#[derive(Debug)]
pub enum NoRows {}

impl Row for NoRows {
    type Ref<'a> = NoRows;
    type Reader<'a> = ();
    type Builder = ();
    const LISTED: bool = false;

    fn fields(_: &str, _: &mut Vec<Field>) {}
    fn read(_: &mut Columns<'_>) -> Result<(), Fault> {
        Ok(())
    }
    fn get<'a>((): &Self::Reader<'a>, at: usize) -> Self::Ref<'a> {
        panic!("row {at} of no rows")
    }
    fn build(_: Room) {}
    fn push((): &mut (), row: NoRows) {
        match row {}
    }
    fn push_blank((): &mut ()) {}
    fn truncate((): &mut (), _: usize) {}
    fn close((): (), _: &mut Vec<Column>) {}
}

/// How much to make room for; a guess.
#[derive(Debug, Clone, Copy, Default)]
pub struct Room {
    /// Rows.
    pub rows: usize,
    /// Bytes in each text or bytes column.
    pub bytes: usize,
}

/// A column field without nulls and lists.
pub(crate) fn plain_field(name: &str, kind: Kind) -> Field {
    Field {
        name: name.to_owned(),
        kind,
        nullable: false,
        listed: false,
    }
}

/// `name.part`, or `part` if there is no name.
#[must_use]
pub fn join(name: &str, part: &str) -> String {
    if name.is_empty() {
        part.to_owned()
    } else {
        format!("{name}.{part}")
    }
}

#[cfg(test)]
mod tests;
