//! From a plan's step to one that runs: plugins, tasks and limits filled in.

use std::{collections::BTreeSet, sync::Arc};

use super::{Part, Permit, StepSpec, stage_input::Feeds, tap::Outlet, task::Link};
use arrow_array::RecordBatch;

use crate::{
    account::{Account, Node},
    model::{BatchTime, Partition, Schema, Text},
    operator::{
        Aggregate, AggregateSpec, Filter, Glom, GroupValues, JoinStep, Limit, PartitionState,
        Phase, Reduction, Sandbox, Sort, Step, Transform,
    },
    plugin::{InstanceLimits, Plugin, Task, Usage},
    topology::{
        Call, Operator, OperatorId, PluginId, Reducer, StdFunction, Topology, Verb, WindowReduce,
    },
};

/// What every step of a batch needs to know. Cheap to clone.
#[derive(Clone)]
pub(super) struct StepMaker(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) topology: Arc<Topology>,
    pub(super) name: Arc<str>,
    pub(super) plugins: Vec<Plugin>,
    /// Operators whose snapshots someone reads.
    pub(super) snapshots: BTreeSet<OperatorId>,
    pub(super) limits: InstanceLimits,
    /// Of each operator.
    pub(super) names: Vec<Arc<str>>,
    /// What each operator uses.
    pub(super) nodes: Vec<Arc<Node>>,
    /// Of each operator.
    pub(super) settings: Vec<Arc<[(String, Text)]>>,
}

/// Which task a step is for, and what the task holds.
pub(super) struct Making<'a> {
    pub(super) to: &'a For,
    pub(super) permit: &'a Arc<Permit>,
    /// By instances of the same operator in the same task.
    pub(super) spent: Usage,
}

/// How a function over chunks is made.
type MakeTransform = fn(Sandbox, Vec<usize>, Schema, Schema) -> Transform;

/// Which task the steps are for.
#[derive(Debug, Clone, Copy)]
pub(super) struct For {
    pub(super) time: BatchTime,
    /// Of the batch.
    pub(super) number: u64,
    pub(super) partition: usize,
    /// A window that has a batch at this time puts it out.
    pub(super) emits: bool,
    /// Dead letters that the batch tries again.
    pub(super) retried: usize,
}

/// A step to be made, and what it begins with.
pub(super) struct Given {
    pub(super) spec: StepSpec,
    /// What the operator remembers of this partition, if this step is where it does.
    pub(super) state: Option<PartitionState>,
    pub(super) feeds: Feeds,
    /// Rows that it takes before those that come.
    pub(super) again: Partition,
    /// Who looks at what comes behind it.
    pub(super) outlets: Vec<Outlet>,
}

impl StepMaker {
    pub(super) fn new(
        topology: Arc<Topology>,
        plugins: Vec<Plugin>,
        snapshots: BTreeSet<OperatorId>,
        account: &Account,
    ) -> Self {
        let limits = &topology.limits;
        Self(Arc::new(Inner {
            name: topology.name.as_str().into(),
            plugins,
            snapshots,
            limits: InstanceLimits {
                memory: limits.memory,
                cpu_time: limits.cpu_time,
                output: limits.output,
                fuel: limits.fuel,
                log_lines: limits.log_lines,
            },
            names: topology
                .operators
                .iter()
                .map(|o| o.name.as_str().into())
                .collect(),
            nodes: topology
                .operators
                .iter()
                .map(|o| account.node(o.name.as_str()))
                .collect(),
            settings: topology
                .operators
                .iter()
                .map(|o| o.settings.clone().into_iter().collect())
                .collect(),
            topology,
        }))
    }

