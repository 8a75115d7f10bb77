//! Verbs over keys and values: `map-values`, `flat-map-values`, `group-by-key`, `combine-by-key`;
//! and `glom`.

use super::{
    aggregate::{self, Rows},
    call, columns,
    functions::Wanted,
    keys,
    operator::{Meaning, Site},
    reduced,
};
use crate::{
    model::{Field, Role, Schema, Shape, TransformVerb},
    topology::{
        Reducer, Verb,
        manifest::{FunctionOwner, FunctionRef},
        problem::{ProblemKind, Problems},
    },
};

/// The key columns of the stream, and its rows parted by them.
pub(crate) fn parted<'a>(
    site: Site<'a>,
    problems: &mut Problems,
) -> Option<(Vec<usize>, Rows<'a>)> {
    let input = site.input?;
    let keys = keys::key_columns(site, input, problems)?;
    let rows = Rows {
        keys: Some(columns::at(input, &keys)),
        values: columns::except(input, &keys),
    };
    Some((keys, rows))
}

/// Checks `map-values` and `flat-map-values`.
pub(crate) fn values(
    reference: &FunctionRef,
    verb: TransformVerb,
    site: Site<'_>,
    problems: &mut Problems,
) -> Meaning {
    let wanted = Wanted::Values(verb, site.verb);
    let found = site.functions.find(reference, wanted, problems);
    let parted = parted(site, problems);
    let (Some(found), Some((keys, rows))) = (found, parted) else {
        return (None, None);
    };
    let Role::Transform(transform) = &found.function.role else {
        return (None, None); // `find` answers with what was wanted
    };
    let at = reference.at;
    let wanted = found.function.input.as_ref();
    let part = "the stream's value";
    let Some(selected) = call::columns_for(&found, wanted, &rows.values, part, at, problems) else {
        return (None, None);
    };
    let output = call::output(site, &found, &transform.output, &selected, at, problems);
    let output = output.and_then(|output| {
        let fields = reduced::fields(&rows, &selected, output.fields());
        aggregate::schema(fields, site, problems)
    });
    let call = call::call(&found, &selected);
    let verb = match verb {
        TransformVerb::Map => Verb::MapValues { call, keys },
        _ => Verb::FlatMapValues { call, keys },
    };
    (Some(verb), output)
}

/// What `glom` puts out: each row of the partition an item of one list.
pub(crate) fn glom(site: Site<'_>, problems: &mut Problems) -> Option<Schema> {
    let input = site.input?;
    let plain = matches!(input.shape(), Shape::Plain(_));
    let tuple = matches!(input.shape(), Shape::Pair { .. });
    let listed = input.fields().iter().map(|field| {
        let name = match field.name.split_once('.') {
            _ if plain => field.name.clone(),
            Some(("key", rest)) if tuple => format!("value.0.{rest}"),
            Some((_, rest)) if tuple => format!("value.1.{rest}"),
            None if tuple && field.name == "key" => "value.0".to_owned(),
            None if tuple => "value.1".to_owned(),
            _ => format!("value.{}", field.name),
        };
        Field {
            name,
            ..field.clone()
        }
    });
    let fields = as_lists(listed.collect(), site, problems)?;
    aggregate::schema(fields, site, problems)
}

/// Each column as a list; reports one that is a list already.
pub(crate) fn as_lists(
    mut fields: Vec<Field>,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Vec<Field>> {
    for field in &mut fields {
        if field.listed {
            let kind = ProblemKind::BadValue {
                key: site.verb.to_owned(),
                why: format!("makes lists, and `{}` is a list already", field.name),
            };
            let problem = problems.report(kind, site.at);
            problem.help("take the list apart first, with a `flat-map`");
            return None;
        }
        field.listed = true;
    }
    Some(fields)
}

/// Key columns, then the others as lists.
pub(crate) fn grouped(rows: &Rows<'_>, site: Site<'_>, problems: &mut Problems) -> Option<Schema> {
    let values = rows.values.iter().map(|value| value.field.clone());
    let values = as_lists(values.collect(), site, problems)?;
    if values.is_empty() {
        let kind = ProblemKind::BadValue {
            key: site.verb.to_owned(),
            why: "has nothing to group: every column is a key".to_owned(),
        };
        problems.report(kind, site.at);
        return None;
    }
    let keys = rows.keys.iter().flatten().map(|key| key.field.clone());
    aggregate::schema(keys.chain(values).collect(), site, problems)
}

/// Checks `group-by-key`.
pub(crate) fn group_by_key(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some((keys, rows)) = parted(site, problems) else {
        return (None, None);
    };
    let partitions = site.partitions;
    let output = grouped(&rows, site, problems);
    (Some(Verb::GroupByKey { keys, partitions }), output)
}

/// Checks `combine-by-key`: a function that makes a combiner, and the one that it says merges them.
pub(crate) fn combine_by_key(
    reference: &FunctionRef,
    site: Site<'_>,
    problems: &mut Problems,
) -> Meaning {
    let wanted = Wanted::Aggregate("combine-by-key");
    let Some((keys, rows)) = parted(site, problems) else {
        aggregate::find_only(reference, wanted, site, problems);
        return (None, None);
    };
    let partitions = site.partitions;
    let Some((create, fields)) = aggregate::reducer(reference, wanted, site, &rows, problems)
    else {
        return (None, None);
    };
    let Some(merge) = merge(reference, &create, &fields, keys.len(), site, problems) else {
        return (None, None);
    };
    let verb = Verb::CombineByKey {
        create,
        merge,
        keys,
        partitions,
        map_side: site.entry.map_side,
    };
    (Some(verb), aggregate::schema(fields, site, problems))
}

/// The function that merges what `create` makes: the one it names, or itself if it is associative.
fn merge(
    reference: &FunctionRef,
    create: &Reducer,
    combined: &[Field],
    keys: usize,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Reducer> {
    if reference.owner == FunctionOwner::Std {
        return Some(create.clone());
    }
    let wanted = Wanted::Aggregate("combine-by-key");
    let found = site.functions.find(reference, wanted, problems)?;
    let Role::Aggregate(aggregate) = &found.function.role else {
        return None; // `find` answers with what was wanted
    };
    let name = match &aggregate.merge {
        Some(merge) => merge.clone(),
        None if aggregate.associative => reference.name.clone(),
        None => {
            let kind = ProblemKind::NoCounterpart {
                function: reference.name.clone(),
                what: "function that merges what it makes",
            };
            let problem = problems.report(kind, reference.at);
            problem.help("let it name one in `merge`, or call it with `reduce-by-key`");
            return None;
        }
    };
    let reference = FunctionRef {
        name,
        ..reference.clone()
    };
    let schema = aggregate::schema(combined.to_vec(), site, problems)?;
    let combiners = Rows {
        keys: Some(columns::at(&schema, &(0..keys).collect::<Vec<_>>())),
        values: columns::all(&schema).split_off(keys),
    };
    let (merge, _) = aggregate::reducer(&reference, wanted, site, &combiners, problems)?;
    match &merge {
        Reducer::Plugin {
            associative: false, ..
        } => {
            let kind = ProblemKind::NotAssociative {
                function: reference.name.clone(),
                verb: "combine-by-key",
            };
            problems.report(kind, reference.at);
            None
        }
        _ => Some(merge),
    }
}
