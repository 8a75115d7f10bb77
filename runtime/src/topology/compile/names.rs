//! Which node a name means. Sources, operators and sinks share one namespace.

use std::collections::BTreeMap;

use miette::SourceSpan;

use crate::{
    model::NodeName,
    topology::{
        Manifest, NodeId, OperatorId, Port, SourceId, StreamRef,
        manifest::{SinkEntry, Spanned, VerbEntry},
        problem::{ProblemKind, Problems, choices, suggest},
    },
};

/// The port that every source and operator has besides its main one.
const REJECTED: &str = "rejected";
/// The port of every key and its state.
const SNAPSHOTS: &str = "snapshots";

#[derive(Clone, Copy)]
enum Named {
    /// And whether it has snapshots.
    Node(NodeId, bool),
    Sink,
}

/// The names of a topology.
pub(crate) struct Names<'m>(BTreeMap<&'m str, (Named, SourceSpan)>);

impl<'m> Names<'m> {
    /// Collects the names; reports those that are none and those that are taken.
    pub(crate) fn of(manifest: &'m Manifest, problems: &mut Problems) -> Self {
        let sources = manifest.sources.iter().enumerate();
        // What is converted is read under the source's name, what is not by nobody else.
        let sources = sources.filter(|(_, entry)| entry.converter.is_none());
        let sources = sources.map(|(at, entry)| {
            (
                &entry.name,
                Named::Node(NodeId::Source(SourceId(at)), false),
            )
        });
        let operators = manifest.operators.iter().enumerate();
        let operators = operators.map(|(at, entry)| {
            // What a verb that could not be read would have is not known.
            let has_snapshots = !matches!(
                &entry.verb,
                Some(verb) if !matches!(verb.value, VerbEntry::MapWithState(_))
            );
            let node = NodeId::Operator(OperatorId(at));
            (&entry.name, Named::Node(node, has_snapshots))
        });
        let sinks = manifest.sinks.iter().map(|e| (&e.name, Named::Sink));
        let mut all: Vec<_> = sources.chain(operators).chain(sinks).collect();
        all.sort_by_key(|(name, _)| name.at.offset());

        let mut names = BTreeMap::new();
        for (name, node) in all {
            if let Err(invalid) = name.value.parse::<NodeName>() {
                problems.report(ProblemKind::BadName(invalid), name.at);
            }
            match names.get(name.value.as_str()) {
                None => {
                    names.insert(name.value.as_str(), (node, name.at));
                }
                Some((_, first)) => {
                    let kind = ProblemKind::DuplicateName {
                        name: name.value.clone(),
                    };
                    problems
                        .report(kind, name.at)
                        .see(*first, "first defined here");
                }
            }
        }
        Self(names)
    }

    /// The streams that these texts mean; none for each that means none, which is reported.
    pub(crate) fn resolve_all(
        &self,
        inputs: &[Spanned<String>],
        problems: &mut Problems,
    ) -> Vec<Option<StreamRef>> {
        let inputs = inputs.iter();
        inputs.map(|input| self.resolve(input, problems)).collect()
    }

    /// The one stream that a sink reads.
    pub(crate) fn resolve_one(
        &self,
        sink: &SinkEntry,
        problems: &mut Problems,
    ) -> Option<StreamRef> {
        let streams = self.resolve_all(&sink.inputs, problems);
        if let [_, second, ..] = sink.inputs.as_slice() {
            let kind = ProblemKind::Inputs {
                of: format!("sink `{}`", sink.name.value),
                verb: "a sink".to_owned(),
                wanted: "one",
                found: sink.inputs.len(),
            };
            let problem = problems.report(kind, second.at);
            problem.help("join them with a `union` operator first");
            return None;
        }
        streams.first().copied().flatten()
    }

    fn resolve(&self, input: &Spanned<String>, problems: &mut Problems) -> Option<StreamRef> {
        let (name, port) = match input.value.split_once('.') {
            Some((name, port)) => (name, Some(port)),
            None => (input.value.as_str(), None),
        };
        let Some((named, _)) = self.0.get(name) else {
            let help = suggest(name, "there are", self.streams());
            let name = name.to_owned();
            let problem = problems.report(ProblemKind::UnknownInput { name }, input.at);
            problem.help(help);
            return None;
        };
        let Named::Node(node, has_snapshots) = *named else {
            let help = choices("there are", self.streams());
            let name = name.to_owned();
            let problem = problems.report(ProblemKind::SinkAsInput { name }, input.at);
            problem.help(help);
            return None;
        };
        let port = match port {
            None => Port::Main,
            Some(REJECTED) => Port::Rejected,
            Some(SNAPSHOTS) if has_snapshots => Port::Snapshots,
            Some(port) => {
                let kind = ProblemKind::UnknownPort {
                    node: name.to_owned(),
                    port: port.to_owned(),
                };
                let help = if port == SNAPSHOTS {
                    "only `map-with-state` has snapshots: every key and its state".to_owned()
                } else if has_snapshots {
                    format!(
                        "it has `{name}`, `{name}.{REJECTED}` for rows rejected and `{name}.{SNAPSHOTS}` for all states"
                    )
                } else {
                    format!("it has `{name}`, and `{name}.{REJECTED}` for rows rejected")
                };
                problems.report(kind, input.at).help(help);
                return None;
            }
        };
        Some(StreamRef { node, port })
    }

    /// Names of what can be read, as the map orders them.
    fn streams(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(_, (named, _))| matches!(named, Named::Node(..)))
            .map(|(name, _)| *name)
    }
}
