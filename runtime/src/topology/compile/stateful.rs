//! `update-state-by-key` and `map-with-state` (spec 6).

use std::{num::NonZeroU64, time::Duration};

use miette::SourceSpan;

use super::{
    aggregate::{self, Rows},
    call, columns,
    functions::{Found, Wanted},
    operator::{Meaning, Site},
    pairs, reduced, slides,
};
use crate::{
    model::{Field, Role, Schema, StatefulFunction, StatefulVerb},
    topology::{
        KeyedState, MapWithState, ReferenceId, UpdateState, Verb,
        manifest::FunctionRef,
        problem::{ProblemKind, Problems},
    },
};

/// Without `checkpoint-interval` state is checkpointed at the first multiple of the slide that is
/// at least this (spec 8.3).
const LEAST_INTERVAL: Duration = Duration::from_secs(10);
/// The same of `map-with-state`, in slides (spec 6.5).
const MAP_SLIDES: u64 = 10;

/// Checks `update-state-by-key`.
pub(crate) fn update(reference: &FunctionRef, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let verb = StatefulVerb::UpdateStateByKey;
    let Some(Stateful {
        keyed,
        function,
        fields,
        ..
    }) = check(reference, verb, site, problems)
    else {
        return (None, None);
    };
    let verb = Verb::UpdateStateByKey(UpdateState {
        keyed,
        skips_idle: function.skips_idle,
    });
    (Some(verb), aggregate::schema(fields, site, problems))
}

/// Checks `map-with-state`.
pub(crate) fn map(reference: &FunctionRef, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let verb = StatefulVerb::MapWithState;
    let Some(Stateful { keyed, output, .. }) = check(reference, verb, site, problems) else {
        return (None, None);
    };
    let Some(output) = output else {
        let kind = ProblemKind::Refused {
            function: reference.name.clone(),
            reason: "it puts out no rows, and `map-with-state` passes them on".to_owned(),
        };
        problems.report(kind, reference.at);
        return (None, None);
    };
    let verb = Verb::MapWithState(MapWithState {
        keyed,
        timeout: site
            .entry
            .state
            .timeout
            .as_ref()
            .map(|timeout| timeout.value),
    });
    (Some(verb), Some(output))
}

struct Stateful<'a> {
    keyed: KeyedState,
    function: &'a StatefulFunction,
    /// Key and state.
    fields: Vec<Field>,
    /// What `map-with-state` passes on.
    output: Option<Schema>,
}

fn check<'a>(
    reference: &FunctionRef,
    verb: StatefulVerb,
    site: Site<'a>,
    problems: &mut Problems,
) -> Option<Stateful<'a>> {
    if !site.around.has_checkpoint {
        report_no_checkpoint(&format!("`{}`", site.verb), site.at, problems);
    }
    let checkpoint = checkpoint(verb, site, problems);
    let found = site
        .functions
        .find(reference, Wanted::Stateful(verb), problems);
    let parted = pairs::parted(site, problems);
    let (found, (keys, rows)) = (found?, parted?);
    let Role::Stateful(function) = &found.function.role else {
        return None; // `find` answers with what was wanted
    };
    let at = reference.at;
    let wanted = found.function.input.as_ref();
    let part = "the stream's value";
    let selected = call::columns_for(&found, wanted, &rows.values, part, at, problems)?;
    let asked = asked_keys(&found, function, &rows, at, problems)?;
    let is_update = verb == StatefulVerb::UpdateStateByKey;
    let (state, output) = if is_update {
        let state = call::output(site, &found, &function.state, &selected, at, problems)?;
        (state, None)
    } else {
        let output = match &function.output {
            Some(output) => Some(call::output(site, &found, output, &selected, at, problems)?),
            None => None,
        };
        (function.state.clone(), output)
    };
    let fields = reduced::placed(&rows, state.fields());
    let initial = site.entry.data_sets.first();
    let keyed = KeyedState {
        call: call::call(&found, &selected),
        keys,
        asked,
        state,
        initial: initial.map(|_| ReferenceId(site.first_data_set)),
        partitions: site.partitions,
        checkpoint: checkpoint?,
    };
    Some(Stateful {
        keyed,
        function,
        fields,
        output,
    })
}

/// The key columns that the function asked for; none if it asked for no keys.
fn asked_keys(
    found: &Found<'_>,
    function: &StatefulFunction,
    rows: &Rows<'_>,
    at: SourceSpan,
    problems: &mut Problems,
) -> Option<Option<Vec<usize>>> {
    let Some(wanted) = &function.keys else {
        return Some(None);
    };
    let keys = rows.keys.as_deref().unwrap_or_default();
    let part = "the stream's key";
    let keys = call::columns_for(found, Some(wanted), keys, part, at, problems)?;
    Some(Some(keys.iter().map(|key| key.index).collect()))
}

/// How often state is checkpointed, in batch intervals (spec 8.3, 8.6).
fn checkpoint(verb: StatefulVerb, site: Site<'_>, problems: &mut Problems) -> Option<NonZeroU64> {
    if let Some(interval) = &site.entry.state.checkpoint_interval {
        return slides::multiple(site, "checkpoint interval", interval, problems);
    }
    let slides = match verb {
        StatefulVerb::MapWithState => MAP_SLIDES,
        StatefulVerb::UpdateStateByKey => {
            let interval = site.around.interval?.as_duration().as_millis();
            let slide = interval.saturating_mul(u128::from(site.of.get())).max(1);
            u64::try_from(LEAST_INTERVAL.as_millis().div_ceil(slide)).unwrap_or(1)
        }
    };
    site.of.checked_mul(NonZeroU64::new(slides)?)
}

/// What an initial state and snapshots are like: key columns, then the state's.
pub(crate) fn key_and_state(input: &Schema, keyed: &KeyedState) -> Option<Schema> {
    let rows = Rows {
        keys: Some(columns::at(input, &keyed.keys)),
        values: Vec::new(),
    };
    Schema::new(reduced::placed(&rows, keyed.state.fields())).ok()
}

pub(crate) fn report_no_checkpoint(what: &str, at: SourceSpan, problems: &mut Problems) {
    let what = what.to_owned();
    let problem = problems.report(ProblemKind::NoCheckpoint { what }, at);
    problem.help("say where it is to lie, at the top: checkpoint = \"checkpoints\"");
}
