//! `[source.x]`: where rows come from.

use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use toml::de::DeValue;

use super::{
    format, intake,
    operator::read_settings,
    schema,
    spanned::Spanned,
    storage::{self, Surroundings},
    table::{Table, Value},
    verb::{FunctionRef, read_function},
};
use crate::{
    confine::Place,
    model::{BatchInterval, Kind, Schema, Text},
    topology::{
        FileRows, Format, Framing, GeneratorSpec, QueueOrder, SourceKind,
        problem::{ProblemKind, Problems, suggest},
        source::is_address,
    },
};

/// `block-interval` of a socket, unless the batch interval is shorter (spec 14).
const BLOCK_INTERVAL: Duration = Duration::from_millis(200);
/// `batch-bytes` of a file.
const BATCH_BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(10_000_000 - 1);
/// `new-files-only` of a directory (spec 12.3).
const NEW_FILES_ONLY: bool = true;
/// `remember` of a directory (spec 12.3).
const REMEMBER: Duration = Duration::from_mins(1);
/// `one-at-a-time` of a queue (spec 12.5).
const ONE_AT_A_TIME: bool = true;
/// `partitions` of a queue.
const QUEUE_PARTITIONS: NonZeroUsize = NonZeroUsize::MIN;

/// `max-block` of a raw socket.
const MAX_BLOCK: NonZeroUsize = NonZeroUsize::MIN.saturating_add((8 << 20) - 1);

const TYPES: [&str; 8] = [
    "socket",
    "raw-socket",
    "file",
    "directory",
    "binary-records",
    "queue",
    "generator",
    "receiver",
];
const LATER_TYPES: [&str; 8] = [
    "flume", "http", "kafka", "kinesis", "mqtt", "parquet", "twitter", "zeromq",
];

/// A source as defined.
#[derive(Debug, Clone)]
pub(crate) struct SourceEntry {
    pub(crate) name: Spanned<String>,
    /// None if it could not be read, which has been reported. Paths are as written.
    pub(crate) kind: Option<SourceKind>,
    /// None if it could not be read, which has been reported.
    pub(crate) schema: Option<Schema>,
    /// What makes rows of what is read.
    pub(crate) converter: Option<ConverterEntry>,
}

/// A function that makes rows of a source's records.
#[derive(Debug, Clone)]
pub(crate) struct ConverterEntry {
    pub(crate) function: FunctionRef,
    pub(crate) settings: BTreeMap<String, Text>,
}

pub(super) fn read(
    name: Spanned<String>,
    table: &mut Table<'_>,
    batch_interval: Option<BatchInterval>,
    surroundings: &Surroundings,
    problems: &mut Problems,
) -> SourceEntry {
    let converter = read_converter(table, problems);
    let (kind, schema) = match table.require("type", problems) {
        Some(value) => read_type(&value, table, (batch_interval, surroundings), problems),
        None => (None, None),
    };
    SourceEntry {
        name,
        kind,
        schema,
        converter,
    }
}

/// `settings` without a converter are an unknown key.
fn read_converter(table: &mut Table<'_>, problems: &mut Problems) -> Option<ConverterEntry> {
    let function = table.take("converter")?;
    let settings = table.take("settings");
    let settings = settings.map(|settings| read_settings(&settings, problems));
    Some(ConverterEntry {
        function: read_function(&function, problems)?,
        settings: settings.unwrap_or_default(),
    })
}

fn read_type(
    value: &Value<'_>,
    table: &mut Table<'_>,
    (batch_interval, surroundings): (Option<BatchInterval>, &Surroundings),
    problems: &mut Problems,
) -> (Option<SourceKind>, Option<Schema>) {
    let Some(text) = value.text("a type of source", problems) else {
        return (None, None);
    };
    let read = match text.value {
        "socket" => read_socket(false, table, (batch_interval, surroundings), problems),
        "raw-socket" => read_socket(true, table, (batch_interval, surroundings), problems),
        "receiver" => read_receiver(table, (batch_interval, surroundings), problems),
        "file" => read_file(table, problems),
        "directory" => read_directory(table, batch_interval, problems),
        "binary-records" => read_records(table, batch_interval, problems),
        "queue" => read_queue(table, problems),
        "generator" => read_generator(table, problems),
        other => {
            report_unknown_type(other, value, problems);
            return (None, None);
        }
    };
    table.finish(problems);
    read
}

