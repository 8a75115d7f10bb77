//! The keys at the top of a topology.

use std::{num::NonZeroUsize, time::Duration};

use super::{duration, table::Table};
use crate::{
    confine::Place,
    model::{BatchInterval, InvalidInterval, Location, TopologyName},
    topology::{
        CatchUp, OnFailedBatch,
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
    pub(super) checkpoint: Option<Location>,
    pub(super) checkpoint_interval: Option<Duration>,
    pub(super) retain_batches: Option<u64>,
    pub(super) catch_up: Option<CatchUp>,
    /// As written.
    pub(super) spill_directory: Option<Place>,
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
    let retain_batches = root.take("retain-batches");
    let catch_up_at = root.peek("catch-up").map(|value| value.at);
    let catch_up = root.choice(
        "catch-up",
        &[("every", CatchUp::Every), ("one", CatchUp::One)],
        problems,
    );
    let has_checkpoint = root.has("checkpoint");
    let mut needs_checkpoint = |key: &str, at, why: &str| {
        if !has_checkpoint {
            let (key, why) = (key.to_owned(), why.to_owned());
            let problem = problems.report(ProblemKind::BadValue { key, why }, at);
            problem.help("write checkpoint = \"checkpoints\", or leave it out");
        }
    };
    if let Some(interval) = &checkpoint_interval {
        let why = "says how often state is written, but there is no `checkpoint`";
        needs_checkpoint("checkpoint-interval", interval.at, why);
    }
    if let Some(retain) = &retain_batches {
        let why =
            "says for how many batches a checkpoint reaches back, but there is no `checkpoint`";
        needs_checkpoint("retain-batches", retain.at, why);
    }
    if let Some(at) = catch_up_at {
        let why = "says which missed batches are made, but without `checkpoint` none is missed";
        needs_checkpoint("catch-up", at, why);
    }
    TopLevel {
        name: read_name(root, problems),
        batch_interval: read_batch_interval(root, problems),
        parallelism: root.partitions("parallelism", problems),
        on_failed_batch,
        has_checkpoint,
        checkpoint: read_checkpoint(root, problems),
        checkpoint_interval: checkpoint_interval.map(|interval| interval.value),
        retain_batches: retain_batches.and_then(|retain| retain.positive(problems)),
        catch_up,
        spill_directory: read_spill_directory(root, problems),
    }
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

fn read_checkpoint(root: &mut Table<'_>, problems: &mut Problems) -> Option<Location> {
    let value = root.take("checkpoint")?;
    let text = value.text("a directory or URL", problems)?;
    match text.value.parse() {
        Ok(location) => Some(location),
        Err(invalid) => {
            value.is_bad(invalid.to_string(), problems);
            None
        }
    }
}

fn read_spill_directory(root: &mut Table<'_>, problems: &mut Problems) -> Option<Place> {
    let value = root.take("spill-directory")?;
    let text = value.text("a directory", problems)?;
    if text.value.is_empty() {
        value.is_bad("must not be empty", problems);
        return None;
    }
    Some(Place::from(text.value))
}
