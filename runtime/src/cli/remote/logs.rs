//! `rsrt logs`: what was logged about a deployed topology.

use std::{fmt::Write as _, process::ExitCode};

use serde::Deserialize;

use super::{Client, Remote, client::parsed};
use crate::{
    cli::{
        Environment, Failure,
        output::{self, Format, counted, plain},
    },
    format::write_timestamp,
    model::TopologyName,
    telemetry::{Colors, LogLevel, LogLine, Speaker},
};

const EXAMPLES: &str = "\
Examples:
  rsrt logs counts
  rsrt logs counts --follow --lines 20
  rsrt logs counts --format json | jq -r 'select(.from == \"plugin\").message'

A server keeps the last 2,000 lines of a topology, at most 256 KiB, and says how many are lost. With --format
json each line is an object; {\"dropped\": N} stands where lines are lost.";

/// Show what was logged about a deployed topology, by its plugins and by the server
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The topology
    name: TopologyName,
    /// Go on with the lines that come, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Only the last N lines
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Line(LogLine),
    Dropped { dropped: u64 },
}

pub(in crate::cli) fn run(
    arguments: &Arguments,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.remote, environment)?;
    let mut path = format!("/{}/logs?follow={}", arguments.name, arguments.follow);
    if let Some(lines) = arguments.lines {
        let _ = write!(path, "&lines={lines}"); // to memory
    }
    let colors = environment.output_colors;
    client.lines(&path, |line| match arguments.remote.format {
        Format::Json => output::goes_on(&format!("{line}\n")),
        Format::Text => output::goes_on(&text(&parsed(line.as_bytes())?, colors)),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn text(said: &Said, colors: Colors) -> String {
    let line = match said {
        Said::Line(line) => line,
        Said::Dropped { dropped } => {
            let lines = counted(*dropped, "line is", "lines are");
            return format!("({lines} lost)\n");
        }
    };
    let mut time = Vec::new();
    write_timestamp(line.at, &mut time);
    let style = match line.level {
        LogLevel::Error => "1;31",
        LogLevel::Warning => "1;33",
        LogLevel::Info => "1;32",
        LogLevel::Debug => "1;34",
    };
    let level = colors.paint(style, line.level.name());
    let mut text = format!("{} {level}", String::from_utf8_lossy(&time));
    let mut place = Vec::new();
    place.extend(
        line.operator
            .as_ref()
            .map(|name| format!("operator {name}")),
    );
    place.extend(line.batch.map(|time| format!("batch {time} ms")));
    place.extend(line.partition.map(|at| format!("partition {at}")));
    if place.is_empty() && line.from == Speaker::Plugin {
        place.push("a plugin that is being loaded".to_owned());
    }
    // To memory.
    if !place.is_empty() {
        let _ = write!(text, " {}", plain(&place.join(", ")));
    }
    let _ = writeln!(text, ": {}", plain(&line.message));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_when_where_and_what() {
        let line = LogLine {
            number: 4,
            at: 1_000,
            level: LogLevel::Warning,
            from: Speaker::Plugin,
            operator: Some("words".to_owned()),
            batch: Some(2_000),
            partition: Some(3),
            message: "odd \u{1b}[2J".to_owned(),
        };
        let bare = LogLine {
            operator: None,
            batch: None,
            partition: None,
            ..line.clone()
        };
        let host = LogLine {
            from: Speaker::Host,
            ..bare.clone()
        };
        let all = [
            Said::Dropped { dropped: 3 },
            Said::Line(line),
            Said::Line(bare),
            Said::Line(host),
        ];
        let all: String = all.iter().map(|said| text(said, Colors::Off)).collect();
        insta::assert_snapshot!(all, @r"
        (3 lines are lost)
        1970-01-01T00:00:01.000Z warning operator words, batch 2000 ms, partition 3: odd �[2J
        1970-01-01T00:00:01.000Z warning a plugin that is being loaded: odd �[2J
        1970-01-01T00:00:01.000Z warning: odd �[2J
        ");
    }
}
