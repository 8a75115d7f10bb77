//! `filter`: rows for which a function of a plugin says yes.

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;

use super::{Emitted, Sandbox, Step, StepError, reject::rejected_rows};
use crate::{
    model::{Schema, pieces},
    plugin::Usage,
};

/// Calls a `filter` function for each chunk. Columns are the host's; the function only says which
/// rows stay.
pub struct Filter {
    sandbox: Sandbox,
    picked: Vec<usize>,
    rejected: Schema,
}

impl Filter {
    /// A filter that shows the function the columns at `picked`.
    pub fn new(sandbox: Sandbox, picked: Vec<usize>, rejected: Schema) -> Self {
        Self {
            sandbox,
            picked,
            rejected,
        }
    }
}

impl Step for Filter {
    fn push(&mut self, chunk: RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        for piece in pieces(&chunk) {
            let picked = &self.picked;
            let selected = self
                .sandbox
                .call(|instance, function| instance.select(function, &piece, picked))?;
            out.rejected
                .extend(rejected_rows(&piece, &selected.rejected, &self.rejected)?);
            let kept = selected.keep.count_set_bits();
            if kept == piece.num_rows() && kept > 0 {
                out.rows.push(piece);
            } else if kept > 0 {
                let keep = BooleanArray::new(selected.keep, None);
                out.rows.push(filter_record_batch(&piece, &keep)?);
            }
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Emitted) -> Result<(), StepError> {
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.sandbox.usage()
    }
}
