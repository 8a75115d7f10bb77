//! The columns of every stream, as far as they are known.

use std::{collections::BTreeSet, num::NonZeroU64};

use miette::SourceSpan;

use super::operator::{Checked, Input};
use crate::{
    model::{Field, Kind, Schema},
    topology::{
        NodeId, Port, StreamRef,
        manifest::{OperatorEntry, SourceEntry},
        problem::{ProblemKind, Problems},
    },
};

/// The column that says why a row was rejected.
const REASON: &str = "reason";

/// Columns of a node's outputs, and its slide; none if not known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ports {
    pub(crate) main: Option<Schema>,
    pub(crate) rejected: Option<Schema>,
    /// None also if it has none.
    pub(crate) snapshots: Option<Schema>,
    /// In batch intervals.
    pub(crate) every: Option<NonZeroU64>,
}

/// The columns of every stream; nodes by their place of definition.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) sources: Vec<Ports>,
    pub(crate) operators: Vec<Ports>,
}

impl Streams {
    /// Knows the sources; operators are added as they are checked.
    pub(crate) fn of_sources(
        sources: &[SourceEntry],
        operators: usize,
        problems: &mut Problems,
    ) -> Self {
        let line = Schema::plain(Kind::Utf8);
        let sources = sources.iter().map(|source| Ports {
            main: source.schema.clone(),
            rejected: rejected(&line, &source.name.value, source.name.at, problems),
            snapshots: None,
            every: Some(NonZeroU64::MIN),
        });
        Self {
            sources: sources.collect(),
            operators: vec![Ports::default(); operators],
        }
    }

    /// Adds what an operator puts out.
    pub(crate) fn add_operator(
        &mut self,
        at: usize,
        entry: &OperatorEntry,
        checked: &Checked,
        problems: &mut Problems,
    ) {
        let input = checked.input.as_ref();
        let rejected =
            input.and_then(|input| rejected(input, &entry.name.value, entry.name.at, problems));
        self.operators[at] = Ports {
            main: checked.output.clone(),
            rejected,
            snapshots: checked.snapshots.clone(),
            every: checked.every,
        };
    }

    /// The columns and slide of a stream, as far as they are known.
    pub(crate) fn get(&self, stream: Option<StreamRef>) -> Input {
        let Some(stream) = stream else {
            return Input::default();
        };
        let ports = match stream.node {
            NodeId::Source(id) => &self.sources[id.0],
            NodeId::Operator(id) => &self.operators[id.0],
        };
        let schema = match stream.port {
            Port::Main => &ports.main,
            Port::Rejected => &ports.rejected,
            Port::Snapshots => &ports.snapshots,
        };
        Input {
            schema: schema.clone(),
            every: ports.every,
        }
    }
}

/// The input's columns, and why.
fn rejected(input: &Schema, of: &str, at: SourceSpan, problems: &mut Problems) -> Option<Schema> {
    let taken: BTreeSet<_> = input
        .fields()
        .iter()
        .filter_map(|field| field.name.split('.').next())
        .collect();
    let mut reason = REASON.to_owned();
    while taken.contains(reason.as_str()) {
        reason.insert_str(0, "rejected-");
    }
    let mut fields = input.fields().to_vec();
    fields.push(Field::new(reason, Kind::Utf8));
    schema(fields, &format!("`{of}.rejected`"), at, problems)
}

/// A schema of these columns; reports why there is none.
pub(crate) fn schema(
    fields: Vec<Field>,
    of: &str,
    at: SourceSpan,
    problems: &mut Problems,
) -> Option<Schema> {
    match Schema::new(fields) {
        Ok(schema) => Some(schema),
        Err(reason) => {
            let of = of.to_owned();
            problems.report(ProblemKind::BadColumns { of, reason }, at);
            None
        }
    }
}
