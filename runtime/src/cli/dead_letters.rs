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
    Failure,
    output::{self, Format, counted, plain},
};
use crate::{
    checkpoint::{BatchLetters, DeadLetter},
    clock::{Clock as _, SystemClock},
    format::{read_rows, rows_as_text, rows_to_json},
    model::{Field, InputRange, Location, Schema},
};

const EXAMPLES: &str = "\
Examples:
  rsrt dead-letters show checkpoints
  rsrt dead-letters show checkpoints --operator prices --format json
  rsrt dead-letters export checkpoints --operator prices --to again.jsonl
  rsrt dead-letters drop checkpoints --operator prices

An operator with on-error = \"dead-letter\" puts the rows there on which its function fails. To try them
again, export them and give them to a topology whose source is that file, with format = \"json\".";

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
        /// The topology's `checkpoint`
        #[arg(value_name = "DIR|URL")]
        location: Location,
        /// Only those of this operator
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
        /// How they are shown
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Write the rows of one operator's dead letters to a new file, a line of JSON for each
    Export {
        /// The topology's `checkpoint`
        #[arg(value_name = "DIR|URL")]
        location: Location,
        /// Whose: its input's columns are the rows'
        #[arg(long, value_name = "NAME")]
        operator: String,
        /// Must not be there yet
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Remove them; no run may have the checkpoint open
    Drop {
        /// The topology's `checkpoint`, a directory
        #[arg(value_name = "DIR")]
        location: Location,
        /// Only those of this operator
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::Show {
            location,
            operator,
            format,
        } => {
            let batches = read(location, operator.as_deref())?;
            let text = match format {
                Format::Text => text(&batches)?,
                Format::Json => format!("{}\n", json(&batches)?),
            };
            output::answer(&text)?;
        }
        What::Export {
            location,
            operator,
            to,
        } => {
            let batches = read(location, Some(operator))?;
            let rows = export(&batches, to)?;
            let rows = counted(rows, "row", "rows");
            output::answer(&format!("{rows} written to {}\n", to.display()))?;
        }
        What::Drop { location, operator } => {
            let now = SystemClock::default().wall_millis();
            let forgotten = BatchLetters::forget(location, operator.as_deref(), now);
            let forgotten = forgotten.map_err(Failure::input)?;
            let letters = counted(forgotten, "dead letter", "dead letters");
            output::answer(&format!("{letters} removed\n"))?;
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
            let _ = writeln!(text, "  from {source}: {}", of_range(range));
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
    let mut letters = Vec::new();
    for batch in batches {
        let sources = batch.sources.iter();
        let sources =
            sources.map(|(name, range)| json!({ "source": name, "range": of_range(range) }));
        let sources: Vec<Value> = sources.collect();
        for letter in &batch.letters {
            letters.push(json!({
                "batch": batch.time,
                "operator": letter.operator,
                "function": letter.function,
                "partition": letter.partition,
                "reason": letter.reason,
                "backtrace": letter.backtrace.lines().collect::<Vec<_>>(),
                "sources": sources,
                "rows": rows(letter)?,
            }));
        }
    }
    Ok(json!({ "dead-letters": letters }))
}

/// As `json-files` and queues have them; none of a key that had no values.
fn rows(letter: &DeadLetter) -> Result<Vec<Value>, Failure> {
    if letter.columns.is_empty() {
        return Ok(Vec::new());
    }
    let fields = letter.columns.iter();
    let fields = fields.map(|(name, kind)| Field::parse(name.clone(), kind).map_err(damaged));
    let schema = Schema::new(fields.collect::<Result<_, _>>()?).map_err(damaged)?;
    let (_, chunks) = read_rows(&letter.rows).map_err(damaged)?;
    let mut rows = Vec::new();
    for chunk in &chunks {
        rows.extend(rows_to_json(chunk, &schema).map_err(damaged)?);
    }
    Ok(rows)
}

fn export(batches: &[BatchLetters], to: &Path) -> Result<u64, Failure> {
    let failed = |error| Failure::run(format!("cannot write {}: {error}", to.display()));
    let mut lines = Vec::new();
    let mut count = 0;
    for letter in batches.iter().flat_map(|batch| &batch.letters) {
        for row in rows(letter)? {
            lines.extend_from_slice(row.to_string().as_bytes());
            lines.push(b'\n');
            count += 1;
        }
    }
    let file = OpenOptions::new().write(true).create_new(true).open(to);
    let mut file = file.map_err(failed)?;
    file.write_all(&lines).map_err(failed)?;
    // What is dropped after this must be there.
    file.sync_all().map_err(failed)?;
    Ok(count)
}

fn of_range(range: &InputRange) -> String {
    match range {
        InputRange::NoBatch => "no batch".to_owned(),
        InputRange::Bytes { from, to } => format!("bytes {from} to {to}"),
        InputRange::Files(files) => {
            let files = files.iter().map(|file| file.path.display().to_string());
            format!("files {}", files.collect::<Vec<_>>().join(", "))
        }
        InputRange::Batches { from, to } => format!("batches {from} to {to}"),
        InputRange::Rows { from, to } => format!("rows {from} to {to}"),
        InputRange::Blocks(blocks) => {
            let blocks = blocks.iter().map(u64::to_string);
            format!("blocks {}", blocks.collect::<Vec<_>>().join(", "))
        }
    }
}
