//! Topologies made up of choices: as TOML for the runtime, as verbs for the reference.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::{
    cell::{self, Row},
    reference::{self, Rows, Verb},
};
use crate::choices::Choices;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Float,
    Text,
    Binary,
    Time,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int => "int64",
            Self::Float => "float64",
            Self::Text => "utf8",
            Self::Binary => "binary",
            Self::Time => "timestamp",
        }
    }
}

/// A column of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

impl Column {
    pub(super) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            nullable: false,
        }
    }

    pub(super) fn nullable(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }

    pub(super) fn type_text(&self) -> String {
        format!(
            "{}{}",
            self.kind.name(),
            ["", "?"][usize::from(self.nullable)]
        )
    }
}

/// A source as it was made up.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) columns: Vec<Column>,
    pub(super) partitions: usize,
    /// None: no batch at its time.
    pub(super) batches: Vec<Option<Vec<Row>>>,
}

impl Source {
    /// Its batches, as a file of cases has them.
    pub(super) fn json(&self) -> Vec<Option<Vec<Value>>> {
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        let batches = self.batches.iter();
        batches
            .map(|rows| {
                let rows = rows.as_ref()?.iter();
                Some(rows.map(|row| cell::json(&names, row)).collect())
            })
            .collect()
    }
}

/// Where a stream comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Source(usize),
    Operator(usize),
    Rejected(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The reference knows which rows lie in which partition, and in which order.
    pub(super) ordered: bool,
    from: From,
}

#[derive(Debug, Clone)]
struct Operator {
    name: String,
    toml: String,
    verb: Verb,
    inputs: Vec<usize>,
}

/// A topology.
#[derive(Clone)]
pub(super) struct Flow {
    sources: Vec<Source>,
    operators: Vec<Operator>,
    pub(super) streams: Vec<Stream>,
    /// Streams that sinks read.
    pub(super) sinks: Vec<usize>,
    pub(super) parallelism: usize,
}

/// As whoever has to find out what went wrong wants to see it.
impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batches: Vec<_> = self.sources.iter().map(Source::json).collect();
        let batches: String = format!("{batches:?}").chars().take(3_000).collect();
        write!(f, "{}\n{batches}", self.toml())
    }
}

impl Flow {
    pub(super) fn new(sources: Vec<Source>, parallelism: usize) -> Self {
        let streams = sources.iter().enumerate().map(|(at, source)| Stream {
            name: format!("s{at}"),
            columns: source.columns.clone(),
            ordered: true,
            from: From::Source(at),
        });
        Self {
            streams: streams.collect(),
            sources,
            operators: Vec::new(),
            sinks: Vec::new(),
            parallelism,
        }
    }

    /// Adds an operator; most read the newest stream.
    pub(super) fn grow(&mut self, mut choices: Choices<'_>) {
        let newest = self.streams.len() - 1;
        let input = match choices.below(3) {
            0 => choices.below(newest + 1),
            _ => newest,
        };
        let mut offers = self.offers(input, &mut choices);
        let offer = offers.swap_remove(choices.below(offers.len()));
        let at = self.operators.len();
        let name = format!("o{at}");
        let rejects = matches!(offer.verb, Verb::Cut { .. });
        if rejects {
            let mut columns = self.streams[input].columns.clone();
            columns.push(Column::new("reason", Kind::Text));
            self.streams.push(Stream {
                name: format!("{name}.rejected"),
                columns,
                ordered: offer.ordered,
                from: From::Rejected(at),
            });
        }
        self.streams.push(Stream {
            name: name.clone(),
            columns: offer.columns,
            ordered: offer.ordered,
            from: From::Operator(at),
        });
        self.operators.push(Operator {
            name,
            toml: offer.toml,
            verb: offer.verb,
            inputs: offer.inputs,
        });
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(super) fn toml(&self) -> String {
        let mut text = format!(
            "name = \"law\"\nbatch-interval = \"1s\"\nparallelism = {}\n\
             [plugin.text]\npath = \"text.wasm\"\n",
            self.parallelism
        );
        for (at, source) in self.sources.iter().enumerate() {
            let columns = source.columns.iter();
            let columns = columns.map(|c| format!("\"{}\" = \"{}\"", c.name, c.type_text()));
            let (schema, partitions) = (columns.collect::<Vec<_>>().join(", "), source.partitions);
            writeln!(
                text,
                "[source.s{at}]\ntype = \"queue\"\nschema = {{ {schema} }}\npartitions = {partitions}"
            )
            .unwrap();
        }
        for operator in &self.operators {
            writeln!(text, "[operator.{}]", operator.name).unwrap();
            if !matches!(operator.verb, Verb::Union) {
                let input = &self.streams[operator.inputs[0]].name;
                writeln!(text, "input = \"{input}\"").unwrap();
            }
            writeln!(text, "{}", operator.toml).unwrap();
        }
        for (at, sink) in self.sinks.iter().enumerate() {
            let input = &self.streams[*sink].name;
            writeln!(text, "[sink.k{at}]\ninput = \"{input}\"\ntype = \"null\"").unwrap();
        }
        text
    }

    /// What the streams hold at a batch; the error is whom it fails for, by name.
    pub(super) fn expected(&self, batch: usize) -> Result<Vec<Option<Rows>>, Vec<&str>> {
        let needed = self.needed();
        let mut held: Vec<Option<Rows>> = vec![None; self.streams.len()];
        let mut failed = Vec::new();
        for at in 0..self.streams.len() {
            let (operator, rejected) = match self.streams[at].from {
                From::Source(source) => {
                    held[at] = dealt(&self.sources[source], batch);
                    continue;
                }
                From::Operator(operator) => (operator, false),
                From::Rejected(operator) => (operator, true),
            };
            if !needed[operator] {
                continue;
            }
            let operator = &self.operators[operator];
            let inputs = operator.inputs.iter().map(|at| held[*at].as_ref());
            match inputs.collect::<Option<Vec<_>>>() {
                Some(inputs) => {
                    let (out, bad) = reference::apply(&operator.verb, &inputs);
                    held[at] = Some(if rejected { bad } else { out });
                }
                None if matches!(
                    operator.verb,
                    Verb::Union | Verb::Count | Verb::Repartition(_)
                ) =>
                {
                    failed.push(operator.name.as_str());
                }
                None => {}
            }
        }
        match failed.is_empty() {
            true => Ok(held),
            false => Err(failed),
        }
    }

    /// Which operators a sink depends on.
    fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.operators.len()];
        let mut todo = self.sinks.clone();
        while let Some(at) = todo.pop() {
            if let From::Operator(operator) | From::Rejected(operator) = self.streams[at].from {
                needed[operator] = true;
                todo.extend(&self.operators[operator].inputs);
            }
        }
        needed
    }
}

/// The partitions of a queue's batch: of n rows, partition i of p gets those from i x n / p on.
fn dealt(source: &Source, batch: usize) -> Option<Rows> {
    let empty = Some(Vec::new());
    let rows = source.batches.get(batch).unwrap_or(&empty).as_ref()?;
    let (n, p) = (rows.len(), source.partitions);
    let parts = (0..p).map(|i| rows[i * n / p..(i + 1) * n / p].to_vec());
    Some(parts.collect())
}
