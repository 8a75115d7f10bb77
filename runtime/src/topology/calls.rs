//! Which functions of plugins a verb calls, and which data sets it wants.

use super::{Call, Inverse, PluginId, Reducer, ReferenceId, SideFrom, Verb, WindowReduce};

impl Verb {
    /// All its calls, in no particular order.
    pub fn calls(&self) -> Vec<Call> {
        let mut verb = self.clone();
        verb.calls_mut()
            .into_iter()
            .map(|call| call.clone())
            .collect()
    }

    fn calls_mut(&mut self) -> Vec<&mut Call> {
        let mut calls = Vec::new();
        match self {
            Self::Map { call, fused } | Self::FlatMap { call, fused } => {
                calls.push(call);
                let fused = fused.iter_mut();
                calls.extend(fused.filter_map(|fused| called_mut(&mut fused.combine)));
            }
            Self::Filter(call)
            | Self::MapPartitions(call)
            | Self::MapValues { call, .. }
            | Self::FlatMapValues { call, .. }
            | Self::Transform { call, .. } => calls.push(call),
            Self::Reduce(reducer) | Self::ReduceByKey { reducer, .. } => {
                calls.extend(called_mut(reducer));
            }
            Self::CombineByKey { create, merge, .. } => {
                calls.extend(called_mut(create));
                calls.extend(called_mut(merge));
            }
            Self::UpdateStateByKey(update) => calls.push(&mut update.keyed.call),
            Self::MapWithState(map) => calls.push(&mut map.keyed.call),
            Self::ReduceByWindow { reduce, .. } | Self::ReduceByKeyAndWindow { reduce, .. } => {
                let WindowReduce {
                    reducer,
                    inverse,
                    filter,
                } = reduce;
                calls.extend(called_mut(reducer));
                if let Some(Inverse::Plugin { call, .. }) = inverse {
                    calls.push(call);
                }
                calls.extend(filter);
            }
            Self::Union
            | Self::Window(_)
            | Self::Glom
            | Self::GroupByKey { .. }
            | Self::Join { .. }
            | Self::Cogroup { .. }
            | Self::CountByWindow(_)
            | Self::CountByValueAndWindow { .. }
            | Self::GroupByKeyAndWindow { .. }
            | Self::Count
            | Self::CountByValue { .. }
            | Self::Repartition { .. }
            | Self::Distinct { .. }
            | Self::Sort { .. }
            | Self::Top { .. }
            | Self::Limit { .. } => {}
        }
        calls
    }

    /// The same verb among other plugins and data sets; one that is not there has no place.
    pub(super) fn among(
        mut self,
        plugin: impl Fn(PluginId) -> Option<PluginId>,
        reference: impl Fn(ReferenceId) -> Option<ReferenceId>,
    ) -> Self {
        for call in self.calls_mut() {
            call.plugin = plugin(call.plugin).unwrap_or(PluginId(usize::MAX));
            for side in &mut call.sides {
                if let SideFrom::Reference(id) = &mut side.from {
                    *id = reference(*id).unwrap_or(ReferenceId(usize::MAX));
                }
            }
        }
        let initial = match &mut self {
            Self::UpdateStateByKey(update) => &mut update.keyed.initial,
            Self::MapWithState(map) => &mut map.keyed.initial,
            _ => return self,
        };
        *initial = initial.map(|id| reference(id).unwrap_or(ReferenceId(usize::MAX)));
        self
    }
}

fn called_mut(reducer: &mut Reducer) -> Option<&mut Call> {
    match reducer {
        Reducer::Plugin { call, .. } => Some(call),
        Reducer::Std(_) => None,
    }
}
