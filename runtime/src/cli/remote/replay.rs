//! `rsrt replay` of a deployed topology.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::{Value, json};

use super::{Remote, answer, client::Client, deploy};
use crate::{
    cli::{Environment, Failure, loading::GivenPlugin, output::plain},
    model::{BatchTime, TopologyName},
    replay::{ReplayAnswer, ShownMade},
};

/// A batch of a deployed topology, once more.
pub(in crate::cli) struct Replayed<'a> {
    pub(in crate::cli) name: &'a TopologyName,
    pub(in crate::cli) batch: BatchTime,
    pub(in crate::cli) stream: Option<&'a str>,
    pub(in crate::cli) plugins: &'a [GivenPlugin],
    pub(in crate::cli) rows: Option<usize>,
}

pub(in crate::cli) fn replay(
    of: &Replayed<'_>,
    remote: &Remote,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let client = Client::new(remote, environment)?;
    let body = json!({
        "batch": of.batch.as_millis(),
        "stream": of.stream,
        "plugins": deploy::uploads(of.plugins)?,
        "rows": of.rows,
    });
    let replayed: ReplayAnswer = client.post(&format!("/{}/replay", of.name), Some(&body))?;
    answer(remote.format, &json!(replayed), || text(&replayed))?;
    Ok(
        match replayed.equal.unwrap_or(replayed.made.error.is_none()) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
    )
}

fn text(replayed: &ReplayAnswer) -> String {
    let ReplayAnswer {
        batch,
        number,
        was,
        version,
        ..
    } = replayed;
    let batch = BatchTime::from_millis(*batch);
    let mut text =
        format!("batch {number} ({batch}), {was}: made by version {version} of its checkpoint\n");
    let mut add = |line: String| {
        let _ = writeln!(text, "{}", plain(&line)); // to memory
    };
    let rows = |rows: &[Value], all: u64, sign: &str| {
        let more = all.saturating_sub(rows.len() as u64);
        let mut lines: Vec<String> = rows.iter().map(|row| format!("  {sign}{row}")).collect();
        if more > 0 {
            lines.push(format!("  {sign}... and {more} more"));
        }
        lines
    };
    if let Some(error) = &replayed.made.error {
        add(format!("it fails: {error}"));
    }
    match &replayed.other {
        None => {
            for stream in &replayed.made.streams {
                let Some(all) = stream.all else {
                    add(format!("{}: no batch", stream.name));
                    continue;
                };
                add(format!("{}: {all} rows", stream.name));
                rows(&stream.rows, all, "").into_iter().for_each(&mut add);
            }
        }
        Some(other) => {
            if let Some(error) = &other.error {
                add(format!("it fails in the other version: {error}"));
            }
            for difference in &replayed.differences {
                add(format!("{}: {}", difference.name, difference.verdict));
                let before = rows(&difference.before, difference.all_before, "- ");
                let after = rows(&difference.after, difference.all_after, "+ ");
                before.into_iter().chain(after).for_each(&mut add);
            }
        }
    }
    for note in &replayed.notes {
        add(format!("note: {note}"));
    }
    add(costs("as it was", &replayed.made));
    if let Some(other) = &replayed.other {
        add(costs("other version", other));
    }
    text
}

fn costs(which: &str, made: &ShownMade) -> String {
    let mut text = format!(
        "{which}: {:.1} ms, {:.1} ms of CPU",
        made.seconds * 1e3,
        made.cpu_seconds * 1e3
    );
    for operator in &made.operators {
        let ms = operator.cpu_seconds * 1e3;
        let _ = write!(text, "; {} {ms:.1} ms", operator.name); // to memory
    }
    text
}
