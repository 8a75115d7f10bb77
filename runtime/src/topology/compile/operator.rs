//! What an operator does and puts out, verb by verb.

use std::{
    cell::RefCell,
    num::{NonZeroU64, NonZeroUsize},
    path::Path,
};

use miette::SourceSpan;

use super::{
    aggregate, combine,
    functions::{Functions, Wanted},
    join, keyed, lists, rows,
    slides::{self, Slides},
    state,
    transform::{self},
    window,
};
use crate::{
    model::{BatchInterval, Schema, StatefulVerb, TransformVerb},
    topology::{
        OnError, Reference, Verb,
        manifest::{OperatorEntry, VerbEntry},
        problem::{ProblemKind, Problems},
    },
};

/// An operator as far as it could be checked. What is missing has been reported, here or at what
/// it reads from.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) input: Option<Schema>,
    pub(crate) every: Option<NonZeroU64>,
    pub(crate) verb: Option<Verb>,
    pub(crate) output: Option<Schema>,
    /// None also if it has none.
    pub(crate) snapshots: Option<Schema>,
}

/// What is known of an input.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    pub(crate) schema: Option<Schema>,
    /// Its slide, in batch intervals.
    pub(crate) every: Option<NonZeroU64>,
}

/// What holds for all operators.
pub(crate) struct Whole<'a> {
    pub(crate) functions: Functions<'a>,
    /// Of the result of a shuffle.
    pub(crate) parallelism: NonZeroUsize,
    /// None if it is not valid.
    pub(crate) interval: Option<BatchInterval>,
    pub(crate) base_dir: &'a Path,
    /// State may be kept: there is a place for it, or none is needed.
    pub(crate) has_checkpoint: bool,
    /// Data sets that operators want, in the order in which they were met.
    pub(crate) references: RefCell<Vec<Reference>>,
}

/// What a verb is checked against.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) entry: &'a OperatorEntry,
    pub(crate) whole: &'a Whole<'a>,
    pub(crate) functions: Functions<'a>,
    /// As topologies write it.
    pub(crate) verb: &'static str,
    /// Place of the verb.
    pub(crate) at: SourceSpan,
    /// Columns of what goes in; none if not known.
    pub(crate) input: Option<&'a Schema>,
    /// Columns of the second input; none if not known.
    pub(crate) second: Option<&'a Schema>,
    pub(crate) slides: Slides,
    /// Of the result of a shuffle.
    pub(crate) partitions: NonZeroUsize,
}

/// The verb and what comes out; each none if not known, which has been reported.
pub(crate) type Meaning = (Option<Verb>, Option<Schema>);

/// Checks one operator, given its inputs as far as they are known.
pub(crate) fn check(
    entry: &OperatorEntry,
    inputs: &[Input],
    whole: &Whole<'_>,
    problems: &mut Problems,
) -> Checked {
    let is_union = matches!(&entry.verb, Some(verb) if verb.value == VerbEntry::Union);
    let input = if is_union {
        // Of a union, whose streams are alike, any that is known.
        inputs.iter().find_map(|input| input.schema.clone())
    } else {
        inputs.first().and_then(|input| input.schema.clone())
    };
    let slides = slides::check(entry, inputs, whole, problems);
    let mut checked = Checked {
        input,
        every: slides.every,
        verb: None,
        output: None,
        snapshots: None,
    };
    let Some(verb) = &entry.verb else {
        return checked;
    };
    let site = Site {
        entry,
        whole,
        functions: whole.functions,
        verb: verb.value.name(),
        at: verb.at,
        input: checked.input.as_ref(),
        second: inputs.get(1).and_then(|input| input.schema.as_ref()),
        slides,
        partitions: entry.partitions.unwrap_or(whole.parallelism),
    };
    if is_union {
        rows::check_union(entry, inputs, problems);
    } else {
        check_inputs(entry, &verb.value, problems);
    }
    if let Some(on_error) = &entry.on_error
        && on_error.value == OnError::DeadLetter
        && !whole.has_checkpoint
    {
        let what = "`on-error = \"dead-letter\"`".to_owned();
        problems
            .report(ProblemKind::NoCheckpoint { what }, on_error.at)
            .help("dead letters are kept there: write checkpoint = \"checkpoints\" at the top, or on-error = \"skip\"");
    }
    let (verb, output) = meaning(&verb.value, site, problems);
    let snapshots = match &verb {
        Some(Verb::MapWithState(state)) => state::snapshots(&state.keyed, site, problems),
        _ => None,
    };
    checked.verb = verb;
    checked.output = output;
    checked.snapshots = snapshots;
    checked
}

/// Checks the number of inputs.
fn check_inputs(entry: &OperatorEntry, verb: &VerbEntry, problems: &mut Problems) {
    let found = entry.inputs.len();
    let two = verb.has_two_inputs();
    let (most, wanted) = match verb {
        _ if two => (2, "two"),
        VerbEntry::Transform(_) => (2, "one or two"),
        _ => (1, "one"),
    };
    if found == 0 || (found <= most && (found == 2 || !two)) {
        return; // that there is none has been reported
    }
    let at = entry.inputs.get(most).unwrap_or(&entry.name).at;
    let kind = ProblemKind::Inputs {
        of: format!("operator `{}`", entry.name.value),
        verb: format!("`{}`", verb.name()),
        wanted,
        found,
    };
    problems.report(kind, at).help(if two && found == 1 {
        "write input = [\"a\", \"b\"], or with = \"b\" beside input = \"a\""
    } else {
        "join them with a `union` operator first"
    });
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
        VerbEntry::Transform(_) | VerbEntry::TransformWith(_) => {
            transform::whole_batch(verb, site, problems)
        }
        VerbEntry::MapValues(function) => {
            keyed::map_values(function, Wanted::MapValues, site, problems)
        }
        VerbEntry::FlatMapValues(function) => {
            keyed::map_values(function, Wanted::FlatMapValues, site, problems)
        }
        VerbEntry::Glom => lists::glom(site, problems),
        VerbEntry::GroupByKey => lists::group_by_key(site, problems),
        VerbEntry::CombineByKey(function) => combine::check(function, site, problems),
        VerbEntry::Join(kind) => join::check(*kind, site, problems),
        VerbEntry::Cogroup => join::cogroup(site, problems),
        VerbEntry::UpdateStateByKey(function) => {
            state::check(function, StatefulVerb::UpdateStateByKey, site, problems)
        }
        VerbEntry::MapWithState(function) => {
            state::check(function, StatefulVerb::MapWithState, site, problems)
        }
        VerbEntry::Window => (site.slides.window.map(Verb::Window), same()),
        VerbEntry::ReduceByWindow(function) => window::reduce(function, site, problems),
        VerbEntry::ReduceByKeyAndWindow(function) => {
            window::reduce_by_key(function, site, problems)
        }
        VerbEntry::CountByWindow => window::count(site, problems),
        VerbEntry::CountByValueAndWindow => window::count_by_value(site, problems),
        VerbEntry::GroupByKeyAndWindow => lists::group_by_key_and_window(site, problems),
        VerbEntry::Filter(function) => (transform::filter(function, site, problems), same()),
        VerbEntry::Reduce(function) => aggregate::reduce(function, site, problems),
        VerbEntry::ReduceByKey(function) => aggregate::reduce_by_key(function, site, problems),
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
