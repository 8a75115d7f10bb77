//! What two programs make of the same batch. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::{Made, MadeStream, ReplayError};
use crate::format::rows_to_json;

/// How a stream of one program differs from that of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The stream.
    pub name: String,
    /// What it is.
    pub verdict: Verdict,
}

/// What is different.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing.
    Equal,
    /// The rows are the same, in another order.
    Order,
    /// Other rows.
    Rows {
        /// Rows that only the first one has, in its order; as often as it has more of them.
        before: Vec<Value>,
        /// Rows that only the second one has.
        after: Vec<Value>,
    },
    /// Only one of them has a batch at this time.
    Presence {
        /// It is the second.
        after: bool,
    },
    /// Only one of them has such a stream.
    Stream {
        /// It is the second.
        after: bool,
    },
}

/// Compares all streams, by their names: in the order of the first, then those that only the second
/// has.
pub(super) fn differences(before: &Made, after: &Made) -> Result<Vec<Difference>, ReplayError> {
    let find = |made: &Made, name: &str| {
        let mut streams = made.streams.iter();
        streams.position(|stream| stream.name == name)
    };
    let mut differences = Vec::new();
    for was in &before.streams {
        let verdict = match find(after, &was.name) {
            Some(at) => compare(was, &after.streams[at])?,
            None => Verdict::Stream { after: false },
        };
        differences.push(Difference {
            name: was.name.clone(),
            verdict,
        });
    }
    let new = after.streams.iter();
    let new = new.filter(|is| find(before, &is.name).is_none());
    differences.extend(new.map(|is| Difference {
        name: is.name.clone(),
        verdict: Verdict::Stream { after: true },
    }));
    Ok(differences)
}

fn compare(was: &MadeStream, is: &MadeStream) -> Result<Verdict, ReplayError> {
    let (before, after) = match (&was.batch, &is.batch) {
        (None, None) => return Ok(Verdict::Equal),
        (Some(_), None) => return Ok(Verdict::Presence { after: false }),
        (None, Some(_)) => return Ok(Verdict::Presence { after: true }),
        (Some(_), Some(_)) => (rows(was)?, rows(is)?),
    };
    if before == after {
        return Ok(Verdict::Equal);
    }
    let before_only = only(&before, &after);
    let after_only = only(&after, &before);
    Ok(match before_only.is_empty() && after_only.is_empty() {
        true => Verdict::Order,
        false => Verdict::Rows {
            before: before_only,
            after: after_only,
        },
    })
}

/// The rows of a stream, in order.
pub(super) fn rows(stream: &MadeStream) -> Result<Vec<Value>, ReplayError> {
    let mut rows = Vec::new();
    for chunk in stream.batch.iter().flat_map(|batch| batch.chunks()) {
        let chunk = rows_to_json(chunk, &stream.schema);
        rows.extend(chunk.map_err(|error| ReplayError::Internal(error.to_string()))?);
    }
    Ok(rows)
}

/// Rows of one that the other has not, or not so often.
fn only(these: &[Value], others: &[Value]) -> Vec<Value> {
    let mut there: HashMap<String, usize> = HashMap::new();
    for row in others {
        *there.entry(row.to_string()).or_default() += 1;
    }
    let lacks = |row: &&Value| match there.get_mut(&row.to_string()) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    };
    these.iter().filter(lacks).cloned().collect()
}
