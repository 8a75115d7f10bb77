//! What another version of a topology would change. Pure, and before anything is changed.
//!
//! Operators are matched by their names, or by `renamed-from`. What becomes of one is its [`Fate`],
//! and why is said beside it. Going back is the same with the two versions in turn.

mod fate;
mod operators;
mod reason;
mod remembered;

use super::{NodeId, OperatorId, Sink, SinkKind, StreamRef, Topology};
pub use fate::{Change, Fate, Part};
pub use reason::Reason;
pub use remembered::Remembered;

/// A version: a topology, and what its plugins are.
#[derive(Debug, Clone, Copy)]
pub struct Edition<'a> {
    /// How rows flow.
    pub topology: &'a Topology,
    /// Of each plugin, in the topology's order.
    pub code: &'a [Code],
}

/// What a plugin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Of its bytes.
    pub digest: String,
    /// It can make today's state of an older one.
    pub migrates: bool,
}

/// What another version would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The topology as a whole, its sources, its operators, its sinks; of each kind those of the
    /// new version in its order, then those that it does not have.
    pub changes: Vec<Change>,
}

impl Diff {
    /// From one version to another.
    pub fn between(old: Edition<'_>, new: Edition<'_>) -> Self {
        let mut changes = whole(old.topology, new.topology);
        changes.extend(sources(old.topology, new.topology));
        changes.extend(operators::changes(old, new));
        changes.extend(sinks(old, new));
        Self { changes }
    }

    /// Nothing is different.
    pub fn is_empty(&self) -> bool {
        self.of(|fate| *fate != Fate::Unchanged).next().is_none()
    }

    /// What cannot be done at all.
    pub fn refused(&self) -> impl Iterator<Item = &Change> {
        self.of(|fate| *fate == Fate::Refused)
    }

    /// What cannot be done while the stream runs.
    pub fn needs_restart(&self) -> impl Iterator<Item = &Change> {
        self.of(|fate| *fate == Fate::NeedsRestart)
    }

    /// The same for a stream that does not run: what needs a restart is none of a trouble.
    #[must_use]
    pub fn at_rest(mut self) -> Self {
        self.changes
            .retain(|change| change.fate != Fate::NeedsRestart);
        self
    }

    /// What is forgotten.
    pub fn losses(&self) -> impl Iterator<Item = &Change> {
        self.of(|fate| *fate == Fate::LosesState)
    }

    /// Whose state becomes another.
    pub fn migrations(&self) -> impl Iterator<Item = &Change> {
        self.of(|fate| matches!(fate, Fate::MigratesState { .. }))
    }

    fn of(&self, is_wanted: impl Fn(&Fate) -> bool) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(move |change| is_wanted(&change.fate))
    }

    /// The operator's place in the new version, by its place in the old one; none: it is gone.
    pub fn place(old: &Topology, new: &Topology, id: OperatorId) -> Option<OperatorId> {
        operators::place(old, new, id)
    }

    /// A sink of the new version does what this one of the old version does, so that it can go on
    /// in its place.
    pub fn is_same_sink(old: Edition<'_>, new: Edition<'_>, was: &Sink, is: &Sink) -> bool {
        let columns = old.topology.schema(was.input) == new.topology.schema(is.input);
        was.name == is.name && columns && sink_kind(old, was) == sink_kind(new, is)
    }
}

