//! A case that fits its topology. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::file::{Batches, CaseEntry};
use crate::{
    format::{RowError, WrongColumns, rows_from_json, rows_to_json},
    model::Schema,
    topology::{Topology, suggest},
};

/// A case, checked against the topology that it tests: every name is known, every row fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// One for each source of the topology.
    pub sources: Vec<Batches>,
    /// How many batches are run; at least one.
    pub batches: u64,
    /// One for each sink of the topology, its rows as sinks are captured; none: not compared.
    pub expect: Vec<Option<Batches>>,
    /// The rows of a batch come in the order in which they are listed.
    pub ordered: bool,
    /// The process dies after each of these batches (from 1), and another goes on.
    pub restart_after: Vec<u64>,
    /// How many rows operators leave out of each batch, by their names.
    pub left_out: BTreeMap<String, Vec<u64>>,
    /// Part of the message of an error that must come.
    pub expect_error: Option<String>,
}

/// A case that does not fit the topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitCase {
    /// A name that no source, operator or sink has.
    #[error("case {case:?}: the topology has no {kind} `{name}`; {help}")]
    UnknownName {
        /// The case.
        case: String,
        /// `source`, `operator` or `sink`.
        kind: &'static str,
        /// As written.
        name: String,
        /// Which names there are.
        help: String,
    },
    /// A row that the stream cannot have.
    #[error("case {case:?}, {kind} {name}, batch {batch}: {error} (the stream has {schema})")]
    Row {
        /// The case.
        case: String,
        /// `source` or `sink`.
        kind: &'static str,
        /// Which.
        name: String,
        /// Counted from 1, as batches are.
        batch: usize,
        /// Which row, and why.
        error: Box<RowError>,
        /// What would fit.
        schema: Schema,
    },
    /// More batches are expected than are run.
    #[error(
        "case {case:?}: {listed} batches of sink `{sink}` are expected, but {batches} are run; set `batches`"
    )]
    TooMany {
        /// The case.
        case: String,
        /// The sink.
        sink: String,
        /// Batches in its list.
        listed: usize,
        /// Batches that are run.
        batches: u64,
    },
    /// Nothing would be run.
    #[error("case {0:?} runs no batch: give a source some, or set `batches` to at least 1")]
    NoBatches(String),
    /// Rows that were just made cannot be written; never happens.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<WrongColumns> for UnfitCase {
    fn from(error: WrongColumns) -> Self {
        UnfitCase::Internal(error.to_string())
    }
}

impl Case {
    /// Checks a case against its topology.
    ///
    /// # Errors
    /// The first name or row that does not fit.
    pub fn new(entry: CaseEntry, topology: &Topology) -> Result<Self, UnfitCase> {
        let case = entry.name;
        let sources = topology.sources.iter();
        let mut given = entry.sources;
        let sources: Vec<Batches> = sources
            .map(|source| given.remove(source.name.as_str()).unwrap_or_default())
            .collect();
        let names = topology.sources.iter().map(|source| source.name.as_str());
        refuse_unknown(&case, "source", given.keys().next(), names)?;
        for (source, batches) in topology.sources.iter().zip(&sources) {
            let name = source.name.as_str();
            normal(batches, &source.schema, &case, "source", name)?;
        }

        let mut expected = entry.expect;
        let mut expect = Vec::with_capacity(topology.sinks.len());
        for sink in &topology.sinks {
            let name = sink.name.as_str();
            let schema = topology.schema(sink.input);
            expect.push(match expected.remove(name) {
                Some(batches) => Some(normal(&batches, schema, &case, "sink", name)?),
                None => None,
            });
        }
        let names = topology.sinks.iter().map(|sink| sink.name.as_str());
        refuse_unknown(&case, "sink", expected.keys().next(), names)?;

        let unknown = entry.left_out.keys().find(|name| {
            let mut operators = topology.operators.iter();
            !operators.any(|operator| operator.name.as_str() == **name)
        });
        let names = topology.operators.iter();
        let names = names.map(|operator| operator.name.as_str());
        refuse_unknown(&case, "operator", unknown, names)?;

        let longest = sources.iter().map(Vec::len).max().unwrap_or(0);
        let batches = entry.batches.unwrap_or(longest as u64);
        if batches == 0 {
            return Err(UnfitCase::NoBatches(case));
        }
        for (sink, listed) in topology.sinks.iter().zip(&expect) {
            let listed = listed.as_ref().map_or(0, Vec::len);
            if listed as u64 > batches {
                return Err(UnfitCase::TooMany {
                    case,
                    sink: sink.name.to_string(),
                    listed,
                    batches,
                });
            }
        }
        Ok(Self {
            name: case,
            sources,
            batches,
            expect,
            ordered: entry.ordered,
            restart_after: entry.restart_after,
            left_out: entry.left_out,
            expect_error: entry.expect_error,
        })
    }
}

