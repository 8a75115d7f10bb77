//! Verbs that the host does alone: `count`, `count-by-value`, `union`, `sort`, `top`.

use super::{
    keys,
    operator::{Input, Site},
    streams,
};
use crate::{
    model::{Field, Kind, Schema, Shape},
    topology::{
        SortKey,
        manifest::{OperatorEntry, SortEntry},
        problem::{ProblemKind, Problems},
    },
};

/// What `count` puts out.
pub(crate) fn count() -> Schema {
    Schema::plain(Kind::Int64)
}

/// What `count-by-value` puts out: the row as the key, and how many of it.
pub(crate) fn count_by_value(site: Site<'_>, problems: &mut Problems) -> Option<Schema> {
    let input = site.input?;
    let renamed = input.fields().iter().map(|field| Field {
        name: nested(&field.name, "key", input.shape()),
        ..field.clone()
    });
    let mut fields: Vec<_> = renamed.collect();
    fields.push(Field::new("value", Kind::Int64));
    let name = &site.entry.name;
    streams::schema(fields, &format!("`{}`", name.value), name.at, problems)
}

/// The name of a column of the row once the row lies under `head`. Rows of pairs and joins are
/// tuples.
pub(crate) fn nested(name: &str, head: &str, shape: &Shape) -> String {
    let (first, rest) = match name.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (name, None),
    };
    let place = match (shape, first) {
        (Shape::Plain(_), _) => "",
        (Shape::Pair { .. } | Shape::Joined { .. }, "key") => ".0",
        (Shape::Pair { .. }, _) => ".1",
        (Shape::Joined { .. }, "left") => ".1.0",
        (Shape::Joined { .. }, _) => ".1.1",
        (Shape::Row(_), _) => return format!("{head}.{name}"),
    };
    match rest {
        None => format!("{head}{place}"),
        Some(rest) => format!("{head}{place}.{rest}"),
    }
}

/// Checks that the streams of a union have the same columns.
pub(crate) fn check_union(entry: &OperatorEntry, inputs: &[Input], problems: &mut Problems) {
    let mut known = entry.inputs.iter().zip(inputs);
    let first = known.find_map(|(name, input)| Some((name, input.schema.as_ref()?)));
    let Some((first_name, first)) = first else {
        return;
    };
    for (name, other) in known {
        if let Some(other) = &other.schema
            && other.fields() != first.fields()
        {
            let kind = ProblemKind::Union {
                first: first.clone(),
                other: other.clone(),
            };
            problems
                .report(kind, name.at)
                .see(first_name.at, "unlike this one")
                .help("give them the same columns with a `map` first");
        }
    }
}

/// All columns, each descending: what `top` goes by if nothing else is said.
pub(crate) fn greatest_first(input: &Schema) -> Vec<SortKey> {
    let columns = 0..input.fields().len();
    let descending = |column| SortKey {
        column,
        descending: true,
    };
    columns.map(descending).collect()
}

/// The columns to sort by.
pub(crate) fn sort_keys(
    by: &[SortEntry],
    input: Option<&Schema>,
    problems: &mut Problems,
) -> Option<Vec<SortKey>> {
    let input = input?;
    let keys = by.iter().map(|entry| {
        let column = input.index_of(&entry.column.value);
        if column.is_none() {
            let problem = keys::report_unknown(&entry.column, input, problems);
            if entry.column.value.contains(' ') {
                problem.help("after the column comes asc, which is the default, or desc");
            }
        }
        Some(SortKey {
            column: column?,
            descending: entry.descending,
        })
    });
    // Collected first, so that every unknown column is reported.
    let keys: Vec<_> = keys.collect();
    keys.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_key_as_the_tuple_or_record_that_it_is() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&["value"], &["key"]),
            (&["value.0", "value.1"], &["key.0", "key.1"]),
            (&["key", "value"], &["key.0", "key.1"]),
            (
                &["key.0", "key.1", "value"],
                &["key.0.0", "key.0.1", "key.1"],
            ),
            (&["user", "amount"], &["key.user", "key.amount"]),
            (
                &["key", "left", "right.value", "right.present"],
                &["key.0", "key.1.0", "key.1.1.value", "key.1.1.present"],
            ),
        ];
        for (names, expected) in cases {
            let fields: Vec<_> = names.iter().map(|n| Field::new(*n, Kind::Utf8)).collect();
            let shape = Shape::of(&fields);
            let keys: Vec<_> = names
                .iter()
                .map(|name| nested(name, "key", &shape))
                .collect();
            assert_eq!(keys, expected, "{names:?}");
        }
    }
}
