//! Incoming columns, taken one after another.

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
        if column.lists.is_some() != self.listed {
            return Err(fault(format!(
                "a {} column is {}a list in the stream, but not so in the function",
                name(kind),
                if self.listed { "not " } else { "" }
            )));
        }
        if !self.nullable && column.validity.is_some() {
            return Err(fault(format!(
                "a {} column may hold nulls; the function must take an Option",
                name(kind)
            )));
        }
        Ok(column)
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