    /// The links of a chain, in order, less those that have nothing to do. Who looks at what those
    /// put out looks at what comes out of the link before, or at what goes into the `first`. And rows
    /// that go into links before all others, by the link's place.
    pub(super) fn links(
        &self,
        given: Vec<Given>,
        first: &mut Vec<Outlet>,
        to: &For,
        permit: &Arc<Permit>,
    ) -> (Vec<Link>, Vec<(usize, RecordBatch)>) {
        let making = Making {
            to,
            permit,
            spent: Usage::default(),
        };
        let mut links: Vec<Link> = Vec::with_capacity(given.len());
        let mut again = Vec::new();
        for given in given {
            again.extend(given.again.into_iter().map(|rows| (links.len(), rows)));
            let spec = given.spec;
            match self.guarded(&spec, given.state, &making) {
                Some(step) => links.push(Link {
                    operator: spec.operator,
                    node: self.0.nodes[spec.operator.0].clone(),
                    name: self.0.topology.operators[spec.operator.0].name.clone(),
                    step,
                    feeds: given.feeds,
                    outlets: given.outlets,
                }),
                None => match links.last_mut() {
                    Some(before) => before.outlets.extend(given.outlets),
                    None => first.extend(given.outlets),
                },
            }
        }
        (links, again)
    }

    /// A fresh step; none if this part of the operator does nothing.
    pub(super) fn make(
        &self,
        spec: &StepSpec,
        state: Option<PartitionState>,
        to: &Making<'_>,
    ) -> Option<Box<dyn Step>> {
        let operator = &self.0.topology.operators[spec.operator.0];
        let transform = |call: &Call, function: &str, make: MakeTransform| {
            make(
                self.sandbox(spec, call.plugin, function, to),
                call.input.clone(),
                operator.output.clone(),
                operator.rejected.clone(),
            )
            .with_sides(&call.sides)
        };
        let whole = |call: &Call, make: MakeTransform| -> Box<dyn Step> {
            Box::new(transform(call, &call.function, make))
        };
        let schema = |input: usize| self.0.topology.schema(operator.inputs[input]);
        Some(match &operator.verb {
            Verb::Map { call, .. } | Verb::FlatMap { call, .. }
                if let Part::Fused(fused) = &spec.part =>
            {
                let make = Transform::map_partitions;
                Box::new(transform(call, &fused.function, make))
            }
            Verb::Map { call, .. } => whole(call, Transform::map),
            Verb::FlatMap { call, .. } => whole(call, Transform::flat_map),
            Verb::MapPartitions(call) => whole(call, Transform::map_partitions),
            Verb::MapValues { call, keys } => {
                let make = Transform::map;
                Box::new(transform(call, &call.function, make).keeping(keys.clone()))
            }
            Verb::FlatMapValues { call, keys } => {
                let make = Transform::flat_map;
                Box::new(transform(call, &call.function, make).keeping(keys.clone()))
            }
            Verb::Transform { call, .. } if !spec.part.is_before_shuffle() => {
                whole(call, Transform::map_partitions)
            }
            Verb::Glom => Box::new(Glom::new(operator.output.clone())),
            Verb::GroupByKey { keys, .. } | Verb::GroupByKeyAndWindow { keys, .. }
                if !spec.part.is_before_shuffle() =>
            {
                let output = operator.output.clone();
                Box::new(GroupValues::of_one(keys.clone(), schema(0), output))
            }
            Verb::Join(join) => {
                Box::new(JoinStep::new(join, schema(0), schema(1), &operator.output))
            }
            Verb::Cogroup {
                left_keys,
                right_keys,
                ..
            } => Box::new(GroupValues::of_two(
                (left_keys.clone(), schema(0)),
                (right_keys.clone(), schema(1)),
                operator.output.clone(),
            )),
            Verb::Filter(call) => {
                let sandbox = self.sandbox(spec, call.plugin, &call.function, to);
                let rejected = operator.rejected.clone();
                Box::new(Filter::new(sandbox, call.input.clone(), rejected))
            }
            Verb::Limit { n } => Box::new(Limit::new(n.get())),
            Verb::Top { n, by } => Box::new(Sort::new(operator.output.clone(), by, Some(n.get()))),
            Verb::Sort { by } if spec.part != Part::BeforeShuffle => {
                Box::new(Sort::new(operator.output.clone(), by, None))
            }
            Verb::Sort { .. }
            | Verb::Repartition { .. }
            | Verb::Union
            | Verb::Window(_)
            | Verb::Transform { .. }
            | Verb::GroupByKey { .. }
            | Verb::GroupByKeyAndWindow { .. } => return None,
            Verb::Reduce(_) | Verb::ReduceByKey { .. } | Verb::CombineByKey { .. }
                if operator.on_error.goes_on() && spec.part.is_before_shuffle() =>
            {
                return None;
            }
            Verb::CombineByKey {
                map_side: false, ..
            } if spec.part.is_before_shuffle() => return None,
            Verb::UpdateStateByKey(_) | Verb::MapWithState(_) if spec.part.is_before_shuffle() => {
                return None;
            }
            Verb::UpdateStateByKey(update) => Box::new(self.update_state(spec, update, state, to)?),
            Verb::MapWithState(map) => Box::new(self.map_with_state(spec, map, state, to)?),
            _ if spec.part == Part::Window => Box::new(self.window(spec, state, to)?),
            Verb::Reduce(_)
            | Verb::ReduceByKey { .. }
            | Verb::CombineByKey { .. }
            | Verb::ReduceByWindow { .. }
            | Verb::ReduceByKeyAndWindow { .. }
            | Verb::CountByWindow(_)
            | Verb::CountByValueAndWindow { .. }
            | Verb::Count
            | Verb::CountByValue { .. }
            | Verb::Distinct { .. } => Box::new(self.aggregate(spec, operator, to)),
        })
    }

