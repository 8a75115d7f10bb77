//! What an operator remembers from batch to batch: what must be equal for it to go on with it.

use crate::{
    model::Schema,
    topology::{Inverse, Operator, Reducer, Topology, Verb, WindowReduce},
};

/// What an operator remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its verb.
    pub verb: &'static str,
    /// Its slide, in batch intervals.
    pub every: u64,
    /// The length of its window, in batch intervals.
    pub length: Option<u64>,
    /// The columns by which it is looked up, if there are any; they come first in `columns`.
    pub keys: Option<Schema>,
    /// All columns.
    pub columns: Schema,
    /// The version that its function says its state has.
    pub version: Option<u32>,
    /// What reduces a window, and takes values out again.
    pub reduce: Option<String>,
}

impl Remembered {
    /// None: it remembers nothing.
    pub fn of(topology: &Topology, operator: &Operator) -> Option<Self> {
        let verb = &operator.verb;
        if !verb.remembers() && verb.window().is_none() {
            return None;
        }
        let columns = match verb {
            Verb::MapWithState(_) => operator.snapshots.as_ref().unwrap_or(&operator.output),
            Verb::Window(_) | Verb::GroupByKeyAndWindow { .. } => {
                topology.schema(operator.inputs[0])
            }
            _ => &operator.output,
        };
        let keys = match verb.keyed_state() {
            Some(keyed) => keyed.keys.len(),
            None => verb.window_keys(&operator.output),
        };
        let fields = columns.fields();
        let fields = fields[..keys.min(fields.len())].to_vec();
        let reduce = match verb {
            Verb::ReduceByWindow { reduce, .. } | Verb::ReduceByKeyAndWindow { reduce, .. } => {
                Some(reduce_text(topology, reduce))
            }
            _ => None,
        };
        Some(Self {
            verb: verb.name(),
            every: operator.every.get(),
            length: verb.window().map(|window| window.length.get()),
            keys: Schema::new(fields).ok(),
            columns: columns.clone(),
            version: verb.keyed_state().map(|keyed| keyed.version),
            reduce,
        })
    }
}

fn reduce_text(topology: &Topology, reduce: &WindowReduce) -> String {
    let mut text = reducer_text(topology, &reduce.reducer);
    match &reduce.inverse {
        None => {}
        Some(Inverse::Subtract) => text.push_str(", inverse by subtraction"),
        Some(Inverse::Plugin { call, .. }) => {
            text.push_str(", inverse ");
            text.push_str(&super::operators::call_text(topology, call));
        }
    }
    text
}

pub(super) fn reducer_text(topology: &Topology, reducer: &Reducer) -> String {
    match reducer {
        Reducer::Std(function) => format!("std:{}", function.name()),
        Reducer::Plugin { call, .. } => super::operators::call_text(topology, call),
    }
}
