//! How rows change their partition in the middle of a verb.

use std::num::NonZeroUsize;

use crate::{
    operator::Exchange,
    topology::{Operator, Verb},
};

/// Where the rows of an operator's inputs must go before it can do its work.
pub(super) enum Routes {
    /// Nowhere.
    Stay,
    /// Through an exchange in the middle of the verb.
    Move(Exchange),
    /// Both inputs, each through its exchange, to the same partitions.
    Meet(Exchange, Exchange),
}

pub(super) fn routes(operator: &Operator) -> Routes {
    let columns = operator.output.fields().len();
    let by = |keys: &[usize], partitions: NonZeroUsize| Exchange::ByKey {
        keys: keys.to_vec(),
        partitions: partitions.get(),
    };
    // Between the two parts of an aggregate the key columns come first.
    let first = |keys: usize, partitions: NonZeroUsize| Exchange::ByKey {
        keys: (0..keys).collect(),
        partitions: partitions.get(),
    };
    match &operator.verb {
        Verb::Map { .. }
        | Verb::FlatMap { .. }
        | Verb::Filter(_)
        | Verb::MapPartitions(_)
        | Verb::MapValues { .. }
        | Verb::FlatMapValues { .. }
        | Verb::Glom
        | Verb::Window(_)
        | Verb::Union => Routes::Stay,
        Verb::Reduce(_)
        | Verb::ReduceByWindow { .. }
        | Verb::Count
        | Verb::CountByWindow(_)
        | Verb::Sort { .. }
        | Verb::Top { .. }
        | Verb::Limit { .. } => Routes::Move(Exchange::Gather),
        // Whoever leaves out keys must have all rows of each, as they are.
        Verb::ReduceByKey {
            keys, partitions, ..
        } if operator.on_error.goes_on() => Routes::Move(by(keys, *partitions)),
        Verb::CombineByKey {
            keys, partitions, ..
        } if operator.on_error.goes_on() => Routes::Move(by(keys, *partitions)),
        Verb::ReduceByKey {
            keys, partitions, ..
        }
        | Verb::CombineByKey {
            keys,
            partitions,
            map_side: true,
            ..
        }
        | Verb::ReduceByKeyAndWindow {
            keys, partitions, ..
        } => Routes::Move(first(keys.len(), *partitions)),
        Verb::CombineByKey {
            keys, partitions, ..
        }
        | Verb::GroupByKey { keys, partitions }
        | Verb::GroupByKeyAndWindow {
            keys, partitions, ..
        } => Routes::Move(by(keys, *partitions)),
        // The keys are all columns of the input; the output has the count as one more.
        Verb::CountByValue { partitions } | Verb::CountByValueAndWindow { partitions, .. } => {
            Routes::Move(first(columns - 1, *partitions))
        }
        Verb::Distinct { partitions } => Routes::Move(first(columns, *partitions)),
        Verb::Repartition { partitions } => Routes::Move(Exchange::RoundRobin {
            partitions: partitions.get(),
        }),
        Verb::UpdateStateByKey(update) => {
            Routes::Move(by(&update.keyed.keys, update.keyed.partitions))
        }
        Verb::MapWithState(map) => Routes::Move(by(&map.keyed.keys, map.keyed.partitions)),
        Verb::Join(join) => Routes::Meet(
            by(&join.left_keys, join.partitions),
            by(&join.right_keys, join.partitions),
        ),
        Verb::Cogroup {
            left_keys,
            right_keys,
            partitions,
        } => Routes::Meet(by(left_keys, *partitions), by(right_keys, *partitions)),
        Verb::Transform { partitions, .. } => {
            let (main, side) = match partitions {
                None => (Exchange::Gather, Exchange::Gather),
                Some(partitions) => {
                    let partitions = partitions.get();
                    (
                        Exchange::RoundRobin { partitions },
                        Exchange::Broadcast { partitions },
                    )
                }
            };
            if operator.inputs.len() > 1 {
                Routes::Meet(main, side)
            } else {
                Routes::Move(main)
            }
        }
    }
}