/// What concerns all of the topology.
fn whole(old: &Topology, new: &Topology) -> Vec<Change> {
    let mut change = Change::new(Part::Topology, new.name.as_str());
    if old.name != new.name {
        change.because(Fate::Refused, Reason::changed("name", &old.name, &new.name));
    }
    let (before, now) = (old.batch_interval, new.batch_interval);
    if before != now {
        let (before, now) = (before.as_duration(), now.as_duration());
        let reason = Reason::changed("batch-interval", format!("{before:?}"), format!("{now:?}"));
        change.because(Fate::Refused, reason);
    }
    if old.parallelism != new.parallelism {
        let reason = Reason::changed("parallelism", old.parallelism, new.parallelism);
        change.because(Fate::NeedsRestart, reason);
    }
    if old.checkpoint != new.checkpoint {
        change.because(
            Fate::NeedsRestart,
            Reason::Differs("what it says of its checkpoint"),
        );
    }
    if old.on_failed_batch != new.on_failed_batch {
        change.because(Fate::NeedsRestart, Reason::Differs("on-failed-batch"));
    }
    if old.limits != new.limits {
        change.because(Fate::Safe, Reason::Differs("limits"));
    }
    match change.fate {
        Fate::Unchanged => Vec::new(),
        _ => vec![change],
    }
}

fn sources(old: &Topology, new: &Topology) -> Vec<Change> {
    let mut changes = Vec::new();
    for source in &new.sources {
        let mut change = Change::new(Part::Source, source.name.as_str());
        match old.sources.iter().find(|was| was.name == source.name) {
            None => change.because(Fate::NeedsRestart, Reason::Is("new")),
            Some(was) if was != source => {
                change.because(Fate::NeedsRestart, Reason::Differs("what it reads"));
            }
            Some(_) => {}
        }
        changes.push(change);
    }
    let gone = old.sources.iter();
    for was in gone.filter(|was| new.sources.iter().all(|is| is.name != was.name)) {
        let mut change = Change::new(Part::Source, was.name.as_str());
        change.because(Fate::NeedsRestart, Reason::Is("gone"));
        changes.push(change);
    }
    changes
}

fn sinks(old: Edition<'_>, new: Edition<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for is in &new.topology.sinks {
        let mut change = Change::new(Part::Sink, is.name.as_str());
        match old.topology.sinks.iter().find(|was| was.name == is.name) {
            None => change.become_new(),
            Some(was) => {
                let (before, now) = (stream_name(old, was.input), stream_name(new, is.input));
                if before != now {
                    change.because(Fate::Safe, Reason::changed("input", before, now));
                }
                let (before, now) = (
                    old.topology.schema(was.input),
                    new.topology.schema(is.input),
                );
                if before != now {
                    change.because(Fate::Safe, Reason::changed("columns", before, now));
                }
                if sink_kind(old, was) != sink_kind(new, is) {
                    change.because(Fate::Safe, Reason::Differs("what it does with rows"));
                }
            }
        }
        changes.push(change);
    }
    let gone = old.topology.sinks.iter();
    for was in gone.filter(|was| new.topology.sinks.iter().all(|is| is.name != was.name)) {
        changes.push(Change::gone(Part::Sink, was.name.as_str()));
    }
    changes
}

/// What a sink does, in words that mean the same in every version: of a plugin, its code.
fn sink_kind(edition: Edition<'_>, sink: &Sink) -> (SinkKind, Option<String>) {
    let mut kind = sink.kind.clone();
    let SinkKind::Foreach { call, .. } = &mut kind else {
        return (kind, None);
    };
    let code = edition.code.get(call.plugin.0);
    call.plugin = super::PluginId(0);
    (kind, code.map(|code| code.digest.clone()))
}

/// A stream as topologies write it.
fn stream_name(edition: Edition<'_>, stream: StreamRef) -> String {
    let name = edition.topology.node_name(stream.node);
    match stream.port {
        super::Port::Main => name.to_string(),
        super::Port::Rejected => format!("{name}.rejected"),
        super::Port::Snapshots => format!("{name}.snapshots"),
    }
}

/// The node's place in the new version; none: it has none.
fn node(old: &Topology, new: &Topology, node: NodeId) -> Option<NodeId> {
    match node {
        NodeId::Operator(id) => operators::place(old, new, id).map(NodeId::Operator),
        NodeId::Source(id) => {
            let name = &old.sources[id.0].name;
            let at = new.sources.iter().position(|source| source.name == *name);
            at.map(|at| NodeId::Source(super::SourceId(at)))
        }
    }
}

#[cfg(test)]
mod tests;
