//! The statements, as text. Names are always quoted.

use crate::{
    model::{Field, Kind},
    topology::{IDENTITIES, TableName},
};

use super::TableSpec;

/// What a column of this kind is in a database.
pub(super) type ColumnType = fn(Kind) -> &'static str;

/// A name between double quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The table with its schema, if it has one.
pub(super) fn table(table: &TableName) -> String {
    beside(table, table.name())
}

/// Where the identities are: beside the table.
pub(super) fn identities(table: &TableName) -> String {
    beside(table, IDENTITIES)
}

fn beside(table: &TableName, name: &str) -> String {
    match table.schema() {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(name)),
        None => quoted(name),
    }
}

/// The columns, between commas.
pub(super) fn columns(spec: &TableSpec) -> String {
    list(spec.schema.fields().iter(), |field| quoted(&field.name))
}

fn list<'f>(fields: impl Iterator<Item = &'f Field>, text: impl Fn(&Field) -> String) -> String {
    fields.map(text).collect::<Vec<_>>().join(", ")
}

pub(super) fn create_table(spec: &TableSpec, column_type: ColumnType) -> String {
    let fields = spec.schema.fields().iter();
    let columns = list(fields, |field| {
        format!("{} {}", quoted(&field.name), column_type(field.kind))
    });
    let name = table(&spec.table);
    format!("CREATE TABLE IF NOT EXISTS {name} ({columns})")
}

/// Both databases understand it.
pub(super) fn create_identities(table: &TableName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\"uid\" text NOT NULL, \"sink\" text NOT NULL, \
         \"batch_ms\" bigint NOT NULL, \"partitions\" bigint NOT NULL, \"rows\" bigint NOT NULL, \
         PRIMARY KEY (\"uid\", \"sink\", \"batch_ms\"))",
        identities(table)
    )
}

/// Of `uid`, `sink`, `batch_ms`, `partitions` and `rows`; returns a row if the identity is new. If
/// another transaction is about to write it, both databases wait for that one.
pub(super) fn insert_identity(table: &TableName) -> String {
    format!(
        "INSERT INTO {} (\"uid\", \"sink\", \"batch_ms\", \"partitions\", \"rows\") \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING \"rows\"",
        identities(table)
    )
}

/// Of `uid`, `sink` and `batch_ms`.
pub(super) fn select_identity(table: &TableName) -> String {
    format!(
        "SELECT \"partitions\", \"rows\" FROM {} \
         WHERE \"uid\" = $1 AND \"sink\" = $2 AND \"batch_ms\" = $3",
        identities(table)
    )
}

/// Of `uid`, `sink` and `batch_ms`.
pub(super) fn delete_identities(table: &TableName) -> String {
    format!(
        "DELETE FROM {} WHERE \"uid\" = $1 AND \"sink\" = $2 AND \"batch_ms\" < $3",
        identities(table)
    )
}

/// One row, a parameter for each column.
pub(super) fn insert(spec: &TableSpec) -> String {
    let (name, columns) = (table(&spec.table), columns(spec));
    let values = list(spec.schema.fields().iter(), |_| "?".to_owned());
    format!("INSERT INTO {name} ({columns}) VALUES ({values})")
}

/// All rows at once, as text.
pub(super) fn copy(spec: &TableSpec) -> String {
    let (name, columns) = (table(&spec.table), columns(spec));
    format!("COPY {name} ({columns}) FROM STDIN")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Schema;

    #[test]
    fn names_stay_names() {
        let schema = Schema::new(vec![
            Field::new("key.0", Kind::Utf8),
            Field::new("a\"b'; --", Kind::Int64),
        ]);
        let name = TableName::parse("s\"x.drop table \"t\"").unwrap();
        let spec = TableSpec::new(&schema.unwrap(), &name);
        assert_eq!(
            insert(&spec),
            r#"INSERT INTO "s""x"."drop table ""t""" ("key.0", "a""b'; --") VALUES (?, ?)"#
        );
        assert_eq!(
            create_table(&spec, Kind::name),
            r#"CREATE TABLE IF NOT EXISTS "s""x"."drop table ""t""" ("key.0" utf8, "a""b'; --" int64)"#
        );
        assert_eq!(identities(&name), r#""s""x"."rsrt_batches""#);
    }
}
