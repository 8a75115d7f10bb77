//! What an operator does and puts out, verb by verb.

use std::num::{NonZeroU64, NonZeroUsize};

use miette::SourceSpan;

use super::{
    aggregate, functions::Functions, joins, pairs, rows, sides, slides, stateful, streams::Ports,
    transform, windows,
};
use crate::{
    model::{BatchInterval, Schema, TransformVerb},
    topology::{
        Verb,
        manifest::{OperatorEntry, VerbEntry},
        problem::{ProblemKind, Problems},
    },
};

/// An operator as far as it could be checked. What is missing has been reported, here or at what
/// it reads from.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) input: Option<Schema>,
    pub(crate) verb: Option<Verb>,
    pub(crate) output: Option<Schema>,
    /// Of `x.snapshots`.
    pub(crate) snapshots: Option<Schema>,
    /// Its slide, in batch intervals.
    pub(crate) every: NonZeroU64,
    /// Of its files, in their order.
    pub(crate) data_sets: Vec<Option<Schema>>,
}

/// What a verb is checked against.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) entry: &'a OperatorEntry,
    /// As topologies write it.
    pub(crate) verb: &'static str,
    /// Where it is written: the function, if it names one.
    pub(crate) at: SourceSpan,
    pub(crate) functions: Functions<'a>,
    /// Columns of what goes in; none if not known.
    pub(crate) input: Option<&'a Schema>,
    /// It reads two streams.
    pub(crate) has_second: bool,
    /// Columns of the second; none if not known.
    pub(crate) second: Option<&'a Schema>,
    /// Of the result of a shuffle.
    pub(crate) partitions: NonZeroUsize,
    /// The slide of what goes in, in batch intervals.
    pub(crate) of: NonZeroU64,
    /// The number of its first file among those of all operators.
    pub(crate) first_data_set: usize,
    pub(crate) around: Around,
}

/// What all operators of a topology share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    pub(crate) parallelism: NonZeroUsize,
    /// None if it could not be read.
    pub(crate) interval: Option<BatchInterval>,
    /// State has a place, or needs none.
    pub(crate) has_checkpoint: bool,
}

/// The verb and what comes out; each none if not known, which has been reported.
pub(crate) type Meaning = (Option<Verb>, Option<Schema>);

/// Checks one operator, given what is known of its inputs.
pub(crate) fn check(
    entry: &OperatorEntry,
    inputs: &[Ports],
    functions: Functions<'_>,
    around: Around,
    first_data_set: usize,
    problems: &mut Problems,
) -> Checked {
    let schemas: Vec<_> = inputs.iter().map(|input| input.main.clone()).collect();
    let of = slides::common(entry, inputs, around.interval, problems);
    let Some(verb) = &entry.verb else {
        return Checked {
            input: schemas.into_iter().flatten().next(),
            verb: None,
            output: None,
            snapshots: None,
            every: of,
            data_sets: Vec::new(),
        };
    };
    let has_second = verb.value.has_second_input();
    // Of a union, whose streams are alike, any that is known.
    let input = match has_second {
        true => schemas.first().cloned().flatten(),
        false => schemas.iter().flatten().next().cloned(),
    };
    let site = Site {
        entry,
        verb: verb.value.name(),
        at: verb
            .value
            .function()
            .map_or(verb.at, |function| function.at),
        functions,
        input: input.as_ref(),
        has_second,
        second: schemas
            .get(1)
            .and_then(Option::as_ref)
            .filter(|_| has_second),
        partitions: entry.partitions.unwrap_or(around.parallelism),
        of,
        first_data_set,
        around,
    };
    let complete = if verb.value == VerbEntry::Union {
        rows::check_union(entry, &schemas, problems);
        true
    } else if has_second {
        check_two_inputs(site, problems)
    } else {
        check_one_input(entry, verb.value.name(), problems);
        true
    };
    let every = slides::of(site, &verb.value, problems);
    let (verb, output) = match complete {
        true => meaning(&verb.value, site, problems),
        false => (None, None),
    };
    let (snapshots, data_sets) = second_outputs(site, verb.as_ref());
    Checked {
        input,
        verb,
        output,
        snapshots,
        every,
        data_sets,
    }
}

