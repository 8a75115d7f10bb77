//! A batch that was made once more, as people read it.

use std::{fmt::Write as _, time::Duration};

use crate::{
    checkpoint::Before,
    cli::output::{counted, grouped, plain},
    format::RowText,
    replay::{Cost, Difference, Made, MadeStream, ReplayError, Replayed, Verdict, Way},
};

/// All of it, with so many rows of each stream.
pub(super) fn text(
    replayed: &Replayed,
    (before, way): (&Before, &Way),
    limit: usize,
) -> Result<String, ReplayError> {
    let mut text = head(replayed, before, way);
    match &replayed.other {
        None => {
            text.push_str(&failure(&replayed.made, "it fails"));
            if replayed.has_changed() {
                text.push_str("it succeeded then: is what it reads as it was?\n");
            }
            for stream in &replayed.made.streams {
                text.push_str(&rows(stream, limit)?);
            }
        }
        Some((other, differences)) => {
            text.push_str(&failure(&replayed.made, "it fails as it was"));
            text.push_str(&failure(other, "it fails in the other version"));
            for difference in differences {
                text.push_str(&differing(difference, limit));
            }
        }
    }
    for note in &replayed.notes {
        let _ = writeln!(text, "note: {}", plain(note)); // to memory
    }
    text.push('\n');
    match &replayed.other {
        None => text.push_str(&costs(&replayed.made)),
        Some((other, _)) => text.push_str(&both_costs(&replayed.made, other)),
    }
    Ok(text)
}

fn head(replayed: &Replayed, before: &Before, way: &Way) -> String {
    let claim = &replayed.claim;
    let mut text = format!(
        "batch {} ({}), {}: made by version {} of ",
        claim.number,
        claim.time,
        replayed.was(),
        replayed.version
    );
    let _ = match before.state {
        None => write!(text, "the beginning"), // to memory
        Some(state) => write!(text, "the state after batch {state}"),
    };
    if way.batches > 0 {
        let between = counted(way.batches as u64, "batch", "batches");
        let _ = write!(text, " and {between} between"); // to memory
    }
    text.push('\n');
    text
}

fn failure(made: &Made, how: &str) -> String {
    match made.told() {
        None => String::new(),
        Some(why) => {
            let lines: Vec<_> = why.lines().map(plain).collect();
            format!("{how}: {}\n", lines.join("\n  "))
        }
    }
}

/// The rows of a stream, as `print` shows them.
fn rows(stream: &MadeStream, limit: usize) -> Result<String, ReplayError> {
    let Some(batch) = &stream.batch else {
        return Ok(format!("\n{}: no batch\n", stream.name));
    };
    let all = batch.rows();
    let mut text = format!(
        "\n{}: {}\n",
        stream.name,
        counted(all as u64, "row", "rows")
    )
    .into_bytes();
    let writer = RowText::new(&stream.schema);
    let mut left = limit;
    for chunk in batch.chunks() {
        let taken = left.min(chunk.num_rows());
        let written = writer.write(chunk, 0..taken, &mut text);
        written.map_err(|error| ReplayError::Internal(error.to_string()))?;
        left -= taken;
    }
    if all > limit {
        text.extend_from_slice(b"...\n");
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn differing(difference: &Difference, limit: usize) -> String {
    let name = &difference.name;
    match &difference.verdict {
        Verdict::Equal => format!("{name}: equal\n"),
        Verdict::Order => format!("{name}: the same rows in another order\n"),
        Verdict::Presence { after: true } => {
            format!("{name}: a batch only in the other version\n")
        }
        Verdict::Presence { after: false } => format!("{name}: no batch in the other version\n"),
        Verdict::Stream { after: true } => format!("{name}: only in the other version\n"),
        Verdict::Stream { after: false } => format!("{name}: not in the other version\n"),
        Verdict::Rows { before, after } => {
            let only = |rows: &[_]| counted(rows.len() as u64, "row", "rows");
            let (gone, new) = (only(before), only(after));
            let mut text = format!("{name}: {gone} only before, {new} only after\n");
            for (sign, rows) in [('-', before), ('+', after)] {
                for row in rows.iter().take(limit) {
                    let _ = writeln!(text, "{sign} {row}"); // to memory
                }
                if rows.len() > limit {
                    let _ = writeln!(text, "{sign} ..."); // to memory
                }
            }
            text
        }
    }
}

/// A table of words, all but the first column to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            let width = widths[at];
            let _ = match at {
                0 => write!(text, "{cell:<width$}"), // to memory
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

fn millis(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64() * 1e3)
}

fn kib(bytes: usize) -> String {
    grouped((bytes as u64).div_ceil(1_024))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn costs(made: &Made) -> String {
    let head = ["", "records in", "out", "CPU ms", "in sandbox", "KiB"];
    let mut rows = vec![words(&head)];
    for cost in &made.costs {
        rows.push(vec![
            cost.name.clone(),
            grouped(cost.records_in),
            grouped(cost.records_out),
            millis(cost.cpu),
            millis(cost.sandbox),
            kib(cost.memory_peak),
        ]);
    }
    let (cpu, elapsed) = (millis(made.cpu), millis(made.elapsed));
    rows.push(vec![
        "in all".to_owned(),
        grouped(made.records),
        String::new(),
        cpu,
    ]);
    format!("{}it took {elapsed} ms\n", table(&rows))
}

fn both_costs(before: &Made, after: &Made) -> String {
    let head = ["", "out", "CPU ms", "KiB", "now: out", "CPU ms", "KiB"];
    let mut rows = vec![words(&head)];
    let names = before.costs.iter().chain(&after.costs);
    let mut seen: Vec<&str> = Vec::new();
    for cost in names {
        if seen.contains(&cost.name.as_str()) {
            continue;
        }
        seen.push(&cost.name);
        let find = |made: &'_ Made| {
            let mut costs = made.costs.iter();
            costs.find(|other| other.name == cost.name).cloned()
        };
        let cells = |cost: Option<Cost>| match cost {
            None => words(&["-", "-", "-"]),
            Some(cost) => vec![
                grouped(cost.records_out),
                millis(cost.cpu),
                kib(cost.memory_peak),
            ],
        };
        let name = vec![cost.name.clone()];
        rows.push([name, cells(find(before)), cells(find(after))].concat());
    }
    let all = |made: &Made| vec![String::new(), millis(made.cpu), String::new()];
    rows.push([words(&["in all"]), all(before), all(after)].concat());
    format!(
        "{}it took {} ms, and {} ms in the other version\n",
        table(&rows),
        millis(before.elapsed),
        millis(after.elapsed)
    )
}
