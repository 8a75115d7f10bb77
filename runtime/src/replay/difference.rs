//! What two programs make of the same batch. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::{Made, MadeStream, ReplayError};
use crate::{format::rows_to_json, model::Batch};

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
        (Some(_), Some(_)) => (rows(was, usize::MAX)?, rows(is, usize::MAX)?),
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

/// The first rows of a stream, so many, in order.
pub(super) fn rows(stream: &MadeStream, limit: usize) -> Result<Vec<Value>, ReplayError> {
    let mut rows = Vec::new();
    for chunk in stream.batch.iter().flat_map(Batch::chunks) {
        let left = limit.saturating_sub(rows.len()).min(chunk.num_rows());
        let chunk = rows_to_json(&chunk.slice(0, left), &stream.schema);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{
        format::rows_from_json,
        model::{Kind, Schema},
    };

    /// A sink's stream, in partitions; none: no batch.
    fn stream(name: &str, rows: Option<&[&[i64]]>) -> MadeStream {
        let schema = Schema::plain(Kind::Int64);
        let partition = |rows: &&[i64]| {
            let rows: Vec<Value> = rows.iter().map(|row| json!(row)).collect();
            vec![rows_from_json(&schema, &rows).unwrap()]
        };
        let batch = rows.map(|partitions| Batch {
            schema: schema.clone(),
            partitions: partitions.iter().map(partition).collect(),
        });
        MadeStream {
            name: name.to_owned(),
            schema: schema.clone(),
            batch,
        }
    }

    fn made(streams: Vec<MadeStream>) -> Made {
        Made {
            error: None,
            streams,
            records: 0,
            bytes: 0,
            dropped: Vec::new(),
            left_out: Vec::new(),
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            costs: Vec::new(),
        }
    }

    #[test]
    fn rows_count_as_often_as_they_are_there_and_in_their_order() {
        type Rows<'a> = Option<&'a [&'a [i64]]>;
        let only = |before: &[i64], after: &[i64]| Verdict::Rows {
            before: before.iter().map(|row| json!(row)).collect(),
            after: after.iter().map(|row| json!(row)).collect(),
        };
        let cases: [(Rows, Rows, Verdict); 9] = [
            (None, None, Verdict::Equal),
            (Some(&[]), Some(&[]), Verdict::Equal),
            (Some(&[]), None, Verdict::Presence { after: false }),
            (None, Some(&[&[1]]), Verdict::Presence { after: true }),
            (Some(&[&[1, 2]]), Some(&[&[1], &[2]]), Verdict::Equal),
            (Some(&[&[1, 2]]), Some(&[&[2], &[1]]), Verdict::Order),
            (Some(&[&[1, 1, 2]]), Some(&[&[1, 2, 2]]), only(&[1], &[2])),
            (Some(&[&[3, 1]]), Some(&[&[]]), only(&[3, 1], &[])),
            (Some(&[&[1]]), Some(&[&[4, 1, 5]]), only(&[], &[4, 5])),
        ];
        for (before, after, expected) in cases {
            let (before, after) = (stream("out", before), stream("out", after));
            let found = differences(&made(vec![before]), &made(vec![after])).unwrap();
            assert_eq!(found[0].verdict, expected);
        }
    }

    #[test]
    fn streams_are_compared_by_their_names() {
        let before = made(vec![stream("a", None), stream("b", Some(&[&[1]]))]);
        let after = made(vec![stream("c", None), stream("b", Some(&[&[1]]))]);
        let found = differences(&before, &after).unwrap();
        let found: Vec<_> = found.into_iter().map(|of| (of.name, of.verdict)).collect();
        let expected = [
            ("a", Verdict::Stream { after: false }),
            ("b", Verdict::Equal),
            ("c", Verdict::Stream { after: true }),
        ];
        assert_eq!(
            found,
            expected.map(|(name, verdict)| (name.to_owned(), verdict))
        );
    }
}
