//! `map-values` and `flat-map-values`.

use super::{
    aggregate::Rows,
    call, columns,
    functions::Wanted,
    keys,
    operator::{Meaning, Site},
    reduced, streams, transform,
};
use crate::{
    model::Role,
    topology::{Verb, manifest::FunctionRef, problem::Problems},
};

/// Checks a verb whose function sees the values, while the keys stay.
pub(crate) fn map_values(
    reference: &FunctionRef,
    wanted: Wanted,
    site: Site<'_>,
    problems: &mut Problems,
) -> Meaning {
    let found = site.functions.find(reference, wanted, problems);
    let keys = site
        .input
        .and_then(|input| Some((input, keys::key_columns(site, input, problems)?)));
    let (Some(found), Some((input, keys))) = (found, keys) else {
        return (None, None);
    };
    let Role::Transform(transform) = &found.function.role else {
        return (None, None); // `find` answers with what was wanted
    };
    let at = reference.at;
    if !transform::has_no_sides(&found, transform, wanted, at, problems) {
        return (None, None);
    }
    let values = columns::except(input, &keys);
    let part = "the stream's value";
    let wanted_columns = found.function.input.as_ref();
    let selected = call::columns_for(&found, wanted_columns, &values, part, at, problems);
    let Some(selected) = selected else {
        return (None, None);
    };
    let output = call::output(site, &found, &transform.output, &selected, at, problems);
    let rows = Rows {
        keys: Some(columns::at(input, &keys)),
        values,
    };
    let output = output.and_then(|output| {
        let fields = reduced::placed(&rows, output.fields());
        let name = &site.entry.name;
        streams::schema(fields, &format!("`{}`", name.value), name.at, problems)
    });
    let call = call::call(&found, &selected);
    let verb = match wanted {
        Wanted::MapValues => Verb::MapValues { call, keys },
        _ => Verb::FlatMapValues { call, keys },
    };
    (Some(verb), output)
}