/// What state is like: for `x.snapshots` and for an initial state.
fn second_outputs(site: Site<'_>, verb: Option<&Verb>) -> (Option<Schema>, Vec<Option<Schema>>) {
    let sets = &site.entry.data_sets;
    if let Some(keyed) = verb.and_then(Verb::keyed_state) {
        let state = site
            .input
            .and_then(|input| stateful::key_and_state(input, keyed));
        let sets = sets.iter().map(|_| state.clone()).collect();
        let is_map = matches!(verb, Some(Verb::MapWithState(_)));
        return (state.filter(|_| is_map), sets);
    }
    let function = site.entry.function();
    let found = function.and_then(|function| site.functions.peek(function));
    let sides = found.into_iter().flat_map(sides::of_function);
    let sides: Vec<_> = sides.collect();
    let schema = |name: Option<&str>| {
        let side = sides.iter().find(|side| Some(side.name.as_str()) == name)?;
        Some(side.input.as_ref())
    };
    let schemas = sets.iter().map(|set| {
        let wanted = schema(set.side.as_deref())?;
        Some(sides::data_set_schema(set, wanted))
    });
    (None, schemas.collect())
}

fn check_two_inputs(site: Site<'_>, problems: &mut Problems) -> bool {
    let found = site.entry.inputs.len();
    if found != 2 {
        let kind = ProblemKind::TwoInputs {
            verb: site.verb,
            found,
        };
        let problem = problems.report(kind, site.at);
        problem.help("write input = [\"first\", \"second\"], or name the second one in `with`");
    }
    found == 2
}

fn check_one_input(entry: &OperatorEntry, verb: &str, problems: &mut Problems) {
    if let [_, second, ..] = entry.inputs.as_slice() {
        let kind = ProblemKind::SeveralInputs {
            of: format!("operator `{}`", entry.name.value),
            verb: format!("`{verb}`"),
            found: entry.inputs.len(),
        };
        let problem = problems.report(kind, second.at);
        problem.help("join them with a `union` operator first");
    }
}

fn meaning(verb: &VerbEntry, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let partitions = site.partitions;
    let same = || site.input.cloned();
    match verb {
        VerbEntry::Map(function) => transform::check(function, TransformVerb::Map, site, problems),
        VerbEntry::FlatMap(function) => {
            transform::check(function, TransformVerb::FlatMap, site, problems)
        }
        VerbEntry::MapPartitions(function) => {
            transform::check(function, TransformVerb::MapPartitions, site, problems)
        }
        VerbEntry::Filter(function) => (transform::filter(function, site, problems), same()),
        VerbEntry::Reduce(function) => aggregate::reduce(function, site, problems),
        VerbEntry::ReduceByKey(function) => aggregate::reduce_by_key(function, site, problems),
        VerbEntry::MapValues(function) => {
            pairs::values(function, TransformVerb::Map, site, problems)
        }
        VerbEntry::FlatMapValues(function) => {
            pairs::values(function, TransformVerb::FlatMap, site, problems)
        }
        VerbEntry::Glom => (Some(Verb::Glom), pairs::glom(site, problems)),
        VerbEntry::GroupByKey => pairs::group_by_key(site, problems),
        VerbEntry::CombineByKey(function) => pairs::combine_by_key(function, site, problems),
        VerbEntry::Join(kind) => joins::join(*kind, site, problems),
        VerbEntry::Cogroup => joins::cogroup(site, problems),
        VerbEntry::Transform(function) | VerbEntry::TransformWith(function) => {
            transform::check(function, TransformVerb::Transform, site, problems)
        }
        VerbEntry::UpdateStateByKey(function) => stateful::update(function, site, problems),
        VerbEntry::MapWithState(function) => stateful::map(function, site, problems),
        VerbEntry::Window => (windows::window(site, problems).map(Verb::Window), same()),
        VerbEntry::CountByWindow => windows::count(site, problems),
        VerbEntry::CountByValueAndWindow => windows::count_by_value(site, problems),
        VerbEntry::ReduceByWindow(function) => windows::reduce(function, site, problems),
        VerbEntry::ReduceByKeyAndWindow(function) => {
            windows::reduce_by_key(function, site, problems)
        }
        VerbEntry::GroupByKeyAndWindow => windows::group_by_key(site, problems),
        VerbEntry::Count => (Some(Verb::Count), Some(rows::count())),
        VerbEntry::CountByValue => {
            let output = rows::count_by_value(site, problems);
            (Some(Verb::CountByValue { partitions }), output)
        }
        VerbEntry::Union => (Some(Verb::Union), same()),
        VerbEntry::Repartition(partitions) => {
            let partitions = *partitions;
            (Some(Verb::Repartition { partitions }), same())
        }
        VerbEntry::Distinct => (Some(Verb::Distinct { partitions }), same()),
        VerbEntry::Sort(by) => {
            let by = rows::sort_keys(by, site.input, problems);
            (by.map(|by| Verb::Sort { by }), same())
        }
        VerbEntry::Top(n, by) => {
            let by = match by.is_empty() {
                true => site.input.map(rows::greatest_first),
                false => rows::sort_keys(by, site.input, problems),
            };
            (by.map(|by| Verb::Top { n: *n, by }), same())
        }
        VerbEntry::Limit(n) => (Some(Verb::Limit { n: *n }), same()),
    }
}
