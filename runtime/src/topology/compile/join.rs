//! Joins and `cogroup`: which rows of two streams come together, and what comes out.

use super::{
    columns::{self, Column},
    keys, lists,
    operator::{Meaning, Site},
    streams,
};
use crate::{
    model::{Field, Kind, Schema, Shape},
    topology::{
        Join, JoinKind, Verb,
        problem::{ProblemKind, Problems},
    },
};

/// The column that says whether a side is there.
const PRESENT: &str = "present";

/// The two streams.
struct Sides<'a> {
    left: &'a Schema,
    right: &'a Schema,
    left_keys: Vec<usize>,
    right_keys: Vec<usize>,
}

/// Checks a join.
pub(crate) fn check(kind: JoinKind, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some(sides) = sides(site, problems) else {
        return (None, None);
    };
    let mut fields = sides.keys();
    for (name, stream, keys, optional) in [
        ("left", sides.left, &sides.left_keys, kind.keeps_right()),
        ("right", sides.right, &sides.right_keys, kind.keeps_left()),
    ] {
        if optional {
            fields.push(Field::new(format!("{name}.{PRESENT}"), Kind::Boolean));
        }
        fields.extend(side_fields(name, stream, keys, optional));
    }
    let join = Join {
        kind,
        left_keys: sides.left_keys,
        right_keys: sides.right_keys,
        partitions: site.partitions,
    };
    (Some(Verb::Join(join)), schema(fields, site, problems))
}

/// Checks a `cogroup`.
pub(crate) fn cogroup(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let Some(sides) = sides(site, problems) else {
        return (None, None);
    };
    let mut fields = sides.keys();
    for (name, stream, keys) in [
        ("left", sides.left, &sides.left_keys),
        ("right", sides.right, &sides.right_keys),
    ] {
        if !lists::can_be_listed(&columns::except(stream, keys), site, problems) {
            return (None, None);
        }
        let values = side_fields(name, stream, keys, false);
        fields.extend(values.into_iter().map(|field| Field {
            listed: true,
            ..field
        }));
    }
    let verb = Verb::Cogroup {
        left_keys: sides.left_keys,
        right_keys: sides.right_keys,
        partitions: site.partitions,
    };
    (Some(verb), schema(fields, site, problems))
}

/// The streams and their keys, which must be of the same types.
fn sides<'a>(site: Site<'a>, problems: &mut Problems) -> Option<Sides<'a>> {
    let left = site.input.zip(side_keys(site.input, site, problems));
    let right = site.second.zip(side_keys(site.second, site, problems));
    let ((left, left_keys), (right, right_keys)) = left.zip(right)?;
    for (stream, keys) in [(left, &left_keys), (right, &right_keys)] {
        if columns::except(stream, keys).is_empty() {
            lists::report_no_value(stream, site, problems);
            return None;
        }
    }
    let sides = Sides {
        left,
        right,
        left_keys,
        right_keys,
    };
    let (left, right) = (sides.key_columns(true), sides.key_columns(false));
    let alike = left.len() == right.len()
        && left.iter().zip(&right).all(|(left, right)| {
            (left.field.kind, left.field.listed) == (right.field.kind, right.field.listed)
        });
    if alike {
        return Some(sides);
    }
    let [first, other, ..] = site.entry.inputs.as_slice() else {
        return None; // which has been reported
    };
    let kind = ProblemKind::KeyTypes {
        verb: site.verb,
        first: first.value.clone(),
        first_key: columns::describe(&left),
        other: other.value.clone(),
        other_key: columns::describe(&right),
    };
    problems
        .report(kind, other.at)
        .see(first.at, "unlike this one")
        .help("bring both keys into the same type with a `map` first");
    None
}

/// The key columns of a side. A `key` that only the other side has is the other side's.
fn side_keys(
    stream: Option<&Schema>,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Vec<usize>> {
    let stream = stream?;
    if let (Some(names), Some(own)) = (&site.entry.key, stream.shape().key_columns())
        && !names.is_empty()
        && !keys::has_all(names, stream)
    {
        let others = [site.input, site.second].into_iter().flatten();
        let mut others = others.filter(|other| *other != stream);
        if others.any(|other| keys::has_all(names, other)) {
            return Some(own);
        }
    }
    keys::key_columns(site, stream, problems)
}

impl Sides<'_> {
    fn key_columns(&self, left: bool) -> Vec<Column<'_>> {
        if left {
            columns::at(self.left, &self.left_keys)
        } else {
            columns::at(self.right, &self.right_keys)
        }
    }

    /// The key columns of the result, under `key`.
    fn keys(&self) -> Vec<Field> {
        let (left, right) = (self.key_columns(true), self.key_columns(false));
        let under_key = left.iter().all(|key| head(&key.field.name) == "key");
        let single = left.len() == 1;
        let keys = left.iter().zip(&right).map(|(left, right)| Field {
            name: match &left.field.name {
                name if under_key => name.clone(),
                _ if single => "key".to_owned(),
                name => format!("key.{name}"),
            },
            nullable: left.field.nullable || right.field.nullable,
            ..left.field.clone()
        });
        keys.collect()
    }
}

/// The value columns of a stream as one side of the result.
fn side_fields(side: &str, stream: &Schema, keys: &[usize], optional: bool) -> Vec<Field> {
    let values = columns::except(stream, keys);
    let under_value = |column: &Column<'_>| head(&column.field.name) == "value";
    let is_value = values.iter().all(under_value);
    let is_joined = matches!(stream.shape(), Shape::Joined { .. });
    let rest = |name: &str| match name.split_once('.') {
        _ if is_joined => joined_place(name),
        None if is_value => String::new(),
        Some((_, rest)) if is_value => rest.to_owned(),
        _ => name.to_owned(),
    };
    let names: Vec<String> = values.iter().map(|v| rest(&v.field.name)).collect();
    // `left.present` says whether the side is there, and a lone `left.value` is the scalar `left`.
    let is_taken = names.iter().any(|name| head(name) == PRESENT)
        || (optional && names.iter().all(|name| head(name) == "value"));
    let fields = values.iter().zip(names).map(|(value, name)| Field {
        name: match name.as_str() {
            "" if optional => format!("{side}.value"),
            "" => side.to_owned(),
            name if is_taken => format!("{side}.value.{name}"),
            name => format!("{side}.{name}"),
        },
        nullable: value.field.nullable || (optional && !value.field.listed),
        ..value.field.clone()
    });
    fields.collect()
}

/// The value of a join is a tuple of its sides.
fn joined_place(name: &str) -> String {
    let (side, rest) = match name.split_once('.') {
        Some((side, rest)) => (side, format!(".{rest}")),
        None => (name, String::new()),
    };
    let place = i32::from(side != "left");
    format!("{place}{rest}")
}

fn head(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn schema(fields: Vec<Field>, site: Site<'_>, problems: &mut Problems) -> Option<Schema> {
    let name = &site.entry.name;
    streams::schema(fields, &format!("`{}`", name.value), name.at, problems)
}
