//! Joins and `cogroup`: two streams brought together by key.

use super::{
    aggregate, columns,
    columns::Column,
    keys,
    operator::{Meaning, Site},
    pairs,
};
use crate::{
    model::{Field, Kind, Schema},
    topology::{
        Join, JoinKind, Verb,
        problem::{ProblemKind, Problems},
    },
};

/// Both streams, parted in keys and values.
struct Sides<'a> {
    left: Side<'a>,
    right: Side<'a>,
}

struct Side<'a> {
    keys: Vec<usize>,
    key_columns: Vec<Column<'a>>,
    values: Vec<Column<'a>>,
}

/// Checks a join.
pub(crate) fn join(kind: JoinKind, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some(Sides { left, right }) = sides(site, problems) else {
        return (None, None);
    };
    let mut fields = joined_keys(&left, &right);
    fields.extend(side("left", &left.values, kind.keeps_right()));
    fields.extend(side("right", &right.values, kind.keeps_left()));
    let verb = Verb::Join(Join {
        kind,
        left_keys: left.keys,
        right_keys: right.keys,
        partitions: site.partitions,
    });
    (Some(verb), aggregate::schema(fields, site, problems))
}

/// Checks a `cogroup`.
pub(crate) fn cogroup(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some(Sides { left, right }) = sides(site, problems) else {
        return (None, None);
    };
    let values = side("left", &left.values, false).into_iter();
    let values = values.chain(side("right", &right.values, false));
    let values = pairs::as_lists(values.collect(), site, problems);
    let output = values.and_then(|values| {
        let fields = joined_keys(&left, &right).into_iter().chain(values);
        aggregate::schema(fields.collect(), site, problems)
    });
    let verb = Verb::Cogroup {
        left_keys: left.keys,
        right_keys: right.keys,
        partitions: site.partitions,
    };
    (Some(verb), output)
}

fn sides<'a>(site: Site<'a>, problems: &mut Problems) -> Option<Sides<'a>> {
    let left = parted(site, site.input, problems);
    let right = parted(site, site.second, problems);
    let (left, right) = (left?, right?);
    let kinds = |side: &Side<'_>| -> Vec<_> {
        let keys = side.key_columns.iter();
        keys.map(|key| (key.field.kind, key.field.listed)).collect()
    };
    if kinds(&left) != kinds(&right) {
        let kind = ProblemKind::KeyTypes {
            verb: site.verb,
            first: columns::describe(&left.key_columns),
            second: columns::describe(&right.key_columns),
        };
        let problem = problems.report(kind, site.at);
        problem.help("bring one of them into the other's form, with a `map`");
        return None;
    }
    Some(Sides { left, right })
}

fn parted<'a>(
    site: Site<'a>,
    schema: Option<&'a Schema>,
    problems: &mut Problems,
) -> Option<Side<'a>> {
    let schema = schema?;
    let keys = keys::key_columns(site, schema, problems)?;
    Some(Side {
        key_columns: columns::at(schema, &keys),
        values: columns::except(schema, &keys),
        keys,
    })
}

/// The key columns under `key`, so that the result is a pair of key and sides.
fn joined_keys(left: &Side<'_>, right: &Side<'_>) -> Vec<Field> {
    let is_key = |name: &str| name == "key" || name.starts_with("key.");
    let kept = left.key_columns.iter().all(|key| is_key(&key.field.name));
    let alone = left.key_columns.len() == 1;
    let keys = left.key_columns.iter().zip(&right.key_columns);
    let keys = keys.map(|(left, right)| Field {
        name: match &left.field.name {
            name if kept => name.clone(),
            _ if alone => "key".to_owned(),
            name => format!("key.{name}"),
        },
        nullable: left.field.nullable || right.field.nullable,
        ..left.field.clone()
    });
    keys.collect()
}

/// The columns of a side; with `present` before them, and nullable, if it may be absent.
fn side(name: &'static str, values: &[Column<'_>], may_be_absent: bool) -> Vec<Field> {
    let parts = |field: &Field| {
        let mut parts = field.name.splitn(2, '.');
        let (head, rest) = (parts.next().unwrap_or_default(), parts.next());
        match (head, rest) {
            ("value", None) => None,
            ("value", Some(rest)) => Some(rest.to_owned()),
            // What a join put out becomes a tuple.
            ("left", rest) => Some(rest.map_or_else(|| "0".to_owned(), |r| format!("0.{r}"))),
            ("right", rest) => Some(rest.map_or_else(|| "1".to_owned(), |r| format!("1.{r}"))),
            _ => Some(field.name.clone()),
        }
    };
    let mut fields = Vec::with_capacity(values.len() + 1);
    if may_be_absent {
        fields.push(Field::new(format!("{name}.present"), Kind::Boolean));
    }
    for value in values {
        let below = match parts(value.field) {
            Some(below) => format!("{name}.{below}"),
            None if may_be_absent => format!("{name}.value"),
            None => name.to_owned(),
        };
        fields.push(Field {
            name: below,
            nullable: value.field.nullable || may_be_absent,
            ..value.field.clone()
        });
    }
    fields
}
