//! What an operator does and puts out, verb by verb.

use std::num::NonZeroUsize;

use super::{
    aggregate,
    functions::Functions,
    rows,
    transform::{self},
};
use crate::{
    model::{Schema, TransformVerb},
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
}

/// What a verb is checked against.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) entry: &'a OperatorEntry,
    pub(crate) functions: Functions<'a>,
    /// Columns of what goes in; none if not known.
    pub(crate) input: Option<&'a Schema>,
    /// Of the result of a shuffle.
    pub(crate) partitions: NonZeroUsize,
}

/// The verb and what comes out; each none if not known, which has been reported.
pub(crate) type Meaning = (Option<Verb>, Option<Schema>);

/// Checks one operator, given the columns of its inputs as far as they are known.
pub(crate) fn check(
    entry: &OperatorEntry,
    inputs: &[Option<Schema>],
    functions: Functions<'_>,
    parallelism: NonZeroUsize,
    problems: &mut Problems,
) -> Checked {
    // Of a union, whose streams are alike, any that is known.
    let input = inputs.iter().flatten().next().cloned();
    let Some(verb) = &entry.verb else {
        return Checked {
            input,
            verb: None,
            output: None,
        };
    };
    let site = Site {
        entry,
        functions,
        input: input.as_ref(),
        partitions: entry.partitions.unwrap_or(parallelism),
    };
    if verb.value == VerbEntry::Union {
        rows::check_union(entry, inputs, problems);
    } else {
        check_one_input(entry, verb.value.name(), problems);
    }
    let (verb, output) = meaning(&verb.value, site, problems);
    Checked {
        input,
        verb,
        output,
    }
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