    fn aggregate(&self, spec: &StepSpec, operator: &Operator, to: &Making<'_>) -> Aggregate {
        let input = self.0.topology.schema(operator.inputs[0]);
        let all: Vec<usize> = (0..input.fields().len()).collect();
        let (keys, values, reduction) = match &operator.verb {
            Verb::CombineByKey {
                create,
                merge,
                keys,
                map_side,
                ..
            } => return self.combine(spec, operator, (create, merge), (keys, *map_side), to),
            Verb::ReduceByKey { reducer, keys, .. }
            | Verb::ReduceByKeyAndWindow {
                reduce: WindowReduce { reducer, .. },
                keys,
                ..
            } => {
                let values = all.into_iter().filter(|c| !keys.contains(c)).collect();
                (keys.clone(), values, Some(reducer.clone()))
            }
            Verb::Reduce(reducer)
            | Verb::ReduceByWindow {
                reduce: WindowReduce { reducer, .. },
                ..
            } => (Vec::new(), all, Some(reducer.clone())),
            Verb::Count | Verb::CountByWindow(_) => (
                Vec::new(),
                Vec::new(),
                Some(Reducer::Std(StdFunction::Count)),
            ),
            Verb::CountByValue { .. } | Verb::CountByValueAndWindow { .. } => {
                (all, Vec::new(), Some(Reducer::Std(StdFunction::Count)))
            }
            _ => (all, Vec::new(), None),
        };
        // Values in the order in which the function wants them.
        let values: Vec<usize> = match &reduction {
            Some(Reducer::Plugin { call, .. }) => call.input.clone(),
            _ => values,
        };
        // Whoever leaves out keys must have all rows of each.
        let is_whole = spec.part == Part::Whole || operator.on_error.goes_on();
        let after = spec.part == Part::AfterShuffle && !is_whole;
        let (key_count, value_count) = (keys.len(), values.len());
        let reduction = reduction.map(|r| self.reduction(spec, operator, r, &keys, to));
        let made_by_count = matches!(reduction, Some(Reduction::Std(StdFunction::Count)));
        let (keys, values) = if after {
            // What lies between the parts: keys, then values (one, once they are counted).
            let values = if made_by_count { 1 } else { value_count };
            let values = key_count..key_count + values;
            ((0..key_count).collect(), values.collect())
        } else {
            (keys, values)
        };
        Aggregate::new(
            AggregateSpec {
                keys,
                values,
                reduction,
                counts_nothing: operator.verb == Verb::Count,
                output: operator.output.clone(),
            },
            match (is_whole, after) {
                (true, _) => Phase::Whole,
                (_, true) => Phase::Final,
                (_, false) => Phase::Partial,
            },
        )
    }

