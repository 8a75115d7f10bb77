//! Steps that remember, and what they remember at the beginning.

use arrow_array::RecordBatch;

use super::{
    StepSpec,
    steps::{Making, StepMaker, places, values_of},
};
use crate::{
    model::{BatchTime, Schema},
    operator::{
        Exchange, Inverting, Kept, MapSpec, MapStates, MapStep, PartitionState, StateTime,
        StepError, UpdateSpec, UpdateStates, UpdateStep, WindowSpec, WindowStates, WindowStep,
    },
    plugin::Usage,
    topology::{
        Inverse, KeyedState, MapWithState, Operator, OperatorId, Reducer, StdFunction, UpdateState,
        Verb, WindowReduce,
    },
};

impl StepMaker {
    /// What an operator remembers at the beginning, partition by partition.
    pub(super) fn fresh(
        &self,
        id: OperatorId,
        partitions: usize,
        initial: &[RecordBatch],
        time: BatchTime,
    ) -> Result<Vec<PartitionState>, StepError> {
        let operator = &self.0.topology.operators[id.0];
        let Some(keyed) = operator.verb.keyed_state() else {
            let fresh = |_| PartitionState::Window(WindowStates::default());
            return Ok((0..partitions).map(fresh).collect());
        };
        let keys = keyed.keys.len();
        let mut parts = vec![Vec::new(); partitions];
        let exchange = Exchange::ByKey {
            keys: (0..keys).collect(),
            partitions,
        };
        for chunk in initial {
            exchange.send(0, &mut 0, chunk.clone(), &mut parts)?;
        }
        let is_update = matches!(operator.verb, Verb::UpdateStateByKey(_));
        let key = self.key_schema(operator, keyed);
        let fresh = parts.iter().map(|rows| {
            if is_update {
                let states = UpdateStates::with_initial(&operator.output, keys, rows);
                return states.map(PartitionState::Update);
            }
            let states = MapStates::with_initial(&key, &keyed.state, rows, time);
            states.map(PartitionState::Map)
        });
        fresh.collect()
    }

    /// What an operator remembers, among another number of partitions than it was written with.
    pub(super) fn redistribute(
        &self,
        id: OperatorId,
        states: Vec<PartitionState>,
        partitions: usize,
    ) -> Result<Vec<PartitionState>, StepError> {
        let operator = &self.0.topology.operators[id.0];
        let keys = match operator.verb.keyed_state() {
            Some(keyed) => keyed.keys.len(),
            None => operator.verb.window_keys(&operator.output),
        };
        PartitionState::redistribute(states, (&operator.output, keys), partitions)
    }

    fn key_schema(&self, operator: &Operator, keyed: &KeyedState) -> Schema {
        let input = self.0.topology.schema(operator.inputs[0]);
        let keys = keyed.keys.iter().map(|&key| input.fields()[key].clone());
        // Some columns of a schema are one.
        Schema::new(keys.collect()).unwrap_or_else(|_| input.clone())
    }

    pub(super) fn update_state(
        &self,
        spec: &StepSpec,
        update: &UpdateState,
        state: Option<PartitionState>,
        to: &Making<'_>,
    ) -> Option<UpdateStep> {
        let operator = &self.0.topology.operators[spec.operator.0];
        let keyed = &update.keyed;
        // Whoever makes the step gives it the state of this operator.
        let Some(PartitionState::Update(kept)) = state else {
            return None;
        };
        let spec = UpdateSpec {
            keys: keyed.keys.clone(),
            values: keyed.call.input.clone(),
            asked: places(keyed.asked.as_deref().unwrap_or_default(), &keyed.keys),
            sandbox: self.sandbox(spec, keyed.call.plugin, &keyed.call.function, to),
            skips_idle: update.skips_idle,
            input: self.0.topology.schema(operator.inputs[0]).clone(),
            state: keyed.state.clone(),
            output: operator.output.clone(),
            most: self.most(operator, to),
        };
        Some(UpdateStep::new(spec, kept))
    }

