//! `rsrt state`: what an operator of a deployed topology remembers.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::{Value, json};

use super::{
    Client, Remote, answer,
    client::{path, query},
    table,
};
use crate::{
    checkpoint::StateRows,
    cli::{Environment, Failure, output::plain},
    model::{NodeName, TopologyName},
};

const EXAMPLES: &str = "\
Examples:
  rsrt state counts totals
  rsrt state counts totals alice
  rsrt state counts totals '[\"alice\", 3]'         a key of two columns
  rsrt state counts totals --from 100 --limit 100   the next page

It is what was last written to the topology's checkpoint, after the batch that is named. A key is its text or
JSON; one of several columns is a JSON list.";

/// Show what an operator of a deployed topology remembers
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The topology
    name: TopologyName,
    /// The operator
    operator: NodeName,
    /// Only what is remembered of this key
    key: Option<String>,
    /// At most so many rows; a server may give fewer
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Leave out so many before
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    #[command(flatten)]
    remote: Remote,
}

pub(in crate::cli) fn run(
    arguments: &Arguments,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.remote, environment)?;
    let operator = arguments.operator.as_str();
    let path = path(&[arguments.name.as_str(), "operators", operator, "state"])?;
    let (from, limit) = (arguments.from.to_string(), arguments.limit.to_string());
    let mut asked = vec![("from", from.as_str()), ("limit", limit.as_str())];
    asked.extend(arguments.key.as_deref().map(|key| ("key", key)));
    let found: StateRows = client.get(&query(&path, &asked)?)?;
    answer(arguments.remote.format, &json!(found), || text(&found))
}

fn text(found: &StateRows) -> String {
    let Some(after) = found.after else {
        return "no state was written yet\n".to_owned();
    };
    let mut text = format!("after batch {} ({} ms)\n", after.number, after.time);
    // To memory.
    if let Some(lost) = found.lost {
        let _ = writeln!(text, "it cannot go on: batch {lost} ms failed");
    }
    let Some(first) = found.rows.first() else {
        text.push_str("nothing is remembered\n");
        return text;
    };
    let mut head = vec!["PARTITION".to_owned()];
    head.extend(first.batch.map(|_| "BATCH".to_owned()));
    head.extend(first.columns.keys().map(|name| plain(name)));
    head.extend(first.touched.map(|_| "LAST TOUCHED".to_owned()));
    let mut rows = vec![head];
    rows.extend(found.rows.iter().map(|row| {
        let mut cells = vec![row.partition.to_string()];
        cells.extend(row.batch.map(|batch| batch.to_string()));
        cells.extend(row.columns.values().map(cell));
        cells.extend(row.touched.map(|time| format!("{time} ms")));
        cells
    }));
    text.push_str(&table::columns(&rows));
    if let Some(next) = found.next {
        let _ = writeln!(text, "there is more: --from {next}");
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}
