//! `glom`: each partition one row, a list of what it has (spec 5.2).

use arrow_array::RecordBatch;

use super::{Emitted, Step, StepError, lists::Lists};
use crate::model::Schema;

/// Gathers the rows of a partition into one; of an empty partition into an empty list.
pub struct Glom {
    lists: Lists,
    output: Schema,
}

impl Glom {
    /// `output` has the columns of the input, each as a list.
    pub fn new(output: Schema) -> Self {
        Self {
            lists: Lists::default(),
            output,
        }
    }
}

impl Step for Glom {
    fn push(&mut self, chunk: RecordBatch, _: &mut Emitted) -> Result<(), StepError> {
        let groups = vec![0; chunk.num_rows()];
        self.lists.push(&groups, chunk.columns().to_vec());
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        let schema = self.output.to_arrow();
        let types: Vec<_> = schema
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let columns = self.lists.finish(1, &types)?;
        out.rows.push(RecordBatch::try_new(schema, columns)?);
        Ok(())
    }
}
