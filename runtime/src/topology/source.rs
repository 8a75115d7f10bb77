//! Where rows come from.

use std::{num::NonZeroUsize, time::Duration};

use crate::{
    confine::{Address, Place},
    model::{NodeName, PersistLevel, Schema},
};

/// A source, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: NodeName,
    /// Columns of its rows.
    pub schema: Schema,
    /// Columns of `x.rejected`: `value: utf8` (what was read, repaired if it was not UTF-8) and
    /// `reason: utf8`.
    pub rejected: Schema,
    /// What it reads.
    pub kind: SourceKind,
}

/// What a source reads.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    /// Bytes from a TCP server, as a client (spec 12.1, 12.2).
    Socket {
        /// `host:port`.
        address: Address,
        /// Where a record ends.
        framing: Framing,
        /// Gives up after so many failed attempts in a row; none: never.
        connect_attempts: Option<NonZeroUsize>,
        /// How often a block is cut.
        block_interval: Duration,
        /// How many records it takes in.
        intake: Intake,
        /// Where blocks wait.
        storage: BlockStorage,
        /// Of a line.
        decoder: Decoder,
    },
    /// What a receiver of the program that embeds rsrt takes in (spec 12.6).
    Receiver {
        /// How often a block is cut.
        block_interval: Duration,
        /// How many records it takes in.
        intake: Intake,
        /// Where blocks wait.
        storage: BlockStorage,
        /// Of a record.
        decoder: Decoder,
    },
    /// A file, read once from start to end.
    File {
        /// Where it is.
        path: Place,
        /// Bytes in a batch, about: a batch ends with the line in which this many are reached.
        batch_bytes: NonZeroUsize,
        /// Partitions of a batch; none: the topology's parallelism.
        partitions: Option<NonZeroUsize>,
        /// Of a line.
        decoder: Decoder,
    },
    /// New files of directories (spec 12.3).
    Directory {
        /// A directory, or a glob of directories.
        path: Place,
        /// Ignores files older than the start.
        new_files_only: bool,
        /// How long a file's name is remembered (60 s, rounded up to batches, by default).
        remember: Duration,
        /// What a file holds.
        rows: FileRows,
    },
    /// Batches given in a JSON file, or by the cases of a test (spec 12.5).
    Queue {
        /// The batches: a JSON list with one list of rows per batch. None only under test.
        path: Option<Place>,
        /// One a batch, or all that wait.
        order: QueueOrder,
        /// The rows of a batch for which nothing is queued (spec 12.5).
        default: Vec<serde_json::Value>,
        /// Partition i of p gets rows i*n/p to (i+1)*n/p.
        partitions: NonZeroUsize,
    },
    /// Made-up rows, for load.
    Generator(GeneratorSpec),
}

/// How many records a second a receiver takes in, one by one (spec 9.4, 11).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Intake {
    /// Never more.
    pub max_rate: Option<u64>,
    /// Not more before the first estimate.
    pub initial_rate: Option<u64>,
    /// As many as batches can take, as estimated after each; none: no estimates are made.
    pub backpressure: Option<Backpressure>,
}

/// Where blocks wait until their batch is over (spec 3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockStorage {
    /// In memory, on disk, or both.
    pub persist: PersistLevel,
    /// Bytes of blocks in memory, about, those that a batch is reading among them.
    pub memory: NonZeroUsize,
    /// The same, on disk.
    pub disk: NonZeroUsize,
    /// They are written to the checkpoint's journal, if there is one.
    pub log: bool,
    /// For those that are not: where spill files lie; none: where the system has temporary files.
    pub spill_directory: Option<Place>,
}

impl Default for BlockStorage {
    fn default() -> Self {
        Self {
            persist: PersistLevel::MemoryAndDisk,
            memory: NonZeroUsize::MIN.saturating_add((256 << 20) - 1),
            disk: NonZeroUsize::MIN.saturating_add(10_000_000_000 - 1),
            log: true,
            spill_directory: None,
        }
    }
}

/// The estimator's weights, none of them negative, and the least rate in records per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backpressure {
    /// Of the difference between the last rate and the speed of the last batch.
    pub proportional: f64,
    /// Of what waited when the last batch began.
    pub integral: f64,
    /// Of how that difference changes.
    pub derived: f64,
    /// Positive.
    pub min_rate: f64,
}

/// How the bytes of a socket become records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each line is one.
    Lines,
    /// Blocks, each after its length as four bytes, the highest first (spec 12.2). The lines of a
    /// block are its records; in the format `binary` it is one itself.
    Blocks {
        /// Bytes of a block, at most.
        longest: NonZeroUsize,
    },
}

/// How a queue hands out its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueOrder {
    /// One per batch.
    OneAtATime,
    /// All that wait, joined in order.
    All,
}

/// A source of made-up rows: `value: int64`, or `value: utf8` when `words` is set. The same rows
/// in every run.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorSpec {
    /// Rows per second of batch time.
    pub rate: NonZeroUsize,
    /// Rows in all; none: no end.
    pub count: Option<u64>,
    /// Partitions of a batch; none: the topology's parallelism.
    pub partitions: Option<NonZeroUsize>,
    /// Words per line of text; none: rows are the integers from 0.
    pub words: Option<NonZeroUsize>,
}

/// What a file of a directory holds.
#[derive(Debug, Clone, PartialEq)]
pub enum FileRows {
    /// Lines.
    Lines(Decoder),
    /// Records of so many bytes each: `binary-records` (spec 12.4).
    Records(NonZeroUsize),
}

/// How a line becomes a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoder {
    /// The format, with what it needs.
    pub format: Format,
    /// What happens to a line that is none.
    pub on_invalid: OnInvalid,
    /// Bytes of a line, at most; a longer one is rejected (or fails the batch, as `on-invalid`
    /// says; it is never replaced).
    pub max_line: NonZeroUsize,
}

/// The format of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// `value: utf8`, the line.
    Text,
    /// `value: binary`, the line's bytes.
    Binary,
    /// A JSON object with the schema's fields; others are ignored.
    Json,
    /// Fields in the order of the schema.
    Csv {
        /// Between fields; one byte.
        separator: u8,
        /// The first line of each file is a header and no row.
        header: bool,
    },
}

/// What happens to a line that is not valid in its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInvalid {
    /// Text only: broken UTF-8 becomes U+FFFD, and is counted.
    Replace,
    /// It goes to `x.rejected`, else it is counted and logged.
    Reject,
    /// The batch fails.
    Fail,
}

/// Whether a text is `host:port`.
pub(super) fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && matches!(port.parse::<u16>(), Ok(1..)))
}
