//! Incoming columns, taken one after another.

use super::bits::bit;
use crate::abi::{
    columns::{Batch, Column, Kind},
    faults::Fault,
};

/// The columns that are not read yet.
#[derive(Clone)]
pub struct Columns<'a> {
    rest: std::slice::Iter<'a, Column>,
    listed: bool,
    nullable: bool,
}

impl<'a> Columns<'a> {
    /// All columns of a batch.
    pub fn of(batch: &'a Batch) -> Self {
        Self {
            rest: batch.columns.iter(),
            listed: false,
            nullable: false,
        }
    }

    /// The next column, which must be of `kind`.
    pub(super) fn take(&mut self, kind: Kind) -> Result<&'a Column, Fault> {
        let column = self
            .rest
            .next()
            .ok_or_else(|| fault(format!("a {} column is missing", name(kind))))?;
        if column.kind != kind {
            return Err(fault(format!(
                "a column is {}, the function takes {}",
                name(column.kind),
                name(kind)
            )));
        }
        match (column.lists.is_some(), self.listed) {
            (true, false) => Err(fault(format!(
                "a {} column is a list in the stream, but not in the function",
                name(kind)
            ))),
            (false, true) => Err(fault(format!(
                "a {} column is not a list in the stream, but is one in the function",
                name(kind)
            ))),
            _ if !self.nullable && has_null(column) => Err(fault(format!(
                "a {} column holds nulls: the function must take an Option",
                name(kind)
            ))),
            _ => Ok(column),
        }
    }

    /// The next column, without taking it.
    pub(super) fn peek(&self) -> Option<&'a Column> {
        self.rest.as_slice().first()
    }

    /// Reads a column that may hold nulls.
    pub(super) fn nullable<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.nullable = true;
        let reader = read(self);
        self.nullable = false;
        reader
    }

    /// Reads columns of lists.
    pub(super) fn listed<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.listed = true;
        let reader = read(self);
        self.listed = false;
        reader
    }
}

fn has_null(column: &Column) -> bool {
    let items = match column.kind {
        Kind::Boolean => return column.validity.is_some(),
        Kind::Utf8 | Kind::Binary => (column.offsets.len() / 4).saturating_sub(1),
        Kind::Int64 | Kind::Float64 | Kind::Timestamp => column.data.len() / 8,
    };
    let is_null = |bits: &Vec<u8>| (0..items).any(|at| !bit(bits, at));
    column.validity.as_ref().is_some_and(is_null)
}

pub(crate) fn fault(message: String) -> Fault {
    Fault {
        message,
        row: None,
        detail: String::new(),
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int64 => "int64",
        Kind::Float64 => "float64",
        Kind::Utf8 => "utf8",
        Kind::Binary => "binary",
        Kind::Timestamp => "timestamp",
    }
}
