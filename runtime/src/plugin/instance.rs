//! One instance of a plugin, serving one task.

mod migrate;

use std::time::Duration;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::BooleanBuffer;
use wasmtime::{
    Store,
    component::{ComponentExportIndex, ComponentNamedList, Lift, Lower},
};

use super::{
    abi::{
        BatchOut, Fault, GroupedIn, Rejected, Selection, StatefulIn, StatefulOutcome,
        TransformOutcome,
    },
    blame::blame,
    fault::{PluginFault, printable, printable_lines},
    host::Host,
    lift,
    loaded::Plugin,
    loader::LoadError,
    lower::Staged,
    outcome::{RejectedRow, Selected, Transformed, Updated},
};
use crate::model::Schema;

/// Bytes of a guest's message that are kept.
pub(super) const LONGEST_MESSAGE: usize = 4_000;

/// An instance: one operator, one partition, one batch. It starts fresh and is dropped at the
/// task's end. After a fault no call reaches the guest again.
pub struct Instance {
    plugin: Plugin,
    store: Store<Host>,
    instance: wasmtime::component::Instance,
    faulted: bool,
}

/// What an instance has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time of all calls.
    pub cpu: Duration,
    /// The most linear memory it had, in bytes.
    pub memory_peak: usize,
}

impl Usage {
    /// Of two instances: CPU time of both, memory of the larger.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            memory_peak: self.memory_peak.max(other.memory_peak),
        }
    }
}

/// Rows brought together by key, ready for an `aggregate` or `stateful` function.
#[derive(Debug, Clone, Copy)]
pub struct Grouped<'a> {
    /// The key columns that the function asked for, one row a group; maybe none.
    pub keys: &'a [ArrayRef],
    /// Where groups start and end in the values.
    pub groups: &'a Groups,
    /// The value columns, group after group.
    pub values: &'a [ArrayRef],
}

/// Where groups start and end: group g is rows `ends[g]` up to, not including, `ends[g + 1]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    bytes: Vec<u8>,
    rows: usize,
}

impl Groups {
    /// Groups of these lengths, one after another.
    ///
    /// # Errors
    /// When all together have more rows than a call can carry.
    pub fn from_lengths(lengths: impl Iterator<Item = usize>) -> Result<Self, PluginFault> {
        let mut rows = 0_usize;
        let mut bytes = Vec::with_capacity(4 * (lengths.size_hint().0 + 1));
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        for length in lengths {
            rows += length;
            let end = u32::try_from(rows).map_err(|_| {
                PluginFault::Host(format!("{rows} rows of one group are too many for a call"))
            })?;
            bytes.extend_from_slice(&end.to_le_bytes());
        }
        Ok(Self { bytes, rows })
    }

    /// How many groups.
    pub fn len(&self) -> usize {
        self.bytes.len() / 4 - 1
    }

    /// There is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Instance {
    pub(super) fn new(
        plugin: Plugin,
        store: Store<Host>,
        instance: wasmtime::component::Instance,
    ) -> Self {
        Self {
            plugin,
            store,
            instance,
            faulted: false,
        }
    }

