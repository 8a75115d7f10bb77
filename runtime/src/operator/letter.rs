//! Rows that were left out of a batch because a function fails on them.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::{concat::concat_batches, take::take_record_batch};

use super::StepError;

/// Bytes of a reason, and of a stack, that are kept.
const LONGEST: usize = 4_000;

/// What a function fails on: a row, the values of a key, or a partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// All columns of the operator's input. Of a key without values in the batch its columns.
    pub rows: RecordBatch,
    /// The function; empty if the host found that it cannot be called.
    pub function: String,
    /// The fault, with the plugin and function. No control characters, and not long.
    pub reason: String,
    /// The guest's stack, innermost first, or what it said of it. May be empty.
    pub backtrace: String,
}

impl Letter {
    /// These rows, and why.
    pub(super) fn new(rows: RecordBatch, fault: &StepError) -> Self {
        let (function, backtrace) = match fault {
            StepError::Plugin {
                function, fault, ..
            } => (function.clone(), fault.detail()),
            StepError::NotOneToOne { function, .. } | StepError::NoOrigins { function, .. } => {
                (function.clone(), String::new())
            }
            _ => Default::default(),
        };
        Self {
            rows,
            function,
            reason: short(&fault.to_string(), &[]),
            backtrace: short(&backtrace, &['\n']),
        }
    }
}

/// Without control characters but those `kept`, and cut where it gets long.
fn short(text: &str, kept: &[char]) -> String {
    let end = text.floor_char_boundary(LONGEST.min(text.len()));
    let plain = text[..end].chars();
    let plain = plain.map(|c| match c.is_control() && !kept.contains(&c) {
        true => ' ',
        false => c,
    });
    plain.collect()
}

/// The letters of these groups: `groups[row]` is the group of a row of the chunks. `key` gives the
/// rows of a group that has none.
pub(super) fn letters_of_groups(
    faults: &[(u32, StepError)],
    chunks: &[RecordBatch],
    groups: &[u32],
    key: impl Fn(u32) -> Result<RecordBatch, StepError>,
) -> Result<Vec<Letter>, StepError> {
    if faults.is_empty() {
        return Ok(Vec::new());
    }
    let all = match chunks.first() {
        None => None,
        Some(first) => Some(concat_batches(&first.schema(), chunks)?),
    };
    let letters = faults.iter().map(|(of, fault)| {
        let rows = groups.iter().enumerate().filter(|(_, group)| *group == of);
        let rows: UInt32Array = rows
            .filter_map(|(row, _)| u32::try_from(row).ok())
            .collect();
        let rows = match &all {
            Some(all) if !rows.is_empty() => take_record_batch(all, &rows)?,
            _ => key(*of)?,
        };
        Ok(Letter::new(rows, fault))
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_is_kept_short_and_plain() {
        assert_eq!(short("a\x1b[2J\nb", &[]), "a [2J b");
        assert_eq!(short("a\x07\nb", &['\n']), "a \nb");
        assert_eq!(short(&"ä".repeat(3_000), &[]).len(), LONGEST);
    }
}
