//! Steps of operators that leave out what their function fails on.

use super::{
    Part, StepSpec,
    steps::{Making, StepMaker},
};
use crate::{
    operator::{Bounded, Isolate, PartitionState, Step, Unit},
    topology::{Operator, Verb},
};

impl StepMaker {
    /// A fresh step, which leaves out what it fails on if the operator says so.
    pub(super) fn guarded(
        &self,
        spec: &StepSpec,
        state: Option<PartitionState>,
        to: &Making<'_>,
    ) -> Option<Box<dyn Step>> {
        let operator = &self.0.topology.operators[spec.operator.0];
        let unit = unit(operator, &spec.part).filter(|_| operator.on_error.goes_on());
        let Some((unit, makes_rows)) = unit else {
            return self.make(spec, state, to);
        };
        let call = operator.verb.call().filter(|_| makes_rows);
        let bounded = call.map(|call| Bounded {
            plugin: self.0.plugins[call.plugin.0].info().name.clone(),
            function: call.function.clone(),
            output: self.0.limits.output,
        });
        let (maker, spec, to_make, permit) =
            (self.clone(), spec.clone(), *to.to, to.permit.clone());
        let make = move |spent| {
            let making = Making {
                to: &to_make,
                permit: &permit,
                spent,
            };
            maker.make(&spec, None, &making)
        };
        let most = self.0.topology.limits.faults + to.to.retried;
        Some(Box::new(Isolate::new(make, unit, bounded, most)))
    }

    /// How many keys a step may leave out; none: a fault fails the task.
    pub(super) fn most(&self, operator: &Operator, to: &Making<'_>) -> Option<usize> {
        let most = self.0.topology.limits.faults + to.to.retried;
        operator.on_error.goes_on().then_some(most)
    }
}

/// What this part of an operator leaves out as one, if it calls a function and remembers nothing,
/// and whether the function makes rows without an end of their own.
fn unit(operator: &Operator, part: &Part) -> Option<(Unit, bool)> {
    Some(match &operator.verb {
        Verb::Map { .. }
        | Verb::FlatMap { .. }
        | Verb::MapValues { .. }
        | Verb::FlatMapValues { .. } => (Unit::Row, true),
        Verb::Filter(_) => (Unit::Row, false),
        Verb::MapPartitions(_) => (Unit::Partition, true),
        _ if part.is_before_shuffle() => return None,
        Verb::Transform { .. } => (Unit::Partition, true),
        Verb::Reduce(_) => (Unit::Partition, false),
        Verb::ReduceByKey { keys, .. } | Verb::CombineByKey { keys, .. } => {
            (Unit::Key(keys.clone()), false)
        }
        _ => return None,
    })
}