fn refuse_unknown<'a>(
    case: &str,
    kind: &'static str,
    unknown: Option<&String>,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), UnfitCase> {
    match unknown {
        None => Ok(()),
        Some(name) => Err(UnfitCase::UnknownName {
            case: case.to_owned(),
            kind,
            name: name.clone(),
            help: suggest(name, "there are", names),
        }),
    }
}

/// The rows as a sink's rows are captured: 1 is 1.0 in a column of floats, and a time is a number.
fn normal(
    batches: &Batches,
    schema: &Schema,
    case: &str,
    kind: &'static str,
    name: &str,
) -> Result<Batches, UnfitCase> {
    let read = |(at, rows): (usize, &Option<Vec<Value>>)| {
        let Some(rows) = rows else { return Ok(None) };
        let chunk = rows_from_json(schema, rows).map_err(|error| UnfitCase::Row {
            case: case.to_owned(),
            kind,
            name: name.to_owned(),
            batch: at + 1,
            error: Box::new(error),
            schema: schema.clone(),
        })?;
        Ok(Some(rows_to_json(&chunk, schema)?))
    };
    batches.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        cases::CaseFile,
        stream::Plugins,
        topology::{Defaults, compile},
    };

    const TOPOLOGY: &str = r#"
name = "a"
batch-interval = "1s"
[source.numbers]
type = "queue"
schema = { key = "utf8", value = "float64" }
[source.lines]
type = "socket"
address = "a:1"
[sink.out]
input = "numbers"
type = "null"
[sink.text]
input = "lines"
type = "null"
"#;

    fn case(fields: Value) -> Result<Case, String> {
        let defaults = Defaults {
            parallelism: std::num::NonZeroUsize::MIN,
            base_dir: "".into(),
            needs_checkpoint: false,
        };
        let topology = compile("a.toml", TOPOLOGY, &Plugins::default(), &defaults).unwrap();
        let mut entry = json!({"name": "c"});
        let fields = fields.as_object().unwrap().clone();
        entry.as_object_mut().unwrap().extend(fields);
        let text = json!({ "cases": [entry] }).to_string();
        let file = CaseFile::parse(text.as_bytes()).unwrap();
        let entry = file.cases.into_iter().next().unwrap();
        Case::new(entry, &topology).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_read_by_schema_and_sources_that_are_not_named_are_empty() {
        let case = case(json!({
            "sources": {"numbers": [[["a", 1]], null, []]},
            "expect": {"out": [[["a", 1]]]},
        }));
        let case = case.unwrap();
        assert_eq!(case.batches, 3);
        assert_eq!(case.sources[1], Batches::new());
        assert_eq!(json!(case.expect), json!([[[["a", 1.0]]], null]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |fields| case(fields).unwrap_err();
        insta::assert_snapshot!(
            [
                error(json!({"sources": {"number": []}})),
                error(json!({"expect": {"numbers": []}, "batches": 1})),
                error(json!({"sources": {"numbers": [[], [["a", 1], ["a", "x"]]]}})),
                error(json!({"expect": {"text": [[1]]}, "batches": 1})),
                error(json!({"expect": {"text": [[], []]}, "batches": 1})),
                error(json!({})),
            ]
            .join("\n"),
            @r#"
        case "c": the topology has no source `number`; did you mean `numbers`?
        case "c": the topology has no sink `numbers`; there are: out, text
        case "c", source numbers, batch 2: row 2: [1]: expected float64, got "x" (the stream has key: utf8, value: float64)
        case "c", sink text, batch 1: row 1: expected utf8, got 1 (the stream has value: utf8)
        case "c": 2 batches of sink `text` are expected, but 1 are run; set `batches`
        case "c" runs no batch: give a source some, or set `batches` to at least 1
        "#
        );
    }
}