    /// `combine-by-key`: `create` in each partition, `merge` of what meets after the shuffle.
    fn combine(
        &self,
        spec: &StepSpec,
        operator: &Operator,
        (create, merge): (&Reducer, &Reducer),
        (keys, map_side): (&[usize], bool),
        to: &Making<'_>,
    ) -> Aggregate {
        let goes_on = operator.on_error.goes_on();
        let merges = map_side && spec.part == Part::AfterShuffle && !goes_on;
        let combined: Vec<usize> = (0..operator.output.fields().len()).collect();
        let first: Vec<usize> = (0..keys.len()).collect();
        let input = self.0.topology.schema(operator.inputs[0]).fields().len();
        let (reducer, keys, others) = match merges {
            true => (merge, &*first, combined[keys.len()..].to_vec()),
            false => (
                create,
                keys,
                (0..input).filter(|c| !keys.contains(c)).collect(),
            ),
        };
        let values = match reducer {
            Reducer::Plugin { call, .. } => call.input.clone(),
            Reducer::Std(_) => others,
        };
        let spec = AggregateSpec {
            keys: keys.to_vec(),
            values,
            reduction: Some(self.reduction(spec, operator, reducer.clone(), keys, to)),
            counts_nothing: false,
            output: operator.output.clone(),
        };
        Aggregate::new(spec, if merges { Phase::Final } else { Phase::Whole })
    }

    pub(super) fn reduction(
        &self,
        spec: &StepSpec,
        operator: &Operator,
        reducer: Reducer,
        keys: &[usize],
        to: &Making<'_>,
    ) -> Reduction {
        match reducer {
            Reducer::Std(function) => Reduction::Std(function),
            Reducer::Plugin {
                call,
                keys: asked,
                associative,
            } => Reduction::Plugin {
                sandbox: Box::new(self.sandbox(spec, call.plugin, &call.function, to)),
                associative,
                keys: places(&asked.unwrap_or_default(), keys),
                output: values_of(&operator.output, keys.len()),
            },
        }
    }

    pub(super) fn sandbox(
        &self,
        spec: &StepSpec,
        plugin: PluginId,
        function: &str,
        to: &Making<'_>,
    ) -> Sandbox {
        let at = spec.operator.0;
        let task = Task {
            topology: self.0.name.clone(),
            operator: self.0.names[at].clone(),
            batch_time: to.to.time,
            partition: u32::try_from(to.to.partition).unwrap_or(u32::MAX),
            settings: self.0.settings[at].clone(),
        };
        Sandbox::new(
            self.0.plugins[plugin.0].clone(),
            function.to_owned(),
            task,
            self.0.limits.clone(),
            to.permit.clone(),
        )
        .having_spent(to.spent)
    }
}

/// Where these columns stand among the keys.
pub(super) fn places(columns: &[usize], keys: &[usize]) -> Vec<usize> {
    let place = |column: &usize| keys.iter().position(|key| key == column);
    columns.iter().filter_map(place).collect()
}

/// The columns after the keys.
pub(super) fn values_of(output: &Schema, keys: usize) -> Schema {
    let fields = output.fields()[keys..].to_vec();
    // A schema without its first columns is one, unless there is nothing left: a reduction by a
    // plugin always has a result.
    Schema::new(fields).unwrap_or_else(|_| output.clone())
}
