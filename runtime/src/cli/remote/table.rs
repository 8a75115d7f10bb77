//! What a server answers, for people.

use std::fmt::Write as _;

use crate::{cli::output::grouped, hosting::Status};

/// A line for each topology.
pub(super) fn list(all: &[Status]) -> String {
    let head = ["NAME", "VERSION", "STATE", "BATCHES", "FAILED", "RECORDS"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(all.iter().map(|one| {
        [
            one.name.clone(),
            one.version.to_string(),
            one.phase.name().to_owned(),
            grouped(one.batches),
            grouped(one.failed_batches),
            grouped(one.records),
        ]
    }));
    columns(&rows)
}

/// Rows as lines, whose cells begin where those above do.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: Vec<usize> = (0..N)
        .map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  "); // to memory
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// All that is known of one.
pub(super) fn one(status: &Status) -> String {
    let mut text = format!("{}: {}\n", status.name, status.phase.name());
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "  {key:<12}{value}"); // to memory
    };
    if let Some(why) = &status.why {
        line("why", why);
    }
    line("version", &status.version.to_string());
    line("batches", &grouped(status.batches));
    line("failed", &grouped(status.failed_batches));
    line("records", &grouped(status.records));
    if let Some(time) = status.last_batch {
        line("last batch", &format!("{time} ms"));
    }
    if let Some(error) = &status.last_error {
        line("last error", error);
    }
    line("deployed by", &status.deployed_by);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosting::Phase;

    #[test]
    fn a_table_has_columns() {
        let status = Status {
            name: "counts".to_owned(),
            version: 1,
            phase: Phase::Running,
            why: None,
            batches: 1_234,
            failed_batches: 0,
            records: 5,
            last_batch: Some(1_000),
            last_error: None,
            deployed_by: "a1".to_owned(),
            deployed_at: 0,
            changed_by: "a1".to_owned(),
            changed_at: 0,
        };
        insta::assert_snapshot!(list(std::slice::from_ref(&status)), @r"
        NAME    VERSION  STATE    BATCHES  FAILED  RECORDS
        counts  1        running  1,234    0       5
        ");
        assert!(one(&status).contains("last batch  1000 ms"));
    }
}
