//! `map`, `flat-map`, `map-partitions` and `filter`.

use super::{
    call, columns,
    functions::Wanted,
    fusion,
    operator::{Meaning, Site},
    sides,
};
use crate::{
    model::{Role, TransformVerb},
    topology::{
        Call, FusedCall, Verb,
        manifest::FunctionRef,
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
    let wanted = Wanted::Transform(verb);
    let Some(found) = site.functions.find(reference, wanted, problems) else {
        return (None, None);
    };
    let Role::Transform(transform) = &found.function.role else {
        return (None, None); // `find` answers with what was wanted
    };
    let at = reference.at;
    let sides = sides::check(&found, transform, at, site, problems);
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
    let fused = match &output {
        Some(output) if verb != TransformVerb::MapPartitions => {
            fusion::fused_calls(site, &found, &selected, output)
        }
        _ => Vec::new(),
    };
    let Some(sides) = sides else {
        return (None, output);
    };
    let call = Call {
        sides,
        ..call::call(&found, &selected)
    };
    (Some(transform_verb(verb, call, fused, site)), output)
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
