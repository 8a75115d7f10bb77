//! The keys at the top of a topology.

use std::num::NonZeroUsize;

use super::{duration, table::Table};
use crate::{
    model::{BatchInterval, InvalidInterval, TopologyName},
    topology::{
        OnFailedBatch,
        problem::{ProblemKind, Problems},
    },
};

/// `on-failed-batch` without a checkpoint: Spark's way (spec 1.8).
const ON_FAILED_BATCH: OnFailedBatch = OnFailedBatch::Continue;

/// What stands at the top; none where it is missing or not valid.
pub(super) struct TopLevel {
    pub(super) name: Option<TopologyName>,
    pub(super) batch_interval: Option<BatchInterval>,
    pub(super) parallelism: Option<NonZeroUsize>,
    pub(super) on_failed_batch: OnFailedBatch,
}

pub(super) fn read(root: &mut Table<'_>, problems: &mut Problems) -> TopLevel {
    let on_failed_batch = root.choice(
        "on-failed-batch",
        &[
            ("stop", OnFailedBatch::Stop),
            ("continue", OnFailedBatch::Continue),
        ],
        problems,
    );
    let keys = TopLevel {
        name: read_name(root, problems),
        batch_interval: read_batch_interval(root, problems),
        parallelism: root.partitions("parallelism", problems),
        on_failed_batch: on_failed_batch.unwrap_or(ON_FAILED_BATCH),
    };
    refuse_durability(root, problems);
    keys
}

fn read_name(root: &mut Table<'_>, problems: &mut Problems) -> Option<TopologyName> {
    let name = root
        .require("name", problems)?
        .text("a name such as \"clicks\"", problems)?;
    match name.value.parse() {
        Ok(name) => Some(name),
        Err(invalid) => {
            problems.report(ProblemKind::BadName(invalid), name.at);
            None
        }
    }
}

fn read_batch_interval(root: &mut Table<'_>, problems: &mut Problems) -> Option<BatchInterval> {
    const KEY: &str = "batch-interval";
    let value = root.require(KEY, problems)?;
    let text = value.text(duration::DURATION, problems)?;
    let interval = duration::parse(text.value)
        .map_err(|why| why.to_string())
        .and_then(|length| {
            BatchInterval::new(length).map_err(|invalid| match invalid {
                InvalidInterval::TooShort => "must be at least 1 ms".to_owned(),
                InvalidInterval::TooLong => "must be shorter than 1,000 years".to_owned(),
            })
        });
    match interval {
        Ok(interval) => Some(interval),
        Err(why) => {
            value.is_bad(why, problems);
            None
        }
    }
}

/// Ignoring a key on which exactly-once rests would be worse than refusing it.
fn refuse_durability(root: &mut Table<'_>, problems: &mut Problems) {
    const DIRECTORY: &str = "a directory or URL";
    const HELP: &str = "leave it out: without a checkpoint a topology starts afresh after a stop";
    if let Some(checkpoint) = root.text("checkpoint", DIRECTORY, problems) {
        let what = "`checkpoint`".to_owned();
        let problem = problems.report(ProblemKind::NotYet { what }, checkpoint.at);
        problem.help(HELP);
    }
    if let Some(interval) = root.duration("checkpoint-interval", problems) {
        let what = "`checkpoint-interval`".to_owned();
        let problem = problems.report(ProblemKind::NotYet { what }, interval.at);
        problem.help(HELP);
    }
    root.refuse_later("catch-up", problems);
}
