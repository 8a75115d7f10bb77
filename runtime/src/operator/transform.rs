//! `map`, `flat-map`, `map-partitions`: a function of a plugin over chunks.

use arrow_array::RecordBatch;

use super::{Emitted, Sandbox, Step, StepError, pieces::pieces, reject::rejected_rows};
use crate::{model::Schema, plugin::Usage};

/// All calls of a task together may put out so many times what one may: a function cannot fill the
/// host's memory piece by piece.
pub const TASK_OUTPUTS: usize = 16;

/// Calls a `transform` function for each chunk, and at the end if it may keep rows back.
pub struct Transform {
    sandbox: Sandbox,
    picked: Vec<usize>,
    output: Schema,
    rejected: Schema,
    rows: Rows,
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
            output,
            rejected,
            rows,
            put_out: 0,
        }
    }

    fn call(&mut self, chunk: &RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        let (picked, output) = (&self.picked, &self.output);
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
        self.put_out(made.rows, out)
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

impl Step for Transform {
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
