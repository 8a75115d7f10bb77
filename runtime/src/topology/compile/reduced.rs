//! The names of what a reduction puts out.

use super::{aggregate::Rows, columns::Column, rows};
use crate::model::{Field, Shape};

/// The keys as they came in, then what the function put out: under the names of the values it got
/// if their types agree, else as [`placed`].
pub(crate) fn fields(rows: &Rows<'_>, values: &[Column<'_>], output: &[Field]) -> Vec<Field> {
    let agree = values.len() == output.len()
        && values
            .iter()
            .zip(output)
            .all(|(v, o)| (v.field.kind, v.field.listed) == (o.kind, o.listed));
    if !agree {
        return placed(rows, output);
    }
    let renamed = values.iter().zip(output).map(|(value, output)| Field {
        name: value.field.name.clone(),
        ..output.clone()
    });
    keys(rows).cloned().chain(renamed).collect()
}

/// The keys as they came in, then what the function put out, so that a pair stays a pair and no
/// name is taken twice.
pub(crate) fn placed(rows: &Rows<'_>, output: &[Field]) -> Vec<Field> {
    let is_pair = rows.keys.is_some() && keys(rows).all(|key| head(&key.name) == "key");
    let is_value = output.iter().all(|field| head(&field.name) == "value");
    let is_taken = |name: &str| keys(rows).any(|key| head(&key.name) == name);
    let clashes = output.iter().any(|field| is_taken(head(&field.name)));
    let shape = Shape::of(output);
    let placed = output.iter().map(|field| {
        let name = if is_value && clashes {
            field.name.replacen("value", "result", 1)
        } else if !is_value && (is_pair || clashes) {
            rows::nested(&field.name, "value", &shape)
        } else {
            field.name.clone()
        };
        Field {
            name,
            ..field.clone()
        }
    });
    keys(rows).cloned().chain(placed).collect()
}

fn keys<'a>(rows: &'a Rows<'_>) -> impl Iterator<Item = &'a Field> {
    rows.keys.iter().flatten().map(|key| key.field)
}

fn head(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Schema, topology::compile::columns};

    /// Columns of the stream, how many of them are keys, what the function puts out, what comes out.
    type Case<'a> = (&'a str, usize, &'a str, &'a str);

    fn schema(text: &str) -> Schema {
        let columns = text.split(", ").map(|column| {
            let (name, kind) = column.split_once(' ').unwrap();
            Field::parse(name, kind).unwrap()
        });
        Schema::new(columns.collect()).unwrap()
    }

    #[test]
    fn values_keep_their_names_and_new_ones_find_a_place() {
        let cases: [Case<'_>; 8] = [
            (
                "key utf8, value int64",
                1,
                "key int64, value int64",
                "key utf8, value.0 int64, value.1 int64",
            ),
            (
                "key utf8, value int64",
                1,
                "value int64",
                "key utf8, value int64",
            ),
            (
                "key utf8, value int64",
                1,
                "value utf8",
                "key utf8, value utf8",
            ),
            (
                "key utf8, value int64",
                1,
                "mean float64, n int64",
                "key utf8, value.mean float64, value.n int64",
            ),
            (
                "user utf8, amount int64",
                1,
                "value int64",
                "user utf8, amount int64",
            ),
            (
                "user utf8, amount int64",
                1,
                "value utf8",
                "user utf8, value utf8",
            ),
            (
                "value utf8, amount int64",
                1,
                "value utf8",
                "value utf8, result utf8",
            ),
            (
                "user utf8, amount int64",
                1,
                "user float64, n int64",
                "user utf8, value.user float64, value.n int64",
            ),
        ];
        for (stream, keys, output, expected) in cases {
            let (stream, output) = (schema(stream), schema(output));
            let mut columns = columns::all(&stream);
            let values = columns.split_off(keys);
            let rows = Rows {
                keys: Some(columns),
                values: values.clone(),
            };
            let fields = fields(&rows, &values, output.fields());
            assert_eq!(
                Schema::new(fields),
                Ok(schema(expected)),
                "{stream} {output}"
            );
        }
    }
}
