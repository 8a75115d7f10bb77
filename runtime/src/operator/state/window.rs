//! Windows that are reduced: the panes of their batches folded into one row for each key (spec 7).

use std::{num::NonZeroU64, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_schema::{ArrowError, DataType};
use arrow_select::{filter::filter_record_batch, interleave::interleave};

use super::{PartitionState, WindowStates, window_states::Pane};
use crate::{
    model::{CHUNK_ROWS, Schema},
    operator::{
        Aggregate, AggregateSpec, Emitted, Phase, Reduction, Sandbox, Step, StepError,
        group::Grouper, pieces::pieces,
    },
    plugin::{Grouped, Groups, Usage},
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
        sandbox: Sandbox,
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
        sandbox: Sandbox,
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
        let slide = self.spec.every.get();
        if let Some(rows) = pane {
            self.states.panes.push_back(Pane { number, rows });
        }
        if !self.spec.emits {
            return Ok(None);
        }
        let before = number.saturating_sub(slide);
        let leaving = match number.checked_sub(length) {
            Some(end) => self.states.between(before.saturating_sub(length), end),
            None => Vec::new(),
        };
        let entering = self.states.between(before, number);
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
        let gone = number.saturating_sub(length);
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
                let inverse = (&mut *sandbox, &**values, &**keys, &*output);
                call(inverse, self.spec.keys, previous, leaving, &partner)?
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

/// What comes out of a plugin's inverse: for each row of `previous` the row itself, or what is left
/// of it.
fn call(
    (sandbox, picked, asked, output): (&mut Sandbox, &[usize], &[usize], &Schema),
    keys: usize,
    previous: &RecordBatch,
    leaving: &RecordBatch,
    partner: &[Option<usize>],
) -> Result<Vec<ArrayRef>, StepError> {
    let matched: Vec<(usize, usize)> = partner
        .iter()
        .enumerate()
        .filter_map(|(row, partner)| Some((row, (*partner)?)))
        .collect();
    let mut made: Vec<Vec<ArrayRef>> = Vec::new();
    for some in matched.chunks(CHUNK_ROWS / 2) {
        let at: Vec<_> = some
            .iter()
            .flat_map(|(old, gone)| [(0, *old), (1, *gone)])
            .collect();
        let values = picked.iter().map(|&column| {
            let (old, gone): (&dyn Array, &dyn Array) =
                (previous.column(column), leaving.column(column));
            interleave(&[old, gone], &at)
        });
        let values: Vec<ArrayRef> = values.collect::<Result<_, _>>()?;
        let rows: Vec<_> = some.iter().map(|(old, _)| (0, *old)).collect();
        let of_keys = asked
            .iter()
            .map(|&key| interleave(&[previous.column(key).as_ref()], &rows));
        let of_keys: Vec<ArrayRef> = of_keys.collect::<Result<_, _>>()?;
        let groups = Groups::from_lengths(some.iter().map(|_| 2));
        let rows = sandbox.call(|instance, function| {
            let grouped = Grouped {
                keys: &of_keys,
                groups: &groups?,
                values: &values,
            };
            instance.reduce(function, grouped, output)
        })?;
        made.push(rows.columns().to_vec());
    }
    // Row r of `previous` as it was, or the next of the results.
    let mut next = (0..).flat_map(|piece| (0..CHUNK_ROWS / 2).map(move |row| (piece + 1, row)));
    let at: Vec<(usize, usize)> = partner
        .iter()
        .enumerate()
        .map(|(row, partner)| match partner {
            None => Some((0, row)),
            Some(_) => next.next(),
        })
        .collect::<Option<_>>()
        .unwrap_or_default();
    let columns = (0..output.fields().len()).map(|column| {
        let old: &dyn Array = previous.column(keys + column);
        let new = made.iter().map(|piece| piece[column].as_ref());
        let all: Vec<&dyn Array> = [old].into_iter().chain(new).collect();
        interleave(&all, &at)
    });
    Ok(columns.collect::<Result<_, _>>()?)
}

/// Each of `from` less its partner in `what`; null counts as nothing, as in a sum.
fn subtract(
    from: &ArrayRef,
    what: &ArrayRef,
    partner: &[Option<usize>],
) -> Result<ArrayRef, StepError> {
    let rows = 0..from.len();
    let gone = |row: usize| partner[row].filter(|row| what.is_valid(*row));
    if *from.data_type() == DataType::Float64 {
        let (from, what) = (
            from.as_primitive::<Float64Type>(),
            what.as_primitive::<Float64Type>(),
        );
        let left = rows.map(|row| match gone(row) {
            Some(gone) if from.is_valid(row) => Some(from.value(row) - what.value(gone)),
            _ => from.is_valid(row).then(|| from.value(row)),
        });
        return Ok(Arc::new(left.collect::<Float64Array>()));
    }
    let (Some(from), Some(what)) = (
        from.as_primitive_opt::<Int64Type>(),
        what.as_primitive_opt::<Int64Type>(),
    ) else {
        return Err(ArrowError::SchemaError("only numbers are subtracted".into()).into());
    };
    let left = rows.map(|row| match gone(row) {
        Some(gone) if from.is_valid(row) => {
            let left = from.value(row).checked_sub(what.value(gone));
            left.map(Some).ok_or(StepError::Underflow)
        }
        _ => Ok(from.is_valid(row).then(|| from.value(row))),
    });
    Ok(Arc::new(left.collect::<Result<Int64Array, _>>()?))
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{model::Kind, topology::StdFunction};

    type Pane = Option<Vec<(i64, i64)>>;

    fn rows(pane: &[(i64, i64)]) -> RecordBatch {
        let (keys, values): (Vec<_>, Vec<_>) = pane.iter().copied().unzip();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(keys)),
            Arc::new(Int64Array::from(values)),
        ];
        let schema = Schema::pair(Kind::Int64, Kind::Int64);
        RecordBatch::try_new(schema.to_arrow(), columns).unwrap()
    }

    /// The windows of sums over these panes, at every slide.
    fn windows(
        panes: &[Pane],
        (length, slide): (u64, u64),
        inverse: bool,
        kept: fn() -> Kept,
    ) -> Vec<BTreeMap<i64, i64>> {
        let mut states = WindowStates::default();
        let mut windows = Vec::new();
        for (at, pane) in panes.iter().enumerate() {
            let number = at as u64 + 1;
            let emits = number.is_multiple_of(slide);
            if pane.is_none() && !emits {
                continue; // the step is not run then
            }
            let spec = WindowSpec {
                window: Window {
                    length: NonZeroU64::new(length).unwrap(),
                    of: NonZeroU64::MIN,
                },
                every: NonZeroU64::new(slide).unwrap(),
                number,
                emits,
                keys: 1,
                output: Schema::pair(Kind::Int64, Kind::Int64),
                fold: Box::new(|| Reduction::Std(StdFunction::Sum)),
                inverse: inverse.then_some(Inverting::Subtract),
                kept: kept(),
            };
            let mut step = Box::new(WindowStep::new(spec, states));
            let mut out = Emitted::default();
            if let Some(pane) = pane.as_ref().filter(|pane| !pane.is_empty()) {
                step.push(rows(pane), &mut out).unwrap();
            }
            step.finish(&mut out).unwrap();
            let Some(PartitionState::Window(kept)) = step.into_state() else {
                panic!("a window keeps its panes");
            };
            states = kept;
            if emits {
                let pairs = out.rows.iter().flat_map(|rows| {
                    let column = |at: usize| {
                        rows.column(at)
                            .as_primitive::<Int64Type>()
                            .values()
                            .to_vec()
                    };
                    column(0).into_iter().zip(column(1))
                });
                windows.push(pairs.collect());
            }
        }
        windows
    }

    /// The panes in (n - length, n], added up.
    fn naive(panes: &[Pane], (length, slide): (u64, u64)) -> Vec<BTreeMap<i64, i64>> {
        let numbers = (1..=panes.len() as u64).filter(|n| n.is_multiple_of(slide));
        let windows = numbers.map(|number| {
            let from = number.saturating_sub(length);
            let mut sums = BTreeMap::new();
            let inside = panes[from as usize..number as usize]
                .iter()
                .flatten()
                .flatten();
            for (key, value) in inside {
                *sums.entry(*key).or_insert(0) += value;
            }
            sums
        });
        windows.collect()
    }

    fn panes() -> impl Strategy<Value = Vec<Pane>> {
        let pane = prop::collection::btree_map(0..5_i64, 1..100_i64, 0..4);
        let pane = prop::option::weighted(0.8, pane.prop_map(|pane| pane.into_iter().collect()));
        prop::collection::vec(pane, 1..30)
    }

    proptest! {
        #[test]
        fn a_window_is_the_sum_of_its_panes(
            panes in panes(),
            length in 1..8_u64,
            slide in 1..10_u64,
        ) {
            let direct = windows(&panes, (length, slide), false, || Kept::All);
            prop_assert_eq!(direct, naive(&panes, (length, slide)));
        }

        #[test]
        fn an_inverse_gives_what_reducing_anew_gives(
            panes in panes(),
            length in 1..8_u64,
            slide in 1..8_u64,
        ) {
            prop_assume!(slide <= length);
            let inverse = windows(&panes, (length, slide), true, || Kept::NotZero);
            prop_assert_eq!(inverse, naive(&panes, (length, slide)));
        }
    }

    #[test]
    fn without_a_filter_an_inverse_drops_no_key() {
        let panes = [Some(vec![(1, 5)]), Some(vec![(2, 1)]), None];
        let windows = windows(&panes, (1, 1), true, || Kept::All);
        let expected: [&[(i64, i64)]; 3] = [&[(1, 5)], &[(1, 0), (2, 1)], &[(1, 0), (2, 0)]];
        let expected: Vec<BTreeMap<_, _>> = expected
            .iter()
            .map(|pairs| pairs.iter().copied().collect())
            .collect();
        assert_eq!(windows, expected);
    }
}