fn report_unknown_type(name: &str, value: &Value<'_>, problems: &mut Problems) {
    if LATER_TYPES.contains(&name) {
        let what = format!("the source type `{name}`");
        problems.report(ProblemKind::NotYet { what }, value.at);
        return;
    }
    let help = suggest(name, "it can be", TYPES);
    let (what, name) = ("the type of a source".to_owned(), name.to_owned());
    let problem = problems.report(ProblemKind::UnknownChoice { what, name }, value.at);
    problem.help(help);
}

fn read_socket(
    is_raw: bool,
    table: &mut Table<'_>,
    (batch_interval, surroundings): (Option<BatchInterval>, &Surroundings),
    problems: &mut Problems,
) -> (Option<SourceKind>, Option<Schema>) {
    let (decoder, schema) = format::read(table, problems);
    let address = read_address(table, problems);
    let connect_attempts = table.size("connect-attempts", problems);
    let framing = if is_raw {
        let longest = read_max_block(table, problems);
        Framing::Blocks { longest }
    } else {
        Framing::Lines
    };
    let block_interval = read_block_interval(table, batch_interval, problems);
    let intake = intake::read(table, problems);
    let storage = storage::read(table, surroundings, problems);
    let kind = address.zip(decoder).map(|(address, mut decoder)| {
        if let (Framing::Blocks { longest }, Format::Binary) = (framing, &decoder.format) {
            decoder.max_line = longest; // the block is the record
        }
        SourceKind::Socket {
            address: address.into(),
            framing,
            connect_attempts,
            block_interval,
            intake,
            storage,
            decoder,
        }
    });
    (kind, schema)
}

/// Offsets of a block's records have 32 bits.
fn read_max_block(table: &mut Table<'_>, problems: &mut Problems) -> NonZeroUsize {
    const MOST: usize = 1 << 30;
    let size = table.bytes("max-block", problems).unwrap_or(MAX_BLOCK);
    if size.get() > MOST {
        let key = "max-block".to_owned();
        let why = "must be at most 1GiB".to_owned();
        problems.report(ProblemKind::BadValue { key, why }, table.at);
    }
    size
}

/// What a receiver of the embedding program takes in.
fn read_receiver(
    table: &mut Table<'_>,
    (batch_interval, surroundings): (Option<BatchInterval>, &Surroundings),
    problems: &mut Problems,
) -> (Option<SourceKind>, Option<Schema>) {
    let (decoder, schema) = format::read(table, problems);
    let block_interval = read_block_interval(table, batch_interval, problems);
    let intake = intake::read(table, problems);
    let storage = storage::read(table, surroundings, problems);
    let kind = decoder.map(|decoder| SourceKind::Receiver {
        block_interval,
        intake,
        storage,
        decoder,
    });
    (kind, schema)
}

fn read_block_interval(
    table: &mut Table<'_>,
    batch_interval: Option<BatchInterval>,
    problems: &mut Problems,
) -> Duration {
    let block_interval = table.duration("block-interval", problems);
    let longest = batch_interval.map_or(BLOCK_INTERVAL, BatchInterval::as_duration);
    block_interval.map_or(BLOCK_INTERVAL.min(longest), |b| b.value)
}

fn read_address(table: &mut Table<'_>, problems: &mut Problems) -> Option<Text> {
    const WANTED: &str = "host and port such as \"127.0.0.1:9999\"";
    let value = table.require("address", problems)?;
    let text = value.text_or_secret(WANTED, problems)?;
    if let Text::Written(written) = &text
        && !is_address(written)
    {
        value.is_bad(format!("must be {WANTED}"), problems);
        return None;
    }
    Some(text)
}