    /// Calls `transform.process` with the columns of `chunk` at `picked`; what comes out must have
    /// the columns of `output`.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn process(
        &mut self,
        function: &str,
        chunk: &RecordBatch,
        picked: &[usize],
        output: &Schema,
    ) -> Result<Transformed, PluginFault> {
        let index = self.plugin.exports().transform.as_ref().map(|t| t.process);
        let staged = Staged::new(chunk, picked)?;
        let columns = staged.lower();
        let rows_in = chunk.num_rows();
        let outcome: TransformOutcome = self
            .call(index, (function, staged.batch(&columns)), Called::answer)
            .map_err(|fault| fault.within(rows_in))?;
        let done = self.checked(|| {
            let rows = lift::batch(outcome.rows, output)?;
            let origins = outcome
                .origins
                .map(|bytes| lift::origins(bytes, rows.num_rows(), rows_in))
                .transpose()?;
            if let Some(origins) = &origins
                && !origins
                    .windows(2)
                    .fold(true, |ok, pair| ok & (pair[0] <= pair[1]))
            {
                return Err(PluginFault::BadOutput("origins decrease".into()));
            }
            Ok(Transformed {
                rows,
                origins,
                rejected: lift::rejected(outcome.rejected, rows_in)?,
            })
        })?;
        Ok(Transformed {
            rejected: self.without_secrets(done.rejected),
            ..done
        })
    }

    /// Calls `transform.feed` with a chunk of a side.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn feed(
        &mut self,
        function: &str,
        side: u32,
        chunk: &RecordBatch,
        picked: &[usize],
    ) -> Result<(), PluginFault> {
        let index = self.plugin.exports().transform.as_ref().map(|t| t.feed);
        let staged = Staged::new(chunk, picked)?;
        let columns = staged.lower();
        self.call(
            index,
            (function, side, staged.batch(&columns)),
            Called::answer,
        )
    }

    /// Calls `transform.finish`; to be called again until it returns none.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn finish(
        &mut self,
        function: &str,
        output: &Schema,
    ) -> Result<Option<RecordBatch>, PluginFault> {
        let index = self.plugin.exports().transform.as_ref().map(|t| t.finish);
        let piece: Option<BatchOut> = self.call(index, (function,), Called::answer)?;
        self.checked(|| piece.map(|piece| lift::batch(piece, output)).transpose())
    }

    /// Calls `filter.select` with the columns of `chunk` at `picked`.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn select(
        &mut self,
        function: &str,
        chunk: &RecordBatch,
        picked: &[usize],
    ) -> Result<Selected, PluginFault> {
        let index = self.plugin.exports().filter.as_ref().map(|f| f.select);
        let staged = Staged::new(chunk, picked)?;
        let columns = staged.lower();
        let rows = chunk.num_rows();
        let selection: Selection = self
            .call(index, (function, staged.batch(&columns)), Called::answer)
            .map_err(|fault| fault.within(rows))?;
        let done = self.checked(|| {
            let rejected = lift::rejected(selection.rejected, rows)?;
            let mut keep = lift::bitmap(selection.keep, rows, "keep")?;
            if !rejected.is_empty() {
                let out: Vec<usize> = rejected.iter().map(|r| r.row as usize).collect();
                let bits = keep.iter().enumerate();
                keep = bits
                    .map(|(row, kept)| kept && out.binary_search(&row).is_err())
                    .collect();
            }
            Ok(Selected { keep, rejected })
        })?;
        Ok(Selected {
            rejected: self.without_secrets(done.rejected),
            ..done
        })
    }

    /// Calls `aggregate.reduce`; row g of the result is group g's.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn reduce(
        &mut self,
        function: &str,
        input: Grouped<'_>,
        output: &Schema,
    ) -> Result<RecordBatch, PluginFault> {
        let index = self.plugin.exports().aggregate.as_ref().map(|a| a.reduce);
        if let Some(wrong) = input.values.iter().find(|v| v.len() != input.groups.rows) {
            return Err(PluginFault::Host(format!(
                "a value column has {} rows, its groups {}",
                wrong.len(),
                input.groups.rows
            )));
        }
        let keys = Staged::of(input.groups.len(), input.keys.iter())?;
        let values = Staged::of(input.groups.rows, input.values.iter())?;
        let (keys_in, values_in) = (keys.lower(), values.lower());
        let grouped = GroupedIn {
            keys: keys.batch(&keys_in),
            groups: &input.groups.bytes,
            values: values.batch(&values_in),
        };
        let out: BatchOut = self.call(index, (function, grouped), Called::answer)?;
        let groups = input.groups.len();
        self.checked(|| {
            let rows = lift::batch(out, output)?;
            if rows.num_rows() == groups {
                Ok(rows)
            } else {
                Err(PluginFault::BadOutput(format!(
                    "{} rows came back for {groups} groups",
                    rows.num_rows()
                )))
            }
        })
    }

    /// Calls `stateful.update`. `states` has one row a group; `present` and `expired` one bit.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn update(
        &mut self,
        function: &str,
        input: Grouped<'_>,
        states: &[ArrayRef],
        present: &BooleanBuffer,
        expired: &BooleanBuffer,
        (state, output): (&Schema, Option<&Schema>),
    ) -> Result<Updated, PluginFault> {
        let index = self.plugin.exports().stateful.as_ref().map(|s| s.update);
        let groups = input.groups.len();
        let keys = Staged::of(groups, input.keys.iter())?;
        let values = Staged::of(input.groups.rows, input.values.iter())?;
        let staged_states = Staged::of(groups, states.iter())?;
        let (keys_in, values_in) = (keys.lower(), values.lower());
        let states_in = staged_states.lower();
        let (present, expired) = (bits_unless(present, true), bits_unless(expired, false));
        let params = StatefulIn {
            rows: GroupedIn {
                keys: keys.batch(&keys_in),
                groups: &input.groups.bytes,
                values: values.batch(&values_in),
            },
            states: staged_states.batch(&states_in),
            present: present.as_deref(),
            expired: expired.as_deref(),
        };
        let outcome: StatefulOutcome = self.call(index, (function, params), Called::answer)?;
        let answers = input.groups.rows + groups;
        self.checked(|| {
            let states = lift::batch(outcome.states, state)?;
            if states.num_rows() != groups {
                return Err(PluginFault::BadOutput(format!(
                    "{} states came back for {groups} groups",
                    states.num_rows()
                )));
            }
            let keep = match outcome.keep {
                Some(bits) => lift::bitmap(bits, groups, "keep")?,
                None => BooleanBuffer::new_set(groups),
            };
            let output = match output {
                None => lift::no_columns(&outcome.output).map(|()| None)?,
                Some(schema) => {
                    let rows = lift::batch(outcome.output, schema)?;
                    let origins = outcome.origins.ok_or_else(|| {
                        PluginFault::BadOutput("rows came back without origins".into())
                    })?;
                    let origins = lift::origins(origins, rows.num_rows(), answers)?;
                    Some((rows, origins))
                }
            };
            Ok(Updated {
                states,
                keep,
                output,
            })
        })
    }

    /// Calls `foreach.accept` with a chunk.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn accept(
        &mut self,
        function: &str,
        chunk: &RecordBatch,
        picked: &[usize],
    ) -> Result<Vec<RejectedRow>, PluginFault> {
        let index = self.plugin.exports().foreach.as_ref().map(|f| f.accept);
        let staged = Staged::new(chunk, picked)?;
        let columns = staged.lower();
        let rows = chunk.num_rows();
        let rejected: Vec<Rejected> = self
            .call(index, (function, staged.batch(&columns)), Called::answer)
            .map_err(|fault| fault.within(rows))?;
        let done = self.checked(|| lift::rejected(rejected, rows))?;
        Ok(self.without_secrets(done))
    }

    /// Calls `foreach.finish`.
    ///
    /// # Errors
    /// Any [`PluginFault`]; the instance then takes no more calls.
    pub fn finish_foreach(&mut self, function: &str) -> Result<(), PluginFault> {
        let index = self.plugin.exports().foreach.as_ref().map(|f| f.finish);
        self.call(index, (function,), Called::answer)
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        let host = self.store.data();
        Usage {
            cpu: host.cpu.used(),
            memory_peak: host.memory_peak,
        }
    }

    /// Calls an export that returns `result<T, fault>`.
    fn call<P, T>(
        &mut self,
        index: Option<ComponentExportIndex>,
        params: P,
        answer: fn(Result<T, Fault>) -> Result<T, PluginFault>,
    ) -> Result<T, PluginFault>
    where
        P: ComponentNamedList + Lower,
        Result<T, Fault>: Lift,
        (Result<T, Fault>,): ComponentNamedList + Lift,
        T: 'static,
    {
        let (returned,): (Result<T, Fault>,) = self.call_raw(index, params)?;
        let host = self.store.data();
        let answered = answer(returned.map_err(|fault| Fault {
            message: host.hide(&fault.message).into_owned(),
            detail: host.hide(&fault.detail).into_owned(),
            ..fault
        }));
        self.faulted |= answered.is_err();
        answered
    }

    /// Calls any export, timed and under the limits.
    pub(super) fn call_raw<P, R>(
        &mut self,
        index: Option<ComponentExportIndex>,
        params: P,
    ) -> Result<R, PluginFault>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let index = index.ok_or_else(|| {
            PluginFault::Host("the plugin does not export the function's interface".into())
        })?;
        if self.faulted {
            return Err(PluginFault::Host("the instance has faulted before".into()));
        }
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, index)
            .map_err(|error| PluginFault::Host(format!("{error:#}")))?;
        self.store.set_epoch_deadline(1);
        self.store.data_mut().cpu.start();
        let returned = function.call(&mut self.store, params);
        self.store.data_mut().cpu.stop();
        returned.map_err(|error| {
            self.faulted = true;
            blame(&error, self.store.data())
        })
    }

    /// Looks a function up with the type that calls will use.
    pub(super) fn check<P, R>(
        &mut self,
        name: &str,
        index: ComponentExportIndex,
    ) -> Result<(), LoadError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let found = self.instance.get_typed_func::<P, R>(&mut self.store, index);
        found.map(|_| ()).map_err(|error| {
            LoadError::WrongTypes(format!(
                "{name}: {}",
                printable(&format!("{error:#}"), 1_000)
            ))
        })
    }

    /// Reasons are read by people, so they get no values of secrets.
    fn without_secrets(&self, mut rejected: Vec<RejectedRow>) -> Vec<RejectedRow> {
        let host = self.store.data();
        for row in &mut rejected {
            row.reason = host.hide(&row.reason).into_owned();
        }
        rejected
    }

    /// Checks a result that was lifted; what does not pass counts as the plugin's fault.
    fn checked<T>(
        &mut self,
        check: impl FnOnce() -> Result<T, PluginFault>,
    ) -> Result<T, PluginFault> {
        let checked = check();
        self.faulted |= checked.is_err();
        checked
    }
}

/// The bits as bytes; none if all are `plain`, as the interface has it.
fn bits_unless(bits: &BooleanBuffer, plain: bool) -> Option<Vec<u8>> {
    let set = bits.count_set_bits();
    let all_plain = if plain { set == bits.len() } else { set == 0 };
    (!all_plain).then(|| bits.sliced().as_slice()[..bits.len().div_ceil(8)].to_vec())
}

/// What a function of a plugin answered.
struct Called;

impl Called {
    fn answer<T>(returned: Result<T, Fault>) -> Result<T, PluginFault> {
        returned.map_err(|fault| PluginFault::GaveUp {
            message: printable(&fault.message, LONGEST_MESSAGE),
            row: fault.row,
            detail: printable_lines(&fault.detail, LONGEST_MESSAGE),
        })
    }
}
