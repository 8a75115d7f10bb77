//! What becomes of operators.

use super::{Change, Edition, Fate, Part, Reason, Remembered, node, remembered::reducer_text};
use crate::model::Schema;
use crate::topology::{
    Call, Operator, OperatorId, PluginId, Port, ReferenceId, StreamRef, Topology, Verb,
};

pub(super) fn changes(old: Edition<'_>, new: Edition<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (at, operator) in new.topology.operators.iter().enumerate() {
        let mut olds = old.topology.operators.iter().enumerate();
        let was = olds.find(|(was, _)| {
            place(old.topology, new.topology, OperatorId(*was)) == Some(OperatorId(at))
        });
        let mut change = Change::new(Part::Operator, operator.name.as_str());
        match was {
            None => change.become_new(),
            Some((_, was)) => compare((old, was), (new, operator), &mut change),
        }
        changes.push(change);
    }
    for (at, was) in old.topology.operators.iter().enumerate() {
        if place(old.topology, new.topology, OperatorId(at)).is_some() {
            continue;
        }
        let mut change = Change::gone(Part::Operator, was.name.as_str());
        if Remembered::of(old.topology, was).is_some() {
            let note = "it is gone: say renamed-from where it has another name now";
            change.because(Fate::LosesState, Reason::Note(note));
        }
        changes.push(change);
    }
    changes
}

/// An operator's place in the new version: that of its name, or of what was renamed from it.
pub(super) fn place(old: &Topology, new: &Topology, id: OperatorId) -> Option<OperatorId> {
    let name = old.operators[id.0].name.as_str();
    let find = |is_it: &dyn Fn(&Operator) -> bool| new.operators.iter().position(is_it);
    let renamed = find(&|operator| operator.renamed_from.as_deref() == Some(name));
    // `renamed-from` stays in a topology for ever: what had the name then may be long gone.
    let named = find(&|operator| operator.name.as_str() == name);
    named.or(renamed).map(OperatorId)
}

