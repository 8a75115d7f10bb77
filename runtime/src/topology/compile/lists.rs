//! Verbs that make lists of columns: `glom`, `group-by-key`.

use super::{
    columns::{self, Column},
    keys,
    operator::{Meaning, Site},
    rows, streams,
};
use crate::{
    model::{Field, Schema},
    topology::{
        Verb,
        problem::{ProblemKind, Problems},
    },
};

/// Checks a `glom`: a row for each partition, each a list of what the rows were.
pub(crate) fn glom(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some(input) = site.input else {
        return (Some(Verb::Glom), None);
    };
    let all = columns::all(input);
    if !can_be_listed(&all, site, problems) {
        return (None, None);
    }
    let fields = all.iter().map(|column| Field {
        name: rows::nested(&column.field.name, "value", input.shape()),
        listed: true,
        ..column.field.clone()
    });
    (Some(Verb::Glom), schema(fields.collect(), site, problems))
}

/// Checks a `group-by-key`.
pub(crate) fn group_by_key(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some((keys, fields)) = grouped(site, problems) else {
        return (None, None);
    };
    let partitions = site.partitions;
    let verb = Verb::GroupByKey { keys, partitions };
    (Some(verb), schema(fields, site, problems))
}

/// Checks a `group-by-key-and-window`.
pub(crate) fn group_by_key_and_window(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some((keys, fields)) = grouped(site, problems) else {
        return (None, None);
    };
    let partitions = site.partitions;
    let verb = site.slides.window.map(|window| Verb::GroupByKeyAndWindow {
        window,
        keys,
        partitions,
    });
    (verb, schema(fields, site, problems))
}

/// The key columns, and the columns of keys with lists of values.
fn grouped(site: Site<'_>, problems: &mut Problems) -> Option<(Vec<usize>, Vec<Field>)> {
    let input = site.input?;
    let keys = keys::key_columns(site, input, problems)?;
    let values = columns::except(input, &keys);
    if values.is_empty() {
        report_no_value(input, site, problems);
        return None;
    }
    if !can_be_listed(&values, site, problems) {
        return None;
    }
    let key_fields = columns::at(input, &keys)
        .into_iter()
        .map(|key| key.field.clone());
    let value_fields = values.iter().map(|value| Field {
        name: value.field.name.clone(),
        listed: true,
        ..value.field.clone()
    });
    let fields = key_fields.chain(value_fields).collect();
    Some((keys, fields))
}

/// Reports that nothing is left besides the key.
pub(crate) fn report_no_value(input: &Schema, site: Site<'_>, problems: &mut Problems) {
    let kind = ProblemKind::NoValue {
        verb: site.verb,
        found: input.clone(),
    };
    let problem = problems.report(kind, site.at);
    problem.help("leave a column out of `key`, or add one with a `map` first");
}

/// Reports a column that is a list already.
pub(crate) fn can_be_listed(found: &[Column<'_>], site: Site<'_>, problems: &mut Problems) -> bool {
    let Some(list) = found.iter().find(|column| column.field.listed) else {
        return true;
    };
    let kind = ProblemKind::NestedLists {
        verb: site.verb,
        found: columns::describe(found),
        column: list.field.name.clone(),
    };
    let problem = problems.report(kind, site.at);
    problem.help("make one row of each item first, with a `flat-map` or `flat-map-values`");
    false
}

fn schema(fields: Vec<Field>, site: Site<'_>, problems: &mut Problems) -> Option<Schema> {
    let name = &site.entry.name;
    streams::schema(fields, &format!("`{}`", name.value), name.at, problems)
}
