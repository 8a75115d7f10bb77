//! `map`, `flat-map`, `map-partitions`, `transform` and `filter`.

use miette::SourceSpan;

use super::{
    call, columns,
    functions::{Found, Wanted},
    fusion,
    operator::{Meaning, Site},
    references,
};
use crate::{
    model::{Role, TransformFunction, TransformVerb},
    topology::{
        Call, FusedCall, Verb,
        manifest::{FunctionRef, VerbEntry},
        problem::{ProblemKind, Problems},
    },
};

/// Checks a verb that calls a `transform` function.
pub(crate) fn check(
    reference: &FunctionRef,
    verb: TransformVerb,
    site: Site<'_>,
    problems: &mut Problems,
) -> Meaning {
    let wanted = match site.entry.verb.as_ref().map(|verb| &verb.value) {
        Some(VerbEntry::TransformWith(_)) => Wanted::TransformWith,
        _ if site.entry.converts.is_some() => Wanted::Converter,
        _ => Wanted::Transform(verb),
    };
    let Some(found) = site.functions.find(reference, wanted, problems) else {
        return (None, None);
    };
    let Role::Transform(transform) = &found.function.role else {
        return (None, None); // `find` answers with what was wanted
    };
    let verb = match wanted {
        Wanted::Converter => transform.verb,
        _ => verb,
    };
    let at = reference.at;
    let sides = references::sides(&found, transform, reference, site, problems);
    // What comes out is known without the input, unless the plugin chooses it.
    let declared = (!found.info.resolves).then(|| transform.output.clone());
    let Some(input) = site.input else {
        return (None, declared);
    };
    let wanted = found.function.input.as_ref();
    let all = columns::all(input);
    let Some(selected) = call::columns_for(&found, wanted, &all, "the stream", at, problems) else {
        return (None, declared);
    };
    let output = call::output(site, &found, &transform.output, &selected, at, problems);
    let can_fuse = matches!(verb, TransformVerb::Map | TransformVerb::FlatMap);
    let fused = match &output {
        // A function with sides is fed them by its own name.
        Some(output) if can_fuse && transform.sides.is_empty() => {
            fusion::fused_calls(site, &found, &selected, output)
        }
        _ => Vec::new(),
    };
    let verb = sides.map(|sides| {
        let call = Call {
            sides,
            ..call::call(&found, &selected)
        };
        transform_verb(verb, call, fused, site)
    });
    (verb, output)
}

/// Checks a `transform` or `transform-with`.
pub(crate) fn whole_batch(verb: &VerbEntry, site: Site<'_>, problems: &mut Problems) -> Meaning {
    match verb.function() {
        Some(function) => check(function, TransformVerb::Transform, site, problems),
        None => (None, None), // both verbs have one
    }
}

/// Whether a function needs nothing but the rows; reports one that does.
pub(crate) fn has_no_sides(
    found: &Found<'_>,
    function: &TransformFunction,
    wanted: Wanted,
    at: SourceSpan,
    problems: &mut Problems,
) -> bool {
    let Some(side) = function.sides.first() else {
        return true;
    };
    let kind = ProblemKind::UnfitFunction {
        function: found.function.name.clone(),
        why: format!(
            "needs `{}` before its first row, which `{}` does not give it",
            side.name,
            wanted.verb()
        ),
    };
    let problem = problems.report(kind, at);
    problem.help("call it with `map`, `flat-map`, `map-partitions` or `transform`");
    false
}

fn transform_verb(verb: TransformVerb, call: Call, fused: Vec<FusedCall>, site: Site<'_>) -> Verb {
    match verb {
        TransformVerb::Map => Verb::Map { call, fused },
        TransformVerb::FlatMap => Verb::FlatMap { call, fused },
        TransformVerb::MapPartitions => Verb::MapPartitions(call),
        TransformVerb::Transform => Verb::Transform {
            call,
            partitions: site.entry.partitions,
        },
    }
}

/// Checks a filter; what comes out of it is what goes in.
pub(crate) fn filter(
    reference: &FunctionRef,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Verb> {
    let found = site.functions.find(reference, Wanted::Filter, problems)?;
    let all = columns::all(site.input?);
    let wanted = found.function.input.as_ref();
    let at = reference.at;
    let selected = call::columns_for(&found, wanted, &all, "the stream", at, problems)?;
    if let Some(Err(reason)) = call::resolve(site, &found, &selected) {
        let function = found.function.name.clone();
        problems.report(ProblemKind::Refused { function, reason }, at);
        return None;
    }
    Some(Verb::Filter(call::call(&found, &selected)))
}
