//! State of an older version, made into today's.

use arrow_array::{Array, ArrayRef, RecordBatch};

use super::{Called, Instance};
use crate::{
    model::Schema,
    plugin::{abi::BatchOut, fault::PluginFault, lift, lower::Staged},
};

impl Instance {
    /// Calls `migration.migrate` with states as they were at version `since`; as many must come back,
    /// with the columns of `state`.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn migrate(
        &mut self,
        function: &str,
        since: u32,
        states: &[ArrayRef],
        state: &Schema,
    ) -> Result<RecordBatch, PluginFault> {
        let index = self.plugin.exports().migrate;
        let rows = states.first().map_or(0, Array::len);
        let staged = Staged::of(rows, states.iter())?;
        let columns = staged.lower();
        let out: BatchOut = self
            .call(
                index,
                (function, since, staged.batch(&columns)),
                Called::answer,
            )
            .map_err(|fault| fault.within(rows))?;
        self.checked(|| {
            let states = lift::batch(out, state)?;
            if states.num_rows() == rows {
                Ok(states)
            } else {
                Err(PluginFault::BadOutput(format!(
                    "{} states came back for {rows}",
                    states.num_rows()
                )))
            }
        })
    }
}