    pub(super) fn map_with_state(
        &self,
        spec: &StepSpec,
        map: &MapWithState,
        state: Option<PartitionState>,
        to: &Making<'_>,
    ) -> Option<MapStep> {
        let operator = &self.0.topology.operators[spec.operator.0];
        let keyed = &map.keyed;
        // Whoever makes the step gives it the state of this operator.
        let Some(PartitionState::Map(kept)) = state else {
            return None;
        };
        let wants_snapshots = self.0.snapshots.contains(&spec.operator);
        let spec = MapSpec {
            keys: keyed.keys.clone(),
            values: keyed.call.input.clone(),
            asked: places(keyed.asked.as_deref().unwrap_or_default(), &keyed.keys),
            sandbox: self.sandbox(spec, keyed.call.plugin, &keyed.call.function, to),
            timeout: map.timeout,
            input: self.0.topology.schema(operator.inputs[0]).clone(),
            state: keyed.state.clone(),
            output: map.passes_on.then(|| operator.output.clone()),
            snapshots: operator.snapshots.clone().filter(|_| wants_snapshots),
            at: StateTime {
                time: to.to.time,
                checkpoint: to.to.number.is_multiple_of(keyed.checkpoint.get()),
            },
            most: self.most(operator, to),
        };
        Some(MapStep::new(spec, kept))
    }

    /// The step that folds panes into a window.
    pub(super) fn window(
        &self,
        spec: &StepSpec,
        state: Option<PartitionState>,
        to: &Making<'_>,
    ) -> Option<WindowStep> {
        let operator = &self.0.topology.operators[spec.operator.0];
        let count = Reducer::Std(StdFunction::Count);
        let counting = WindowReduce {
            reducer: count,
            inverse: Some(Inverse::Subtract),
            filter: None,
        };
        let (window, reduce) = match &operator.verb {
            Verb::ReduceByWindow { window, reduce }
            | Verb::ReduceByKeyAndWindow { window, reduce, .. } => (window, reduce.clone()),
            Verb::CountByWindow(window) | Verb::CountByValueAndWindow { window, .. } => {
                (window, counting)
            }
            _ => return None,
        };
        let keys = operator.verb.window_keys(&operator.output);
        let all: Vec<usize> = (0..keys).collect();
        let kept = match (&operator.verb, &reduce.filter) {
            (Verb::CountByValueAndWindow { .. }, _) => Kept::NotZero,
            (_, None) => Kept::All,
            (_, Some(call)) => Kept::Filter {
                sandbox: Box::new(self.sandbox(spec, call.plugin, &call.function, to)),
                picked: call.input.clone(),
            },
        };
        let inverse = reduce.inverse.as_ref().map(|inverse| match inverse {
            Inverse::Subtract => Inverting::Subtract,
            Inverse::Plugin { call, keys } => Inverting::Plugin {
                sandbox: Box::new(self.sandbox(spec, call.plugin, &call.function, to)),
                values: call.input.clone(),
                keys: keys.clone().unwrap_or_default(),
                output: values_of(&operator.output, all.len()),
            },
        });
        let (maker, to_fold, permit) = (self.clone(), *to.to, to.permit.clone());
        let step = spec.clone();
        let columns = match &operator.verb {
            Verb::ReduceByKeyAndWindow { keys, .. } => keys.clone(),
            _ => all,
        };
        let fold = move || {
            let making = Making {
                to: &to_fold,
                permit: &permit,
                spent: Usage::default(),
            };
            let operator = &maker.0.topology.operators[step.operator.0];
            maker.reduction(&step, operator, reduce.reducer.clone(), &columns, &making)
        };
        let states = match state {
            Some(PartitionState::Window(states)) => states,
            _ => WindowStates::default(),
        };
        let spec = WindowSpec {
            window: *window,
            every: operator.every,
            number: to.to.number,
            emits: to.to.emits && to.to.number.is_multiple_of(operator.every.get()),
            keys,
            output: operator.output.clone(),
            fold: Box::new(fold),
            inverse,
            kept,
        };
        Some(WindowStep::new(spec, states))
    }
}
