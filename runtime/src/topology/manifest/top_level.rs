//! The keys at the top of a topology.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use super::{duration, table::Table};
use crate::{
    model::{BatchInterval, InvalidInterval, TopologyName},
    topology::{
        OnFailedBatch,
        problem::{ProblemKind, Problems},
    },
};

/// What stands at the top; none where it is missing or not valid.
pub(super) struct TopLevel {
    pub(super) name: Option<TopologyName>,
    pub(super) batch_interval: Option<BatchInterval>,
    pub(super) parallelism: Option<NonZeroUsize>,
    pub(super) on_failed_batch: Option<OnFailedBatch>,
    /// It is there, valid or not.
    pub(super) has_checkpoint: bool,
    /// As written.
    pub(super) checkpoint: Option<String>,
    pub(super) checkpoint_interval: Option<Duration>,
    /// As written.
    pub(super) spill_directory: Option<PathBuf>,
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
    let checkpoint_interval = root.duration("checkpoint-interval", problems);
    let has_checkpoint = root.has("checkpoint");
    if let (Some(interval), false) = (&checkpoint_interval, has_checkpoint) {
        let key = "checkpoint-interval".to_owned();
        let why = "says how often state is written, but there is no `checkpoint`".to_owned();
        let problem = problems.report(ProblemKind::BadValue { key, why }, interval.at);
        problem.help("write checkpoint = \"checkpoints\", or leave it out");
    }
    let keys = TopLevel {
        name: read_name(root, problems),
        batch_interval: read_batch_interval(root, problems),
        parallelism: root.partitions("parallelism", problems),
        on_failed_batch,
        has_checkpoint,
        checkpoint: read_checkpoint(root, problems),
        checkpoint_interval: checkpoint_interval.map(|interval| interval.value),
        spill_directory: read_spill_directory(root, problems),
    };
    root.refuse_later("catch-up", problems);
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

fn read_checkpoint(root: &mut Table<'_>, problems: &mut Problems) -> Option<String> {
    let value = root.take("checkpoint")?;
    let text = value.text("a directory or URL", problems)?;
    if text.value.is_empty() {
        value.is_bad("must not be empty", problems);
        return None;
    }
    Some(text.value.to_owned())
}

fn read_spill_directory(root: &mut Table<'_>, problems: &mut Problems) -> Option<PathBuf> {
    let value = root.take("spill-directory")?;
    let text = value.text("a directory", problems)?;
    if text.value.is_empty() {
        value.is_bad("must not be empty", problems);
        return None;
    }
    Some(PathBuf::from(text.value))
}
