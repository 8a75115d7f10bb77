//! What operators leave out of a batch, on its way into the checkpoint.

use super::batches::Batches;
use crate::{
    checkpoint::{BatchLetters, DeadLetter, SourceFact},
    crash_points::around,
    format::{IpcError, rows_to_ipc},
    model::BatchTime,
    scheduler::{BatchError, BatchOutput, LeftOut},
    topology::OnError,
};

impl Batches {
    /// Makes the dead letters of a batch durable, before any sink is given the batch.
    pub(super) fn keep_letters(
        &self,
        time: BatchTime,
        output: &BatchOutput,
        sources: &[SourceFact],
    ) -> Result<(), BatchError> {
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(());
        };
        let failed = |why: String| BatchError::NotDurable {
            time,
            what: "keep its dead letters",
            why,
        };
        let letters = output.left_out.iter();
        let letters = letters.filter(|left| left.on_error == OnError::DeadLetter);
        let letters = letters.map(|left| self.letter(left));
        let letters: Result<Vec<_>, _> = letters.collect();
        let letters = letters.map_err(|error| failed(error.to_string()))?;
        let ranges = sources.iter().filter(|_| !letters.is_empty());
        let letters = BatchLetters {
            time: time.as_millis(),
            sources: ranges
                .map(|taken| (taken.source.clone(), taken.range.clone()))
                .collect(),
            letters,
        };
        let limit = self.topology.limits.dead_letters as u64;
        let keep = || checkpoint.keep_letters(&letters, limit);
        let kept = match letters.letters.is_empty() {
            true => keep(),
            false => around("letters-before", "letters-after", keep),
        };
        kept.map_err(|error| failed(error.to_string()))
    }

    fn letter(&self, left: &LeftOut) -> Result<DeadLetter, IpcError> {
        let operators = self.topology.operators.iter();
        let mut operators = operators.filter(|operator| operator.name == left.operator);
        let input = operators
            .next()
            .and_then(|operator| operator.inputs.first());
        let fields = input.map_or(&[][..], |input| self.topology.schema(*input).fields());
        let rows = &left.letter.rows;
        let fields = fields.iter().filter(|_| fields.len() == rows.num_columns());
        Ok(DeadLetter {
            operator: left.operator.to_string(),
            function: left.letter.function.clone(),
            reason: left.letter.reason.clone(),
            backtrace: left.letter.backtrace.clone(),
            partition: left.partition as u64,
            columns: fields
                .map(|field| (field.name.clone(), field.type_text()))
                .collect(),
            rows: rows_to_ipc(rows)?,
        })
    }
}
