//! `map`, `flat-map`, `map-partitions`, `transform`, `map-values`, `flat-map-values`: a function of a
//! plugin over chunks.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::take::take;

use super::{Emitted, Sandbox, Step, StepError, reject::rejected_rows};
use crate::{
    model::{Schema, pieces},
    plugin::{RejectedRow, Transformed, Usage},
    topology::Side,
};

/// All calls of a task together may put out so many times what one may: a function cannot fill the
/// host's memory piece by piece.
pub const TASK_OUTPUTS: usize = 16;

/// Calls a `transform` function for each chunk, and at the end if it may keep rows back.
pub struct Transform {
    sandbox: Sandbox,
    picked: Vec<usize>,
    output: Schema,
    /// What the function itself makes of it.
    made: Schema,
    rejected: Schema,
    rows: Rows,
    /// Key columns that pass by the function and come first in what is put out.
    keys: Vec<usize>,
    /// Which columns of each side the function wants.
    sides: Vec<Vec<usize>>,
    /// Bytes put out so far.
    put_out: usize,
}

/// What comes out for what goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    OneToOne,
    Any,
    AnyAndAtTheEnd,
}

impl Transform {
    /// One row for each row: `map`.
    pub fn map(sandbox: Sandbox, picked: Vec<usize>, output: Schema, rejected: Schema) -> Self {
        Self::new(sandbox, picked, output, rejected, Rows::OneToOne)
    }

    /// Any number of rows for each chunk: `flat-map`.
    pub fn flat_map(
        sandbox: Sandbox,
        picked: Vec<usize>,
        output: Schema,
        rejected: Schema,
    ) -> Self {
        Self::new(sandbox, picked, output, rejected, Rows::Any)
    }

    /// Any number of rows, also at the end: `map-partitions`.
    pub fn map_partitions(
        sandbox: Sandbox,
        picked: Vec<usize>,
        output: Schema,
        rejected: Schema,
    ) -> Self {
        Self::new(sandbox, picked, output, rejected, Rows::AnyAndAtTheEnd)
    }

    fn new(
        sandbox: Sandbox,
        picked: Vec<usize>,
        output: Schema,
        rejected: Schema,
        rows: Rows,
    ) -> Self {
        Self {
            sandbox,
            picked,
            made: output.clone(),
            output,
            rejected,
            rows,
            keys: Vec::new(),
            sides: Vec::new(),
            put_out: 0,
        }
    }

    /// The same, over values: these key columns of the input come first in the output, each as it
    /// was with the row that the function's row came from.
    #[must_use]
    pub fn keeping(self, keys: Vec<usize>) -> Self {
        let made = self.output.fields()[keys.len()..].to_vec();
        Self {
            // Without its first columns a schema is one, and a function makes at least one column.
            made: Schema::new(made).unwrap_or(self.made),
            keys,
            ..self
        }
    }

    /// The same, of a function that is fed rows before its first chunk.
    #[must_use]
    pub fn with_sides(self, sides: &[Side]) -> Self {
        Self {
            sides: sides.iter().map(|side| side.input.clone()).collect(),
            ..self
        }
    }

    fn call(&mut self, chunk: &RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        let (picked, output) = (&self.picked, &self.made);
        let made = self
            .sandbox
            .call(|instance, function| instance.process(function, chunk, picked, output))?;
        let wanted = chunk.num_rows() - made.rejected.len();
        if self.rows == Rows::OneToOne && made.rows.num_rows() != wanted {
            return Err(StepError::NotOneToOne {
                plugin: self.sandbox.plugin().to_owned(),
                function: self.sandbox.function().to_owned(),
                given: chunk.num_rows(),
                wanted,
                got: made.rows.num_rows(),
            });
        }
        out.rejected
            .extend(rejected_rows(chunk, &made.rejected, &self.rejected)?);
        let rows = match self.keys.is_empty() {
            true => made.rows,
            false => self.with_keys(chunk, &made)?,
        };
        self.put_out(rows, out)
    }

    /// The function's rows behind their keys.
    fn with_keys(&self, chunk: &RecordBatch, made: &Transformed) -> Result<RecordBatch, StepError> {
        let origins: UInt32Array = match &made.origins {
            // What a map made of row r is row r's, whatever the function says of it.
            _ if self.rows == Rows::OneToOne => kept(chunk.num_rows(), &made.rejected),
            Some(origins) => origins.iter().copied().collect(),
            None => {
                return Err(StepError::NoOrigins {
                    plugin: self.sandbox.plugin().to_owned(),
                    function: self.sandbox.function().to_owned(),
                });
            }
        };
        let keys = self
            .keys
            .iter()
            .map(|&at| take(chunk.column(at), &origins, None));
        let mut columns = keys.collect::<Result<Vec<_>, _>>()?;
        columns.extend_from_slice(made.rows.columns());
        Ok(RecordBatch::try_new(self.output.to_arrow(), columns)?)
    }

    fn put_out(&mut self, rows: RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        let limit = self.sandbox.limits().output.saturating_mul(TASK_OUTPUTS);
        self.put_out = self.put_out.saturating_add(rows.get_array_memory_size());
        if self.put_out > limit {
            return Err(StepError::TaskOutput {
                plugin: self.sandbox.plugin().to_owned(),
                function: self.sandbox.function().to_owned(),
                limit,
            });
        }
        if rows.num_rows() > 0 {
            out.rows.push(rows);
        }
        Ok(())
    }
}

/// The rows that were not rejected.
fn kept(rows: usize, rejected: &[RejectedRow]) -> UInt32Array {
    let mut rejected = rejected.iter().map(|rejected| rejected.row).peekable();
    let rows = (0..rows).filter_map(|row| u32::try_from(row).ok());
    rows.filter(|row| rejected.next_if_eq(row).is_none())
        .collect()
}

impl Step for Transform {
    fn feed(&mut self, side: usize, chunk: RecordBatch) -> Result<(), StepError> {
        let (Some(picked), Ok(number)) = (self.sides.get(side), u32::try_from(side)) else {
            let rows = chunk.num_rows();
            return Err(StepError::NoSide { side, rows });
        };
        for piece in pieces(&chunk).filter(|piece| piece.num_rows() > 0) {
            self.sandbox
                .call(|instance, function| instance.feed(function, number, &piece, picked))?;
        }
        Ok(())
    }

    fn push(&mut self, chunk: RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        for piece in pieces(&chunk) {
            self.call(&piece, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        if self.rows != Rows::AnyAndAtTheEnd {
            return Ok(());
        }
        let output = self.output.clone();
        while let Some(piece) = self
            .sandbox
            .call(|instance, function| instance.finish(function, &output))?
        {
            self.put_out(piece, out)?;
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.sandbox.usage()
    }
}
