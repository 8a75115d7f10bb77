//! `rsrt tap`: rows of a stream as they pass.

use std::process::ExitCode;

use serde::Deserialize;

use super::{
    Client, Remote,
    client::{parsed, path},
};
use crate::{
    cli::{
        Environment, Failure,
        output::{self, Format, counted, plain},
    },
    model::TopologyName,
    server::TappedRow,
};

const EXAMPLES: &str = "\
Examples:
  rsrt tap counts words
  rsrt tap counts words.rejected --rows 10
  rsrt tap counts words --format json | jq .row

A stream is a source or an operator, NAME.rejected or NAME.snapshots. Nobody is held up: rows that are not read
in time are lost, and it is said how many; with --format json {\"lost\": N} stands where they are. It ends with
the run of the topology, or with Ctrl-C.";

/// Show the rows of a stream of a deployed topology as they pass
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The topology
    name: TopologyName,
    /// The stream
    stream: String,
    /// End after so many rows
    #[arg(long, value_name = "N")]
    rows: Option<u64>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Row(TappedRow),
    Lost { lost: u64 },
}

pub(in crate::cli) fn run(
    arguments: &Arguments,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.remote, environment)?;
    let mut left = arguments.rows;
    if left == Some(0) {
        return Ok(ExitCode::SUCCESS);
    }
    let path = path(&[arguments.name.as_str(), "streams", &arguments.stream, "tap"])?;
    client.lines(&path, |line| {
        let said: Said = parsed(line.as_bytes())?;
        let goes_on = output::goes_on(&match arguments.remote.format {
            Format::Json => format!("{line}\n"),
            Format::Text => text(&said),
        })?;
        if let (Said::Row(_), Some(left)) = (&said, &mut left) {
            *left -= 1;
        }
        Ok(goes_on && left != Some(0))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn text(said: &Said) -> String {
    match said {
        Said::Row(row) => format!(
            "batch {} ms, partition {}: {}\n",
            row.batch,
            row.partition,
            plain(&row.row.to_string())
        ),
        Said::Lost { lost } => format!("({} lost)\n", counted(*lost, "row is", "rows are")),
    }
}
