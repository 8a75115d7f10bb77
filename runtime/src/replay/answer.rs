//! A batch that was made once more, as programs read it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Difference, Made, ReplayError, Replayed, Verdict, difference::rows};
use crate::{
    checkpoint::{Before, RecoveredClaim},
    model::BatchTime,
};

/// A batch, made once more from what a checkpoint keeps. Nothing was given to any sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ReplayAnswer {
    /// The batch, in milliseconds since the epoch.
    pub batch: i64,
    /// Its number.
    pub number: u64,
    /// What became of it: `committed`, `committed, part of it failed`, `failed`, `claimed`.
    pub was: String,
    /// The batch behind which the state was written that it is made from; none: the beginning.
    pub state_after: Option<i64>,
    /// Batches between that and this one, which were made again to come here.
    pub batches_between: u64,
    /// The version that made it.
    pub version: u64,
    /// What that version makes of it.
    pub made: ShownMade,
    /// What the other version makes of it, if there is one.
    pub other: Option<ShownMade>,
    /// What is different; nothing without another version.
    pub differences: Vec<ShownDifference>,
    /// Both make the same; none: there is no other version.
    pub equal: Option<bool>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// What a version makes of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownMade {
    /// Why it fails; none: it succeeds.
    pub error: Option<String>,
    /// The streams of the sinks, or the one that was asked for.
    pub streams: Vec<ShownStream>,
    /// Records read from sources, the rejected among them.
    pub records: u64,
    /// Bytes read from sources.
    pub bytes: u64,
    /// Rejected rows that nothing reads.
    pub rejected: u64,
    /// Rows on which functions fail and that were left out.
    pub left_out: u64,
    /// How long it took.
    pub seconds: f64,
    /// CPU time of its tasks.
    pub cpu_seconds: f64,
    /// What each source and operator took.
    pub operators: Vec<ShownCost>,
}

/// A stream of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownStream {
    /// Of a sink the sink's name, else the stream's.
    pub name: String,
    /// How many rows there are in all; none: it has no batch at this time.
    pub all: Option<u64>,
    /// The first of them, as queues and `json-files` have them.
    pub rows: Vec<Value>,
}

/// What a source or an operator took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownCost {
    /// Its name.
    pub name: String,
    /// Records that came in.
    pub records_in: u64,
    /// Records that came out.
    pub records_out: u64,
    /// CPU time, in the sandbox and around it.
    pub cpu_seconds: f64,
    /// CPU time in the sandbox.
    pub sandbox_seconds: f64,
    /// The most memory of one instance, in bytes.
    pub memory_peak: u64,
}

/// How a stream of the other version differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownDifference {
    /// The stream.
    pub name: String,
    /// `equal`, `order`, `rows`, `no-batch`, `new-batch`, `gone`, `new`.
    pub verdict: String,
    /// How many rows only the version that made the batch has.
    pub all_before: u64,
    /// The first of them.
    pub before: Vec<Value>,
    /// How many rows only the other version has.
    pub all_after: u64,
    /// The first of them.
    pub after: Vec<Value>,
}

impl ReplayAnswer {
    /// Of a batch and the state that it was made from, with so many rows of each stream.
    ///
    /// # Errors
    /// When rows cannot be shown.
    pub fn new(
        replayed: &Replayed,
        (before, between): (&Before, usize),
        limit: usize,
    ) -> Result<Self, ReplayError> {
        let other = replayed.other.as_ref();
        let differences = other.map_or(&[][..], |(_, differences)| differences);
        let differences = differences.iter();
        Ok(Self {
            batch: replayed.claim.time.as_millis(),
            number: replayed.claim.number,
            was: replayed.was().to_owned(),
            state_after: before.state.map(BatchTime::as_millis),
            batches_between: between as u64,
            version: replayed.version,
            made: ShownMade::new(&replayed.made, limit)?,
            other: other
                .map(|(other, _)| ShownMade::new(other, limit))
                .transpose()?,
            differences: differences.map(|of| shown(of, limit)).collect(),
            equal: other.map(|_| replayed.is_equal()),
            notes: replayed.notes.clone(),
        })
    }
}

impl Replayed {
    /// What became of the batch then.
    pub fn was(&self) -> &'static str {
        let RecoveredClaim {
            committed, failed, ..
        } = &self.claim;
        match committed {
            Some(false) => "committed",
            Some(true) => "committed, part of it failed",
            None if *failed => "failed",
            None => "claimed",
        }
    }
}

impl ShownMade {
    fn new(made: &Made, limit: usize) -> Result<Self, ReplayError> {
        let streams = made.streams.iter().map(|stream| {
            let rows = rows(stream, limit)?;
            Ok(ShownStream {
                name: stream.name.clone(),
                all: stream.batch.as_ref().map(|batch| batch.rows() as u64),
                rows,
            })
        });
        Ok(Self {
            error: made.told(),
            streams: streams.collect::<Result<_, ReplayError>>()?,
            records: made.records,
            bytes: made.bytes,
            rejected: made.dropped.iter().map(|(_, rows, _)| rows).sum(),
            left_out: made.left_out.iter().map(|of| of.rows).sum(),
            seconds: made.elapsed.as_secs_f64(),
            cpu_seconds: made.cpu.as_secs_f64(),
            operators: made
                .costs
                .iter()
                .map(|cost| ShownCost {
                    name: cost.name.clone(),
                    records_in: cost.records_in,
                    records_out: cost.records_out,
                    cpu_seconds: cost.cpu.as_secs_f64(),
                    sandbox_seconds: cost.sandbox.as_secs_f64(),
                    memory_peak: cost.memory_peak as u64,
                })
                .collect(),
        })
    }
}

impl Made {
    /// Why it fails, with the guest's stack.
    pub fn told(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let detail = error.detail();
        Some(match detail.as_str() {
            "" => error.to_string(),
            detail => format!("{error}\n{detail}"),
        })
    }
}

fn shown(difference: &Difference, limit: usize) -> ShownDifference {
    let first = |rows: &[Value]| rows.iter().take(limit).cloned().collect();
    let (before, after) = match &difference.verdict {
        Verdict::Rows { before, after } => (&before[..], &after[..]),
        _ => (&[][..], &[][..]),
    };
    ShownDifference {
        name: difference.name.clone(),
        verdict: difference.verdict.word().to_owned(),
        all_before: before.len() as u64,
        before: first(before),
        all_after: after.len() as u64,
        after: first(after),
    }
}

impl Verdict {
    /// One word, for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Order => "order",
            Self::Rows { .. } => "rows",
            Self::Presence { after: false } => "no-batch",
            Self::Presence { after: true } => "new-batch",
            Self::Stream { after: false } => "gone",
            Self::Stream { after: true } => "new",
        }
    }
}
