//! Tables of a real PostgreSQL server, which the tests start and stop. Without its programs they say
//! so and test nothing.

mod cluster;
mod lost;
mod postgres;
mod proxy;
mod rights;
mod secret;
mod server;

use rsrt::{
    format::rows_from_json,
    model::{Batch, BatchTime, Field, Schema},
    sink::{Sink, TableSink, TableSpec},
    topology::{PostgresUrl, TableName},
};
use serde_json::Value;

const AT: BatchTime = BatchTime::from_millis(2_000);

/// A batch of these columns, as `name: type`; a partition for each list of rows.
fn batch(columns: &[(&str, &str)], partitions: &[Value]) -> Batch {
    let fields = columns
        .iter()
        .map(|(name, kind)| Field::parse(*name, kind).unwrap());
    let schema = Schema::new(fields.collect()).unwrap();
    let chunk = |rows: &Value| rows_from_json(&schema, rows.as_array().unwrap()).unwrap();
    let partitions = partitions.iter().map(|rows| vec![chunk(rows)]).collect();
    Batch { schema, partitions }
}

/// Words and how many.
fn counts(partitions: &[Value]) -> Batch {
    batch(&[("key", "utf8?"), ("value", "int64?")], partitions)
}

fn spec(batch: &Batch, table: &str) -> TableSpec {
    TableSpec::new(&batch.schema, &TableName::parse(table).unwrap())
}

fn sink(url: &str, spec: TableSpec) -> TableSink {
    let url = PostgresUrl::parse(url).unwrap();
    TableSink::postgres(&"out".parse().unwrap(), &url, spec)
}

/// Why the batch was not written.
fn refused(sink: &mut TableSink, batch: &Batch) -> String {
    sink.write(AT, batch).unwrap_err().to_string()
}