fn compare(
    (old, was): (Edition<'_>, &Operator),
    (new, is): (Edition<'_>, &Operator),
    change: &mut Change,
) {
    if was.name != is.name {
        change.renamed_from = Some(was.name.to_string());
        change.because(Fate::Safe, Reason::changed("name", &was.name, &is.name));
    }
    if was.verb.name() != is.verb.name() {
        let reason = Reason::changed("verb", was.verb.name(), is.verb.name());
        change.because(Fate::Safe, reason);
    }
    let (before, now) = (functions(old.topology, was), functions(new.topology, is));
    if before != now && !before.is_empty() && !now.is_empty() {
        change.because(Fate::Safe, Reason::changed("function", before, now));
    }
    for plugin in other_builds(old, was, new, is) {
        change.because(Fate::Safe, Reason::Code(plugin));
    }
    let (before, now) = (inputs(old, was), inputs(new, is));
    if before != now {
        change.because(Fate::Safe, Reason::changed("input", before, now));
    }
    let columns = |topology: &Topology, operator: &Operator| {
        let inputs = operator.inputs.iter();
        let columns: Vec<_> = inputs
            .map(|input| topology.schema(*input).to_string())
            .collect();
        columns.join("; ")
    };
    let (before, now) = (columns(old.topology, was), columns(new.topology, is));
    if before != now {
        change.because(
            Fate::Safe,
            Reason::changed("columns of its input", before, now),
        );
    }
    if was.settings != is.settings {
        change.because(Fate::Safe, Reason::Differs("settings"));
    }
    if was.output != is.output {
        let reason = Reason::changed("columns", &was.output, &is.output);
        change.because(Fate::Safe, reason);
    }
    memory((old.topology, was), (new, is), change);
    if change.fate == Fate::Unchanged
        && translated(old.topology, was, new.topology) != same_name(is)
    {
        change.because(Fate::Safe, Reason::Differs("its definition"));
    }
}

/// What becomes of what it remembers.
fn memory(
    (old, was): (&Topology, &Operator),
    (new, is): (Edition<'_>, &Operator),
    change: &mut Change,
) {
    let Some(before) = Remembered::of(old, was) else {
        return;
    };
    let Some(now) = Remembered::of(new.topology, is) else {
        let note = "its new verb remembers nothing";
        change.because(Fate::LosesState, Reason::Note(note));
        return;
    };
    if before.verb != now.verb {
        let note = "what one verb remembers means nothing to another";
        change.because(Fate::LosesState, Reason::Note(note));
        return;
    }
    if before.keys != now.keys {
        let text =
            |keys: &Option<Schema>| keys.as_ref().map_or_else(String::new, Schema::to_string);
        let reason = Reason::changed("key", text(&before.keys), text(&now.keys));
        change.because(Fate::Refused, reason);
        let note = "state lies where its key is: give the operator another name";
        change.because(Fate::Refused, Reason::Note(note));
        return;
    }
    if before.every != now.every {
        let reason = Reason::changed("slide in batches", before.every, now.every);
        change.because(Fate::LosesState, reason);
    }
    if before.length != now.length {
        let length = |of: Option<u64>| of.unwrap_or_default();
        let (before, now) = (length(before.length), length(now.length));
        let reason = Reason::changed("window length in batches", before, now);
        change.because(Fate::LosesState, reason);
    }
    if before.reduce != now.reduce {
        let note = "what is in its window was reduced by the other function";
        change.because(Fate::LosesState, Reason::Note(note));
    }
    state((&before, was), (&now, is), new, change);
}

/// Whether it can go on with the columns that it has.
fn state(
    (before, was): (&Remembered, &Operator),
    (now, is): (&Remembered, &Operator),
    new: Edition<'_>,
    change: &mut Change,
) {
    let is_other =
        before.columns != now.columns || was.output != is.output && before.version.is_none();
    let (Some(since), Some(to)) = (before.version, now.version) else {
        if is_other {
            let note = "its window holds other columns";
            change.because(Fate::LosesState, Reason::Note(note));
        }
        return;
    };
    if is_other && was.output == is.output {
        let reason = Reason::changed("state", &before.columns, &now.columns);
        change.because(Fate::Safe, reason);
    }
    if since < to {
        change.because(Fate::Safe, Reason::changed("state version", since, to));
        if migrates(new, is) {
            change.fate = change.fate.max(Fate::MigratesState { since, to });
            return;
        }
        let note = "its plugin exports no migration";
        change.because(Fate::LosesState, Reason::Note(note));
    } else if since > to {
        change.because(
            Fate::LosesState,
            Reason::changed("state version", since, to),
        );
        let note = "no plugin makes an older state of a newer one";
        change.because(Fate::LosesState, Reason::Note(note));
    } else if is_other {
        let note =
            "its state is another: raise the state's version and export a migration to keep it";
        change.because(Fate::LosesState, Reason::Note(note));
    }
}

fn migrates(edition: Edition<'_>, operator: &Operator) -> bool {
    let keyed = operator.verb.keyed_state();
    let code = keyed.and_then(|keyed| edition.code.get(keyed.call.plugin.0));
    code.is_some_and(|code| code.migrates)
}

/// The plugins that both call, and that are not what they were.
fn other_builds(
    old: Edition<'_>,
    was: &Operator,
    new: Edition<'_>,
    is: &Operator,
) -> Vec<Option<String>> {
    let mut others = Vec::new();
    let before = was.verb.calls();
    for call in &is.verb.calls() {
        let alias = alias(new.topology, call.plugin);
        let same = before
            .iter()
            .find(|before| self::alias(old.topology, before.plugin) == alias);
        let Some(same) = same else { continue };
        let digest = |edition: Edition<'_>, plugin: PluginId| {
            edition.code.get(plugin.0).map(|code| code.digest.clone())
        };
        if digest(old, same.plugin) != digest(new, call.plugin) && !others.contains(&alias) {
            others.push(alias);
        }
    }
    others
}

fn alias(topology: &Topology, plugin: PluginId) -> Option<String> {
    let plugin = topology.plugins.get(plugin.0)?;
    plugin.alias.as_ref().map(ToString::to_string)
}

fn inputs(edition: Edition<'_>, operator: &Operator) -> String {
    let inputs = operator.inputs.iter();
    let names: Vec<_> = inputs
        .map(|input| super::stream_name(edition, *input))
        .collect();
    names.join(", ")
}

/// A call as topologies write it.
pub(super) fn call_text(topology: &Topology, call: &Call) -> String {
    match alias(topology, call.plugin) {
        Some(alias) => format!("{alias}:{}", call.function),
        None => call.function.clone(),
    }
}

/// The functions that it calls, as topologies write them.
fn functions(topology: &Topology, operator: &Operator) -> String {
    let text = |call: &Call| call_text(topology, call);
    match &operator.verb {
        Verb::Map { call, .. } | Verb::FlatMap { call, .. } => text(call),
        Verb::Reduce(reducer) | Verb::ReduceByKey { reducer, .. } => {
            reducer_text(topology, reducer)
        }
        Verb::ReduceByWindow { reduce, .. } | Verb::ReduceByKeyAndWindow { reduce, .. } => {
            let filter = reduce.filter.iter().map(text);
            let all = [reducer_text(topology, &reduce.reducer)];
            all.into_iter().chain(filter).collect::<Vec<_>>().join(", ")
        }
        verb => {
            let calls: Vec<_> = verb.calls().iter().map(text).collect();
            calls.join(", ")
        }
    }
}

/// The operator as the new version would have it if it were the same.
fn translated(old: &Topology, was: &Operator, new: &Topology) -> Operator {
    let plugin = |id: PluginId| {
        let alias = &old.plugins.get(id.0)?.alias;
        let at = new.plugins.iter().position(|plugin| plugin.alias == *alias);
        at.map(PluginId)
    };
    let reference = |id: ReferenceId| {
        let was = old.references.get(id.0)?;
        let at = new.references.iter().position(|is| is == was);
        at.map(ReferenceId)
    };
    let input = |stream: &StreamRef| match node(old, new, stream.node) {
        Some(node) => StreamRef { node, ..*stream },
        None => StreamRef {
            port: Port::Main,
            ..StreamRef::operator(OperatorId(usize::MAX))
        },
    };
    Operator {
        inputs: was.inputs.iter().map(input).collect(),
        verb: was.verb.clone().among(plugin, reference),
        renamed_from: None,
        ..was.clone()
    }
}

/// Without the name that it had once, which changes nothing.
fn same_name(is: &Operator) -> Operator {
    Operator {
        renamed_from: None,
        ..is.clone()
    }
}
