//! Dead letters as people and programs read them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{BatchLetters, DeadLetter};
use crate::{
    format::{read_rows, rows_to_json},
    model::{Field, InputRange, Schema},
};

/// Bytes of rows, about, after which a page ends.
const MOST_BYTES: usize = 4 << 20;

/// Dead letters, or a part of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownLetters {
    /// By batch, and in it in the order of stages and partitions.
    pub dead_letters: Vec<ShownLetter>,
    /// How many there are in all.
    pub all: u64,
    /// Where the next page begins; none if there is no more.
    pub next: Option<u64>,
}

/// Rows on which a function failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShownLetter {
    /// The batch, in milliseconds since the epoch.
    pub batch: i64,
    /// The operator.
    pub operator: String,
    /// The function; empty if the host found that it cannot be called.
    pub function: String,
    /// Of the operator.
    pub partition: u64,
    /// The fault.
    pub reason: String,
    /// The guest's stack, by line.
    pub backtrace: Vec<String>,
    /// What the batch took from sources.
    pub sources: Vec<ShownRange>,
    /// The rows, as queues and `json-files` have them; none of a key that had no values.
    pub rows: Vec<Value>,
}

/// What a batch took from a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShownRange {
    /// The source.
    pub source: String,
    /// What it took.
    pub range: String,
}

/// Dead letters that make no sense.
#[derive(Debug, thiserror::Error)]
#[error("the dead letters are damaged: {0}")]
pub struct DamagedLetters(String);

impl ShownLetters {
    /// Those of one operator or of all: from that place on, at most so many.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn of(
        batches: &[BatchLetters],
        operator: Option<&str>,
        (from, limit): (u64, u64),
    ) -> Result<Self, DamagedLetters> {
        let letters = batches.iter().flat_map(|batch| {
            let letters = batch.letters.iter();
            letters.map(move |letter| (batch, letter))
        });
        let wanted = |letter: &DeadLetter| operator.is_none_or(|name| letter.operator == name);
        let letters = letters.filter(|(_, letter)| wanted(letter)).enumerate();
        let (mut shown, mut all, mut next, mut bytes) = (Vec::new(), 0, None, 0);
        for (at, (batch, letter)) in letters {
            let at = at as u64;
            all = at + 1;
            if at < from || next.is_some() {
                continue;
            }
            if shown.len() as u64 >= limit || bytes > MOST_BYTES {
                next = Some(at);
                continue;
            }
            bytes += letter.rows.len();
            shown.push(ShownLetter::new(batch, letter)?);
        }
        Ok(Self {
            dead_letters: shown,
            all,
            next,
        })
    }
}

impl ShownLetter {
    fn new(batch: &BatchLetters, letter: &DeadLetter) -> Result<Self, DamagedLetters> {
        let sources = batch.sources.iter();
        Ok(Self {
            batch: batch.time,
            operator: letter.operator.clone(),
            function: letter.function.clone(),
            partition: letter.partition,
            reason: letter.reason.clone(),
            backtrace: letter.backtrace.lines().map(str::to_owned).collect(),
            sources: sources
                .map(|(source, range)| ShownRange {
                    source: source.clone(),
                    range: shown_range(range),
                })
                .collect(),
            rows: letter.values()?,
        })
    }
}

impl DeadLetter {
    /// The rows, as queues and `json-files` have them; none of a key that had no values.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn values(&self) -> Result<Vec<Value>, DamagedLetters> {
        if self.columns.is_empty() {
            return Ok(Vec::new());
        }
        let fields = self.columns.iter();
        let fields = fields.map(|(name, kind)| Field::parse(name.clone(), kind).map_err(damaged));
        let schema = Schema::new(fields.collect::<Result<_, _>>()?).map_err(damaged)?;
        let (_, chunks) = read_rows(&self.rows).map_err(damaged)?;
        let mut rows = Vec::new();
        for chunk in &chunks {
            rows.extend(rows_to_json(chunk, &schema).map_err(damaged)?);
        }
        Ok(rows)
    }
}

fn damaged(error: impl std::fmt::Display) -> DamagedLetters {
    DamagedLetters(error.to_string())
}

/// What a batch took from a source, as people read it.
pub fn shown_range(range: &InputRange) -> String {
    let numbers = |all: &[u64]| {
        let all = all.iter().map(u64::to_string);
        all.collect::<Vec<_>>().join(", ")
    };
    match range {
        InputRange::NoBatch => "no batch".to_owned(),
        InputRange::Bytes { from, to } => format!("bytes {from} to {to}"),
        InputRange::Files(files) => {
            let files = files.iter().map(|file| file.path.display().to_string());
            format!("files {}", files.collect::<Vec<_>>().join(", "))
        }
        InputRange::Batches { from, to } => format!("batches {from} to {to}"),
        InputRange::Rows { from, to } => format!("rows {from} to {to}"),
        InputRange::Blocks(blocks) => format!("blocks {}", numbers(blocks)),
    }
}
