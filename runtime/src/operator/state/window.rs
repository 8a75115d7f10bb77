//! Windows that are reduced: the panes of their batches folded into one row for each key (spec 7).

use std::num::NonZeroU64;

use arrow_array::{BooleanArray, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_select::filter::filter_record_batch;

use super::{
    PartitionState, WindowStates,
    invert::{left_over, subtract},
    window_states::Pane,
};
use crate::{
    model::{Schema, pieces},
    operator::{
        Aggregate, AggregateSpec, Emitted, Phase, Reduction, Sandbox, Step, StepError,
        group::Grouper,
    },
    plugin::Usage,
    topology::Window,
};

/// A window, and what makes one row of several.
pub struct WindowSpec {
    /// Which batches.
    pub window: Window,
    /// The slide, in batch intervals.
    pub every: NonZeroU64,
    /// Of the batch.
    pub number: u64,
    /// The window has a batch at this time, and puts it out.
    pub emits: bool,
    /// How many key columns; they come first.
    pub keys: usize,
    /// Columns of panes and of what is put out.
    pub output: Schema,
    /// Makes one of several; a fresh one each time.
    pub fold: Box<dyn Fn() -> Reduction + Send>,
    /// Takes out what leaves the window, rather than reducing what stays (spec 7.5).
    pub inverse: Option<Inverting>,
    /// Which of the results stay; only with an inverse.
    pub kept: Kept,
}

/// Takes values out again.
pub enum Inverting {
    /// Subtraction of one column of numbers.
    Subtract,
    /// By a plugin.
    Plugin {
        /// The function.
        sandbox: Box<Sandbox>,
        /// Its value columns, of those of a pane.
        values: Vec<usize>,
        /// The key columns that it asked for.
        keys: Vec<usize>,
        /// Value columns of what comes out.
        output: Schema,
    },
}

/// Which results stay in a window.
pub enum Kept {
    /// All.
    All,
    /// Counts that are not zero (spec 7.6).
    NotZero,
    /// Those for which a function says yes.
    Filter {
        /// The function.
        sandbox: Box<Sandbox>,
        /// The columns it looks at.
        picked: Vec<usize>,
    },
}

/// Takes one pane, and puts out the window.
pub struct WindowStep {
    spec: WindowSpec,
    states: WindowStates,
    pane: Vec<RecordBatch>,
    usage: Usage,
}

impl WindowStep {
    /// A step that goes on from what the partition remembers.
    pub fn new(spec: WindowSpec, states: WindowStates) -> Self {
        Self {
            spec,
            states,
            pane: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// One row for each key of all these, keys in the order in which they come.
    fn fold(
        spec: &WindowSpec,
        usage: &mut Usage,
        rows: &[RecordBatch],
    ) -> Result<Option<RecordBatch>, StepError> {
        if let [] | [_] = rows {
            return Ok(rows.first().cloned());
        }
        let columns = spec.output.fields().len();
        let aggregate = AggregateSpec {
            keys: (0..spec.keys).collect(),
            values: (spec.keys..columns).collect(),
            reduction: Some((spec.fold)()),
            counts_nothing: false,
            output: spec.output.clone(),
        };
        let mut aggregate = Aggregate::new(aggregate, Phase::Final);
        let mut out = Emitted::default();
        for rows in rows {
            aggregate.push(rows.clone(), &mut out)?;
        }
        aggregate.finish(&mut out)?;
        add(usage, aggregate.usage());
        concat(&spec.output, &out.rows)
    }

    fn direct(&mut self, pane: Option<RecordBatch>) -> Result<Option<RecordBatch>, StepError> {
        let Self {
            spec,
            states,
            usage,
            ..
        } = self;
        let of = spec.window.of.get();
        let (number, length) = (spec.number / of, spec.window.length.get() / of);
        let mut fold = |rows: &[RecordBatch]| Self::fold(spec, usage, rows);
        states.add_to_block((number, length), pane, &mut fold)?;
        match spec.emits {
            true => fold(&states.window(number, length)),
            false => Ok(None),
        }
    }

    fn inverse(&mut self, pane: Option<RecordBatch>) -> Result<Option<RecordBatch>, StepError> {
        let (number, length) = (self.spec.number, self.spec.window.length.get());
        if let Some(rows) = pane {
            self.states.panes.push_back(Pane { number, rows });
        }
        if !self.spec.emits {
            return Ok(None);
        }
        // A slide ago, or longer if batches were left out.
        let before = std::mem::replace(&mut self.states.at, number);
        let gone = number.saturating_sub(length);
        let leaving = self
            .states
            .between(before.saturating_sub(length), gone.min(before));
        let entering = self.states.between(before.max(gone), number);
        let leaving = Self::fold(&self.spec, &mut self.usage, &leaving)?;
        let entering = Self::fold(&self.spec, &mut self.usage, &entering)?;
        let stayed = match (self.states.previous.take(), leaving) {
            (previous, None) => previous,
            (previous, Some(leaving)) => {
                self.take_out(previous.as_ref(), &leaving, entering.as_ref())?
            }
        };
        let all: Vec<_> = stayed.into_iter().chain(entering).collect();
        let result = Self::fold(&self.spec, &mut self.usage, &all)?;
        let result = result.map(|rows| self.keep(rows)).transpose()?;
        self.states.previous.clone_from(&result);
        self.states.panes.retain(|pane| pane.number > gone);
        Ok(result)
    }

    /// The previous window less what leaves it.
    fn take_out(
        &mut self,
        previous: Option<&RecordBatch>,
        leaving: &RecordBatch,
        entering: Option<&RecordBatch>,
    ) -> Result<Option<RecordBatch>, StepError> {
        let keys = |rows: &RecordBatch| rows.columns()[..self.spec.keys].to_vec();
        let mut known = Grouper::default();
        if let Some(previous) = previous {
            known.assign(&keys(previous), previous.num_rows(), &mut Vec::new())?;
        }
        let mut fresh = Grouper::default();
        if let Some(entering) = entering {
            fresh.assign(&keys(entering), entering.num_rows(), &mut Vec::new())?;
        }
        let in_previous = known.find(&keys(leaving), leaving.num_rows())?;
        let in_entering = fresh.find(&keys(leaving), leaving.num_rows())?;
        let mut partner = vec![None; known.len()];
        for (row, (old, new)) in in_previous.into_iter().zip(in_entering).enumerate() {
            match (old, new) {
                (Some(old), _) => partner[old as usize] = Some(row),
                (None, Some(_)) => {}
                // Spec 7.5: there is nothing to take it out of.
                (None, None) => return Err(StepError::NotInWindow),
            }
        }
        let Some(previous) = previous else {
            return Ok(None);
        };
        let values = match &mut self.spec.inverse {
            None | Some(Inverting::Subtract) => {
                let at = self.spec.keys;
                vec![subtract(previous.column(at), leaving.column(at), &partner)?]
            }
            Some(Inverting::Plugin {
                sandbox,
                values,
                keys,
                output,
            }) => {
                let inverse = (&mut **sandbox, &**values, &**keys, &*output);
                left_over(inverse, self.spec.keys, previous, leaving, &partner)?
            }
        };
        let columns = [&previous.columns()[..self.spec.keys], &values].concat();
        Ok(Some(RecordBatch::try_new(previous.schema(), columns)?))
    }

    /// The results that stay.
    fn keep(&mut self, rows: RecordBatch) -> Result<RecordBatch, StepError> {
        let mask: BooleanArray = match &mut self.spec.kept {
            Kept::All => return Ok(rows),
            Kept::NotZero => {
                let counts = rows.column(self.spec.keys).as_primitive::<Int64Type>();
                counts
                    .values()
                    .iter()
                    .map(|count| Some(*count != 0))
                    .collect()
            }
            Kept::Filter { sandbox, picked } => {
                let mut bits = Vec::with_capacity(rows.num_rows());
                for piece in pieces(&rows) {
                    let selected = sandbox
                        .call(|instance, function| instance.select(function, &piece, picked))?;
                    bits.extend(selected.keep.iter());
                }
                bits.into()
            }
        };
        Ok(filter_record_batch(&rows, &mask)?)
    }
}

fn concat(schema: &Schema, rows: &[RecordBatch]) -> Result<Option<RecordBatch>, StepError> {
    match rows {
        [] => Ok(None),
        rows => Ok(Some(arrow_select::concat::concat_batches(
            &schema.to_arrow(),
            rows,
        )?)),
    }
}

fn add(usage: &mut Usage, more: Usage) {
    usage.cpu += more.cpu;
    usage.memory_peak = usage.memory_peak.max(more.memory_peak);
}

impl Step for WindowStep {
    fn push(&mut self, chunk: RecordBatch, _: &mut Emitted) -> Result<(), StepError> {
        self.pane.push(chunk);
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        let pane = concat(&self.spec.output, &std::mem::take(&mut self.pane))?;
        let window = match self.spec.inverse {
            None => self.direct(pane)?,
            Some(_) => self.inverse(pane)?,
        };
        if let Some(window) = window.filter(|window| window.num_rows() > 0) {
            out.rows.extend(pieces(&window));
        }
        Ok(())
    }

    fn into_state(self: Box<Self>) -> Option<PartitionState> {
        Some(PartitionState::Window(self.states))
    }

    fn usage(&self) -> Usage {
        let mut usage = self.usage;
        if let Some(Inverting::Plugin { sandbox, .. }) = &self.spec.inverse {
            add(&mut usage, sandbox.usage());
        }
        if let Kept::Filter { sandbox, .. } = &self.spec.kept {
            add(&mut usage, sandbox.usage());
        }
        usage
    }
}

#[cfg(test)]
mod tests;
