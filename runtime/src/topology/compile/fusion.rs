//! Functions that stand for an operator and the reduce-by-key after it.

use super::{
    aggregate::{self, Rows},
    call,
    columns::{self, Column},
    functions::{Found, Wanted},
    operator::Site,
};
use crate::{
    model::{Function, Role, Schema, TransformFunction, TransformVerb},
    topology::{FusedCall, Reducer, StdFunction, problem::Problems},
};

/// The functions of the same plugin that do `first` and then combine by key, and may be called in
/// its stead: what goes in and comes out is the same.
pub(crate) fn fused_calls(
    site: Site<'_>,
    first: &Found<'_>,
    input: &[Column<'_>],
    output: &Schema,
) -> Vec<FusedCall> {
    let candidates = first.info.functions.iter();
    let fused = candidates.filter_map(|function| {
        let Role::Transform(transform) = &function.role else {
            return None;
        };
        let fusion = transform.fusion.as_ref()?;
        let stands_for_first = fusion.first == first.function.name
            && transform.verb == TransformVerb::MapPartitions
            && transform.sides.is_empty()
            && function.input == first.function.input
            && puts_out(site, first, function, transform, input, output);
        if !stands_for_first {
            return None;
        }
        Some(FusedCall {
            function: function.name.clone(),
            combine: combine(&fusion.combine, first, output)?,
        })
    });
    fused.collect()
}

fn puts_out(
    site: Site<'_>,
    first: &Found<'_>,
    function: &Function,
    transform: &TransformFunction,
    input: &[Column<'_>],
    output: &Schema,
) -> bool {
    let fused = Found { function, ..*first };
    let resolved = call::resolve(site, &fused, input);
    let own = match &resolved {
        None => &transform.output,
        Some(Ok(own)) => own,
        Some(Err(_)) => return false,
    };
    columns::same_types(own.fields().iter(), output.fields().iter())
}

/// What the reduce-by-key must reduce with: what that operator's own check makes of the same
/// function, so that the two can be compared. Only an associative one can be applied in parts.
fn combine(name: &str, first: &Found<'_>, output: &Schema) -> Option<Reducer> {
    let keys = output.shape().key_columns()?;
    let rows = Rows {
        keys: Some(columns::at(output, &keys)),
        values: columns::except(output, &keys),
    };
    // A function that does not fit is no problem of the topology: the two are simply not fused.
    let mut problems = Problems::default();
    let nowhere = 0.into();
    if let Some(name) = name.strip_prefix("std:") {
        let function = StdFunction::ALL.into_iter().find(|f| f.name() == name)?;
        aggregate::check_std(function, &rows, nowhere, &mut problems)?;
        return Some(Reducer::Std(function));
    }
    let function = first.info.function(name)?;
    let found = Found { function, ..*first };
    let wanted = Wanted::ReduceByKey;
    let (reducer, _) = aggregate::plugin_reducer(&found, wanted, &rows, nowhere, &mut problems)?;
    matches!(
        reducer,
        Reducer::Plugin {
            associative: true,
            ..
        }
    )
    .then_some(reducer)
}
