//! Which columns of a stream a function gets.

use crate::model::{Field, Schema};

/// A column of a stream and its place there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(crate) index: usize,
    pub(crate) field: &'a Field,
}

/// All columns of a stream.
pub(crate) fn all(schema: &Schema) -> Vec<Column<'_>> {
    let fields = schema.fields().iter().enumerate();
    fields
        .map(|(index, field)| Column { index, field })
        .collect()
}

/// These columns of a stream, in this order.
pub(crate) fn at<'a>(schema: &'a Schema, indexes: &[usize]) -> Vec<Column<'a>> {
    let columns = indexes.iter().map(|&index| Column {
        index,
        field: &schema.fields()[index],
    });
    columns.collect()
}

/// The columns of a stream that are not among these.
pub(crate) fn except<'a>(schema: &'a Schema, indexes: &[usize]) -> Vec<Column<'a>> {
    let mut columns = all(schema);
    columns.retain(|column| !indexes.contains(&column.index));
    columns
}

/// Picks what a function wants: by name if the stream has all the names with the right types, else
/// by place if number and types agree. Parts of a key or value go by what follows `key.` or
/// `value.` too. Wanting nothing means wanting all. Returns none if it does not fit.
pub(crate) fn select<'a>(wanted: Option<&Schema>, found: &[Column<'a>]) -> Option<Vec<Column<'a>>> {
    let Some(wanted) = wanted else {
        return Some(found.to_vec());
    };
    let wanted = wanted.fields();
    by_name(wanted, found).or_else(|| by_place(wanted, found))
}

fn by_name<'a>(wanted: &[Field], found: &[Column<'a>]) -> Option<Vec<Column<'a>>> {
    let column = |wanted: &Field| {
        let column = called(&wanted.name, found)?;
        accepts(wanted, column.field).then_some(column)
    };
    wanted.iter().map(column).collect()
}

/// The column of this name, or of this name below `key` or `value` if all are below it.
fn called<'a>(name: &str, found: &[Column<'a>]) -> Option<Column<'a>> {
    let exactly = found.iter().find(|column| column.field.name == name);
    let below = || {
        ["key.", "value."].into_iter().find_map(|head| {
            let all_below = found.iter().all(|c| c.field.name.starts_with(head));
            let mut columns = found.iter().filter(|_| all_below);
            columns.find(|c| c.field.name.strip_prefix(head) == Some(name))
        })
    };
    exactly.or_else(below).copied()
}

fn by_place<'a>(wanted: &[Field], found: &[Column<'a>]) -> Option<Vec<Column<'a>>> {
    let fits = wanted.len() == found.len()
        && wanted
            .iter()
            .zip(found)
            .all(|(wanted, column)| accepts(wanted, column.field));
    fits.then(|| found.to_vec())
}

/// Whether a column may be passed: a function that does not take nulls must not get any.
fn accepts(wanted: &Field, found: &Field) -> bool {
    wanted.kind == found.kind
        && wanted.listed == found.listed
        && (wanted.nullable || !found.nullable)
}

/// Whether these columns can be passed as those wanted, place by place.
pub(crate) fn fit_by_place(wanted: &Schema, found: &Schema) -> bool {
    by_place(wanted.fields(), &all(found)).is_some()
}

/// Whether these columns have the same types, whatever their names.
pub(crate) fn same_types<'a>(
    left: impl ExactSizeIterator<Item = &'a Field>,
    right: impl ExactSizeIterator<Item = &'a Field>,
) -> bool {
    left.len() == right.len()
        && left
            .zip(right)
            .all(|(l, r)| (l.kind, l.listed, l.nullable) == (r.kind, r.listed, r.nullable))
}

/// Whether these columns have the same kinds, nullable or not, whatever their names.
pub(crate) fn same_kinds<'a>(
    left: impl ExactSizeIterator<Item = &'a Field>,
    right: impl ExactSizeIterator<Item = &'a Field>,
) -> bool {
    left.len() == right.len()
        && left
            .zip(right)
            .all(|(l, r)| (l.kind, l.listed) == (r.kind, r.listed))
}

/// What keeps these columns from fitting, as help; none if no single column is to blame.
pub(crate) fn first_difference(wanted: &Schema, found: &[Column<'_>]) -> Option<String> {
    let by_name = wanted.fields().iter().find_map(|wanted| {
        let column = called(&wanted.name, found)?;
        (!accepts(wanted, column.field)).then_some((wanted, column.field))
    });
    let by_place = || {
        let mut pairs = wanted.fields().iter().zip(found);
        let differs = pairs.find(|(wanted, column)| !accepts(wanted, column.field));
        let (differs, column) = differs?;
        (found.len() == wanted.fields().len()).then_some((differs, column.field))
    };
    let (wanted, found) = by_name.or_else(by_place)?;
    let only_null = wanted.kind == found.kind && wanted.listed == found.listed;
    Some(if only_null {
        format!(
            "`{}` may be null, and the function takes no nulls",
            found.name
        )
    } else {
        format!(
            "`{}` is {}, and the function wants {}",
            found.name,
            found.type_text(),
            wanted.type_text()
        )
    })
}

/// Columns as messages show them.
pub(crate) fn describe(columns: &[Column<'_>]) -> String {
    let columns = columns
        .iter()
        .map(|c| format!("{}: {}", c.field.name, c.field.type_text()));
    columns.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, &str)]) -> Schema {
        let fields = columns.iter().map(|(n, t)| Field::parse(*n, t).unwrap());
        Schema::new(fields.collect()).unwrap()
    }

    /// What is wanted, columns of the stream.
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a [usize]>);

    #[test]
    fn columns_are_found_by_name_and_else_by_place() {
        let stream = schema(&[("user", "utf8"), ("amount", "int64"), ("note", "utf8?")]);
        let cases: [Case<'_>; 8] = [
            (&[("amount", "int64")], Some(&[1])),
            (&[("note", "utf8?"), ("user", "utf8")], Some(&[2, 0])),
            (&[("user", "utf8?")], Some(&[0])),
            (&[("note", "utf8")], None),
            (&[("amount", "utf8")], None),
            (&[("value", "int64")], None),
            (
                &[("a", "utf8"), ("b", "int64"), ("c", "utf8?")],
                Some(&[0, 1, 2]),
            ),
            (&[("a", "utf8"), ("b", "int64"), ("c", "utf8")], None),
        ];
        for (wanted, expected) in cases {
            let found = select(Some(&schema(wanted)), &all(&stream));
            let found = found.map(|found| found.iter().map(|c| c.index).collect::<Vec<_>>());
            assert_eq!(found.as_deref(), expected, "{wanted:?}");
        }
        assert_eq!(select(None, &all(&stream)).map(|c| c.len()), Some(3));
    }

    #[test]
    fn parts_of_a_value_go_by_their_own_names() {
        let stream = schema(&[("key", "utf8"), ("value.a", "int64"), ("value.b", "utf8")]);
        let wanted = schema(&[("b", "utf8")]);
        let values = at(&stream, &[1, 2]);
        let found = select(Some(&wanted), &values).map(|found| found[0].index);
        assert_eq!(found, Some(2));
        assert!(select(Some(&wanted), &all(&stream)).is_none());
    }

    #[test]
    fn a_plain_function_takes_the_only_column_whatever_its_name() {
        let stream = schema(&[("user", "utf8")]);
        let found = select(Some(&schema(&[("value", "utf8")])), &all(&stream));
        assert_eq!(found.map(|c| c[0].index), Some(0));
    }
}
