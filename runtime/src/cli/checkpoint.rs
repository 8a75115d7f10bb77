//! `rsrt checkpoint`: what lies in a checkpoint.

use std::{fmt::Write as _, process::ExitCode};

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{
    Failure,
    output::{self, Format, counted},
};
use crate::{
    checkpoint::Inside,
    format::{IpcRows, rows_as_text},
    model::{BatchTime, Location},
    operator::{SavedKeys, SavedRows, SavedState},
    scheduler::{SavedOperator, SavedPane},
};

const EXAMPLES: &str = "\
Examples:
  rsrt checkpoint show checkpoints
  rsrt checkpoint show checkpoints --operator counts
  rsrt checkpoint show s3://bucket/checkpoints
  rsrt checkpoint show checkpoints --format json | jq '.operators[].partitions'

The run that it belongs to may go on meanwhile.";

/// Look at what a run has written down
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what is inside: batches, and states with their keys and values
    Show {
        /// The topology's `checkpoint`
        #[arg(value_name = "DIR|URL")]
        location: Location,
        /// Only the state of this operator
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
        /// How it is shown
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let What::Show {
        location,
        operator,
        format,
    } = &arguments.what;
    let inside = Inside::read(location).map_err(Failure::input)?;
    let operators = inside.memory.iter().flat_map(|memory| &memory.operators);
    let operators: Vec<&SavedOperator> = operators
        .filter(|saved| operator.as_ref().is_none_or(|name| saved.name == *name))
        .collect();
    if let (Some(name), true) = (operator, operators.is_empty()) {
        return Err(Failure::input(format!(
            "operator `{name}` has no state there"
        )));
    }
    let text = match format {
        Format::Text => text(&inside, &operators)?,
        Format::Json => format!("{}\n", json(&inside, &operators)?),
    };
    output::answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(inside: &Inside, operators: &[&SavedOperator]) -> Result<String, Failure> {
    let manifest = &inside.manifest;
    let mut text = format!(
        "{}, uid {}: a batch every {} ms, {} after a shuffle\n",
        manifest.topology,
        manifest.uid,
        manifest.interval,
        counted(manifest.parallelism(), "partition", "partitions"),
    );
    let _ = match manifest.state() {
        None => writeln!(text, "no state yet"), // to memory
        Some(state) => writeln!(
            text,
            "state after batch {} ({} ms)",
            state.number, state.time
        ),
    };
    for claim in &inside.claims {
        let how = match claim.committed {
            None if claim.failed => "claimed, an operator failed on it",
            None if claim.superseded => "claimed, another version makes it",
            None => "claimed",
            Some(false) => "committed",
            Some(true) => "committed, part of it failed",
        };
        let time: BatchTime = claim.time;
        let _ = writeln!(text, "batch {} ({time}): {how}", claim.number);
    }
    for (source, blocks) in inside.blocks.iter().filter(|(_, blocks)| *blocks > 0) {
        let blocks = counted(*blocks as u64, "block", "blocks");
        let _ = writeln!(text, "source {source}: {blocks}");
    }
    for operator in operators {
        let _ = writeln!(text, "\noperator {} ({})", operator.name, operator.shape);
        if let Some(lost) = &operator.lost {
            let _ = writeln!(text, "  cannot go on: batch {} ms failed", lost.since);
        }
        for table in tables(operator)? {
            let _ = writeln!(text, "  {}", table.title);
            for row in &table.rows {
                let _ = writeln!(text, "    {}", row.join(" | "));
            }
        }
    }
    Ok(text)
}

/// Rows of one partition; the first are the columns' names.
struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

fn tables(operator: &SavedOperator) -> Result<Vec<Table>, Failure> {
    let failed =
        |error: &dyn std::error::Error| Failure::input(format!("{}: {error}", operator.name));
    let rows = |rows: &IpcRows| {
        let read = rows
            .read()
            .and_then(|(schema, rows)| rows_as_text(&schema, &rows));
        read.map_err(|error| failed(&error))
    };
    let keys = |saved: &SavedKeys| {
        let (rows, touched) = saved.merged().map_err(|error| failed(&error))?;
        let text = rows_as_text(&rows.schema(), std::slice::from_ref(&rows));
        Ok::<_, Failure>((text.map_err(|error| failed(&error))?, touched))
    };
    let mut tables = Vec::new();
    for (partition, state) in operator.states.iter().flatten().enumerate() {
        let title = |what: &str| format!("partition {partition}{what}");
        match state {
            SavedState::Update(saved) => tables.push(Table {
                title: title(""),
                rows: keys(saved)?.0,
            }),
            SavedState::Map(saved) => {
                let (mut table, touched) = keys(saved)?;
                let heading = ["last touched".to_owned()];
                let times = heading
                    .into_iter()
                    .chain(touched.iter().map(ToString::to_string));
                for (row, time) in table.iter_mut().zip(times) {
                    row.push(time);
                }
                tables.push(Table {
                    title: title(""),
                    rows: table,
                });
            }
            SavedState::Window(window) => {
                let mut add = |what: &str, saved: &SavedRows| -> Result<(), Failure> {
                    let found = saved.rows().map_err(|error| failed(&error))?;
                    tables.push(Table {
                        title: title(what),
                        rows: rows(found)?,
                    });
                    Ok(())
                };
                for (number, saved) in &window.panes {
                    add(&format!(", batch {number} of it"), saved)?;
                }
                if let Some(saved) = &window.previous {
                    add(", the last window", saved)?;
                }
            }
        }
    }
    for (number, pane) in &operator.panes {
        match pane {
            // Whoever reads a checkpoint has put what was written before in its place.
            SavedPane::AsBefore => {}
            SavedPane::Lost(_) => tables.push(Table {
                title: format!("batch {number}: failed"),
                rows: Vec::new(),
            }),
            SavedPane::Rows(partitions) => {
                for (partition, bytes) in partitions.iter().enumerate() {
                    tables.push(Table {
                        title: format!("batch {number}, partition {partition}"),
                        rows: rows(bytes)?,
                    });
                }
            }
        }
    }
    Ok(tables)
}

fn json(inside: &Inside, operators: &[&SavedOperator]) -> Result<Value, Failure> {
    let manifest = &inside.manifest;
    let mut shown = Vec::new();
    for operator in operators {
        let tables = tables(operator)?.into_iter().map(|table| {
            let mut rows = table.rows.into_iter();
            let names = rows.next().unwrap_or_default();
            let rows = rows.map(|row| {
                let cells = names.iter().cloned().zip(row.into_iter().map(Value::from));
                Value::Object(cells.collect::<Map<_, _>>())
            });
            json!({ "of": table.title, "rows": rows.collect::<Vec<_>>() })
        });
        shown.push(json!({
            "name": operator.name,
            "shape": operator.shape,
            "partitions": tables.collect::<Vec<_>>(),
        }));
    }
    let claims = inside.claims.iter().map(|claim| {
        json!({
            "time": claim.time.as_millis(),
            "number": claim.number,
            "committed": claim.committed.is_some(),
            "failed": claim.committed == Some(true),
        })
    });
    let blocks = inside.blocks.iter().cloned();
    let blocks = blocks.map(|(source, blocks)| (source, Value::from(blocks)));
    Ok(json!({
        "topology": manifest.topology,
        "uid": manifest.uid,
        "interval": manifest.interval,
        "parallelism": manifest.parallelism(),
        "state": manifest.state().map(|state| json!({
            "number": state.number,
            "time": state.time,
        })),
        "batches": claims.collect::<Vec<_>>(),
        "blocks": Value::Object(blocks.collect()),
        "operators": shown,
    }))
}
