//! `rsrt dead-letters`: rows on which functions failed.

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Environment, Failure,
    output::{self, Format, counted, plain},
    remote::{Letters, Remote},
};
use crate::{
    checkpoint::{BatchLetters, ShownLetters, shown_range},
    clock::{Clock as _, SystemClock},
    format::{read_rows, rows_as_text},
    model::{Location, TopologyName},
};

const EXAMPLES: &str = "\
Examples:
  rsrt dead-letters show checkpoints
  rsrt dead-letters show checkpoints --operator prices --format json
  rsrt dead-letters show --deployed counts
  rsrt dead-letters retry --deployed counts --operator prices
  rsrt dead-letters export checkpoints --operator prices --to again.jsonl
  rsrt dead-letters drop checkpoints --operator prices

An operator with on-error = \"dead-letter\" puts the rows there on which its function fails. To try them
again where no server runs the topology, export them and give them to a topology whose source is that file, with format = \"json\".";

/// Look at the rows on which functions failed, write them out, or remove them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show them, and why the functions failed; the run may go on meanwhile
    Show {
        #[command(flatten)]
        of: Whose,
        /// Only those of this operator
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
    },
    /// Write the rows of one operator's dead letters to a new file, a line of JSON for each
    Export {
        #[command(flatten)]
        of: Whose,
        /// Whose: its input's columns are the rows'
        #[arg(long, value_name = "NAME")]
        operator: String,
        /// Must not be there yet
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Have the next batches of a deployed topology, which runs, take them once more
    Retry {
        #[command(flatten)]
        of: Whose,
        /// Only those of this operator
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
    },
    /// Remove them; no run may have the checkpoint open, but for that of a deployed topology
    Drop {
        #[command(flatten)]
        of: Whose,
        /// Only those of this operator
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
    },
}

/// Whose dead letters.
#[derive(Debug, clap::Args)]
struct Whose {
    /// The topology's `checkpoint`
    #[arg(value_name = "DIR|URL", conflicts_with = "deployed")]
    location: Option<Location>,
    /// A topology that is deployed on a server, instead of a checkpoint
    #[arg(long, value_name = "NAME")]
    deployed: Option<TopologyName>,
    #[command(flatten)]
    remote: Remote,
}

/// Where they are.
enum There<'a> {
    Here(&'a Location),
    Deployed(Letters<'a>),
}

impl Whose {
    fn of<'a>(&'a self, operator: Option<&'a str>) -> Result<There<'a>, Failure> {
        let remote = &self.remote;
        match (&self.deployed, &self.location) {
            (Some(name), _) => Ok(There::Deployed(Letters {
                name,
                operator,
                remote,
            })),
            (None, Some(location)) => Ok(There::Here(location)),
            (None, None) => Err(Failure::input("a checkpoint is needed, or --deployed NAME")),
        }
    }
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::Show { of, operator } => {
            let operator = operator.as_deref();
            let batches = match of.of(operator)? {
                There::Deployed(letters) => return letters.show(environment),
                There::Here(location) => read(location, operator)?,
            };
            let text = match of.remote.format() {
                Format::Text => text(&batches)?,
                Format::Json => format!("{}\n", json(&batches)?),
            };
            output::answer(&text)?;
        }
        What::Export { of, operator, to } => {
            let rows = match of.of(Some(operator))? {
                There::Deployed(letters) => letters.rows(environment)?,
                There::Here(location) => rows(&read(location, Some(operator))?)?,
            };
            let count = rows.len() as u64;
            export(&rows, to)?;
            let text = match of.remote.format() {
                Format::Text => {
                    let rows = counted(count, "row", "rows");
                    format!("{rows} written to {}\n", to.display())
                }
                Format::Json => format!("{}\n", json!({ "rows": count })),
            };
            output::answer(&text)?;
        }
        What::Retry { of, operator } => match of.of(operator.as_deref())? {
            There::Deployed(letters) => return letters.retry(environment),
            There::Here(_) => {
                return Err(
                    Failure::input("only a server can retry: say --deployed NAME")
                        .hint("export them, and give them to a topology whose source is that file"),
                );
            }
        },
        What::Drop { of, operator } => {
            let operator = operator.as_deref();
            let location = match of.of(operator)? {
                There::Deployed(letters) => return letters.forget(environment),
                There::Here(location) => location,
            };
            let now = SystemClock::default().wall_millis();
            let forgotten = BatchLetters::forget(location, operator, now);
            let forgotten = forgotten.map_err(Failure::input)?;
            let text = match of.remote.format() {
                Format::Text => {
                    let letters = counted(forgotten, "dead letter", "dead letters");
                    format!("{letters} removed\n")
                }
                Format::Json => format!("{}\n", json!({ "dropped": forgotten })),
            };
            output::answer(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(location: &Location, operator: Option<&str>) -> Result<Vec<BatchLetters>, Failure> {
    let mut batches = BatchLetters::read(location).map_err(Failure::input)?;
    if let Some(name) = operator {
        for batch in &mut batches {
            batch.letters.retain(|letter| letter.operator == name);
        }
    }
    batches.retain(|batch| !batch.letters.is_empty());
    Ok(batches)
}

fn damaged(error: impl ToString) -> Failure {
    Failure::run(format!("a dead letter is damaged: {}", error.to_string()))
}

fn text(batches: &[BatchLetters]) -> Result<String, Failure> {
    let mut text = String::new();
    for batch in batches {
        // Writing to memory does not fail.
        let _ = writeln!(text, "batch {}", batch.batch());
        for (source, range) in &batch.sources {
            let _ = writeln!(text, "  from {source}: {}", shown_range(range));
        }
        for letter in &batch.letters {
            let (operator, partition) = (&letter.operator, letter.partition);
            let _ = writeln!(text, "\n  operator {operator}, partition {partition}");
            let _ = writeln!(text, "    {}", letter.reason);
            for line in letter.backtrace.lines() {
                let _ = writeln!(text, "      {line}");
            }
            let (schema, chunks) = read_rows(&letter.rows).map_err(damaged)?;
            for row in rows_as_text(&schema, &chunks).map_err(damaged)? {
                let row = row.iter().map(|cell| plain(cell));
                let _ = writeln!(text, "    {}", row.collect::<Vec<_>>().join(" | "));
            }
        }
        text.push('\n');
    }
    let letters: usize = batches.iter().map(|batch| batch.letters.len()).sum();
    let letters = counted(letters as u64, "dead letter", "dead letters");
    let _ = writeln!(text, "{letters}");
    Ok(text)
}

fn json(batches: &[BatchLetters]) -> Result<Value, Failure> {
    let shown = ShownLetters::of(batches, None, (0, u64::MAX)).map_err(Failure::input)?;
    Ok(json!({ "dead-letters": shown.dead_letters }))
}

fn rows(batches: &[BatchLetters]) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    for letter in batches.iter().flat_map(|batch| &batch.letters) {
        rows.extend(letter.values().map_err(Failure::input)?);
    }
    Ok(rows)
}

fn export(rows: &[Value], to: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::run(format!("cannot write {}: {error}", to.display()));
    let mut lines = Vec::new();
    for row in rows {
        lines.extend_from_slice(row.to_string().as_bytes());
        lines.push(b'\n');
    }
    let file = OpenOptions::new().write(true).create_new(true).open(to);
    let mut file = file.map_err(failed)?;
    file.write_all(&lines).map_err(failed)?;
    // What is dropped after this must be there.
    file.sync_all().map_err(failed)
}
