//! `combine-by-key`: one function makes combiners, another merges them.

use super::{
    aggregate::{self, Rows},
    functions::{Found, Wanted},
    operator::{Meaning, Site},
};
use crate::{
    model::{Role, Schema},
    topology::{
        Reducer, StdFunction, Verb,
        manifest::{FunctionOwner, FunctionRef},
        problem::{ProblemKind, Problems},
    },
};

/// Checks a `combine-by-key`.
pub(crate) fn check(reference: &FunctionRef, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let wanted = Wanted::CombineByKey;
    let Some((rows, keys)) = aggregate::pairs(site, problems) else {
        aggregate::find_only(reference, wanted, site, problems);
        return (None, None);
    };
    let created = aggregate::reducer(reference, wanted, site, &rows, problems);
    let Some((create, fields)) = created else {
        return (None, None);
    };
    let Some(output) = aggregate::schema(fields, site, problems) else {
        return (None, None);
    };
    let merge = match &create {
        Reducer::Std(StdFunction::Count) => Some(Reducer::Std(StdFunction::Sum)),
        Reducer::Std(function) => Some(Reducer::Std(*function)),
        Reducer::Plugin { .. } => merge(reference, site, &output, keys.len(), problems),
    };
    let verb = merge.map(|merge| Verb::CombineByKey {
        create,
        merge,
        keys,
        partitions: site.partitions,
        map_side: site.entry.map_side,
    });
    (verb, Some(output))
}

/// What merges the combiners, which are the rows of `output`.
fn merge(
    reference: &FunctionRef,
    site: Site<'_>,
    output: &Schema,
    keys: usize,
    problems: &mut Problems,
) -> Option<Reducer> {
    let wanted = Wanted::CombineByKey;
    let create = site.functions.find(reference, wanted, problems)?;
    let Role::Aggregate(aggregate) = &create.function.role else {
        return None; // `find` answers with what was wanted
    };
    let at = reference.at;
    let merge = match &aggregate.merge {
        Some(merge) => of_same_plugin(&create, reference, merge, site, problems)?,
        None if aggregate.associative => create, // a part is merged as a value is
        None => {
            let kind = ProblemKind::UnfitFunction {
                function: create.function.name.clone(),
                why: "does not say what merges the parts that it makes, and is not declared associative".to_owned(),
            };
            let problem = problems.report(kind, at);
            problem.help("let the plugin name its `merge`, or write reduce-by-key, which gives all values of a key to one call");
            return None;
        }
    };
    let Role::Aggregate(merges) = &merge.function.role else {
        return None;
    };
    if !merges.associative {
        let kind = ProblemKind::NotAssociative {
            function: merge.function.name.clone(),
            verb: site.verb,
        };
        let problem = problems.report(kind, at);
        problem.help("what merges parts must be declared associative by the plugin");
        return None;
    }
    let rows = Rows::of_result(output, keys);
    let (reducer, _) = aggregate::plugin_reducer(&merge, wanted, &rows, at, problems)?;
    Some(reducer)
}

/// Another function of the plugin that `of` belongs to, which names it.
pub(crate) fn of_same_plugin<'a>(
    of: &Found<'a>,
    reference: &FunctionRef,
    name: &str,
    site: Site<'a>,
    problems: &mut Problems,
) -> Option<Found<'a>> {
    let reference = FunctionRef {
        owner: match &of.alias {
            None => FunctionOwner::Default,
            Some(alias) => FunctionOwner::Plugin(alias.to_string()),
        },
        name: name.to_owned(),
        at: reference.at,
    };
    site.functions
        .find(&reference, Wanted::ReduceByKey, problems)
}