fn read_file(
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> (Option<SourceKind>, Option<Schema>) {
    let (decoder, schema) = format::read(table, problems);
    let path = table.require_text("path", "the path of a file", problems);
    let batch_bytes = table.bytes("batch-bytes", problems).unwrap_or(BATCH_BYTES);
    let partitions = table.partitions("partitions", problems);
    let kind = path.zip(decoder).map(|(path, decoder)| SourceKind::File {
        path: Place::from(path.value),
        batch_bytes,
        partitions,
        decoder,
    });
    (kind, schema)
}

fn read_directory(
    table: &mut Table<'_>,
    batch_interval: Option<BatchInterval>,
    problems: &mut Problems,
) -> (Option<SourceKind>, Option<Schema>) {
    let (decoder, schema) = format::read(table, problems);
    let rows = decoder.map(FileRows::Lines);
    (directory(rows, table, batch_interval, problems), schema)
}

/// Files of records of one length (spec 12.4).
fn read_records(
    table: &mut Table<'_>,
    batch_interval: Option<BatchInterval>,
    problems: &mut Problems,
) -> (Option<SourceKind>, Option<Schema>) {
    let length = table.require("record-length", problems);
    let length = length.and_then(|value| super::table::to_size(&value, problems));
    let rows = length.map(FileRows::Records);
    let schema = Some(Schema::plain(Kind::Binary));
    (directory(rows, table, batch_interval, problems), schema)
}

fn directory(
    rows: Option<FileRows>,
    table: &mut Table<'_>,
    batch_interval: Option<BatchInterval>,
    problems: &mut Problems,
) -> Option<SourceKind> {
    let path = table.require_text("path", "the path of a directory", problems);
    let new_files_only = table.boolean("new-files-only", problems);
    let remember = table.duration("remember", problems);
    let remember = remember.map_or(REMEMBER, |remember| remember.value);
    let (path, rows) = path.zip(rows)?;
    Some(SourceKind::Directory {
        path: Place::from(path.value),
        new_files_only: new_files_only.unwrap_or(NEW_FILES_ONLY),
        remember: round_up_to_batches(remember, batch_interval),
        rows,
    })
}

/// Spec 12.3: a name is remembered for whole batches.
fn round_up_to_batches(length: Duration, batch_interval: Option<BatchInterval>) -> Duration {
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let batch = batch_interval.and_then(|b| NonZeroU64::new(b.as_millis().unsigned_abs()));
    let batch = batch.unwrap_or(NonZeroU64::MIN);
    Duration::from_millis(millis.div_ceil(batch.get()).saturating_mul(batch.get()))
}

fn read_queue(
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> (Option<SourceKind>, Option<Schema>) {
    let schema = table
        .require("schema", problems)
        .and_then(|value| schema::read_type_or_columns(&value, problems));
    let path = table.text("path", "the path of a JSON file", problems);
    let one_at_a_time = table.boolean("one-at-a-time", problems);
    let default = table.take("default");
    let default = default.and_then(|value| read_rows(&value, problems));
    let partitions = table.partitions("partitions", problems);
    let kind = SourceKind::Queue {
        path: path.map(|path| Place::from(path.value)),
        order: if one_at_a_time.unwrap_or(ONE_AT_A_TIME) {
            QueueOrder::OneAtATime
        } else {
            QueueOrder::All
        },
        default: default.unwrap_or_default(),
        partitions: partitions.unwrap_or(QUEUE_PARTITIONS),
    };
    (Some(kind), schema)
}

/// A list of rows, as JSON would have them.
fn read_rows(value: &Value<'_>, problems: &mut Problems) -> Option<Vec<serde_json::Value>> {
    let rows = value.list("a list of rows such as [[\"a\", 1]]", problems)?;
    let rows = rows.iter().map(|row| {
        let json = to_json(row.toml);
        if json.is_none() {
            row.is_bad("holds what no row can hold, such as a date", problems);
        }
        json
    });
    rows.collect()
}

fn to_json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match value {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Boolean(value) => Json::from(*value),
        DeValue::Integer(integer) => Json::from(super::value::integer_value(integer)?),
        DeValue::Float(float) => serde_json::from_str(float.as_str()).ok()?,
        DeValue::Array(items) => {
            let items = items.iter().map(|item| to_json(item.get_ref()));
            Json::Array(items.collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), to_json(value.get_ref())?)));
            Json::Object(entries.collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) => return None,
    })
}

fn read_generator(
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> (Option<SourceKind>, Option<Schema>) {
    let rate = table
        .require("rate", problems)
        .and_then(|value| super::table::to_size(&value, problems));
    let count = table.positive("count", problems);
    let partitions = table.partitions("partitions", problems);
    let words = table.size("words", problems);
    let kind = rate.map(|rate| {
        SourceKind::Generator(GeneratorSpec {
            rate,
            count,
            partitions,
            words,
        })
    });
    let item = words.map_or(Kind::Int64, |_| Kind::Utf8);
    (kind, Some(Schema::plain(item)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_remembered_for_whole_batches() {
        // spec 12.3: batch interval, remembered; all in ms
        let cases = [(1_000, 60_000), (7_000, 63_000), (120_000, 120_000)];
        for (batch, expected) in cases {
            let batch = BatchInterval::new(Duration::from_millis(batch)).ok();
            assert_eq!(
                round_up_to_batches(REMEMBER, batch),
                Duration::from_millis(expected),
                "{batch:?}"
            );
        }
    }
}
