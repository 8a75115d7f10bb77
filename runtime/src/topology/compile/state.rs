//! `update-state-by-key` and `map-with-state`.

use std::{num::NonZeroU64, time::Duration};

use miette::SourceSpan;

use super::{
    aggregate::{self, Rows},
    call,
    columns::{self},
    functions::Wanted,
    operator::{Meaning, Site},
    reduced, references, slides,
};
use crate::{
    model::{Field, Role, Schema, StatefulFunction, StatefulVerb},
    topology::{
        KeyedState, MapWithState, ReferenceId, UpdateState, Verb,
        manifest::FunctionRef,
        problem::{ProblemKind, Problems},
    },
};

/// How often the state of `update-state-by-key` is checkpointed, at least (spec 8.3).
const CHECKPOINT: Duration = Duration::from_secs(10);
/// How many slides lie between two checkpoints of `map-with-state` (spec 6.5).
const SLIDES: NonZeroU64 = NonZeroU64::MIN.saturating_add(9);

/// Checks a verb that remembers something of each key.
pub(crate) fn check(
    reference: &FunctionRef,
    verb: StatefulVerb,
    site: Site<'_>,
    problems: &mut Problems,
) -> Meaning {
    let what = format!("`{}`", site.verb);
    let has_checkpoint = check_checkpoint(&what, site.at, site, problems);
    let checkpoint = checkpoint_interval(Some(verb), site, problems);
    let found = site
        .functions
        .find(reference, Wanted::Stateful(verb), problems);
    let pairs = aggregate::pairs(site, problems);
    let (Some(found), Some((rows, keys))) = (found, pairs) else {
        return (None, None);
    };
    let Role::Stateful(function) = &found.function.role else {
        return (None, None); // `find` answers with what was wanted
    };
    let at = reference.at;
    let wanted = found.function.input.as_ref();
    let part = "the stream's value";
    let values = call::columns_for(&found, wanted, &rows.values, part, at, problems);
    let key_columns = rows.keys.as_deref().unwrap_or_default();
    let asked = match &function.keys {
        None => Some(None),
        Some(wanted) => {
            let part = "the stream's key";
            let asked = call::columns_for(&found, Some(wanted), key_columns, part, at, problems);
            asked.map(|asked| Some(asked.iter().map(|key| key.index).collect()))
        }
    };
    let (Some(values), Some(asked)) = (values, asked) else {
        return (None, None);
    };
    // A plugin that is asked answers with what comes out: here the state, there the rows.
    let declared = match (verb, &function.output) {
        (StatefulVerb::MapWithState, Some(output)) => output,
        _ => &function.state,
    };
    let Some(resolved) = call::output(site, &found, declared, &values, at, problems) else {
        return (None, None);
    };
    let state = match verb {
        StatefulVerb::UpdateStateByKey => resolved.clone(),
        StatefulVerb::MapWithState => function.state.clone(),
    };
    let Some(snapshots) = snapshot_columns(&rows, &state, site, problems) else {
        return (None, None);
    };
    let output = match (verb, &function.output) {
        (StatefulVerb::MapWithState, Some(_)) => resolved,
        // Without an output there are no rows, but a stream has columns.
        _ => snapshots.clone(),
    };
    let initial = initial(&snapshots, site, problems);
    let keyed = checkpoint
        .zip(initial)
        .map(|(checkpoint, initial)| KeyedState {
            call: call::call(&found, &values),
            keys,
            asked,
            state,
            version: function.state_version,
            initial,
            partitions: site.partitions,
            checkpoint,
        });
    let keyed = keyed.filter(|_| has_checkpoint);
    (
        keyed.map(|keyed| stateful(verb, keyed, function, site)),
        Some(output),
    )
}

fn stateful(
    verb: StatefulVerb,
    keyed: KeyedState,
    function: &StatefulFunction,
    site: Site<'_>,
) -> Verb {
    match verb {
        StatefulVerb::UpdateStateByKey => Verb::UpdateStateByKey(UpdateState {
            keyed,
            skips_idle: function.skips_idle,
        }),
        StatefulVerb::MapWithState => Verb::MapWithState(MapWithState {
            keyed,
            passes_on: function.output.is_some(),
            timeout: site.entry.timeout,
        }),
    }
}

/// The columns of `x.snapshots`.
pub(crate) fn snapshots(
    keyed: &KeyedState,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Schema> {
    let input = site.input?;
    let rows = Rows {
        keys: Some(columns::at(input, &keyed.keys)),
        values: columns::except(input, &keyed.keys),
    };
    snapshot_columns(&rows, &keyed.state, site, problems)
}

/// The key columns, then the state's.
fn snapshot_columns(
    rows: &Rows<'_>,
    state: &Schema,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Schema> {
    let fields: Vec<Field> = reduced::placed(rows, state.fields());
    aggregate::schema(fields, site, problems)
}

/// The data set with the states to begin with; none if it is not right.
#[expect(clippy::option_option, reason = "not there, or not right")]
fn initial(
    wanted: &Schema,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Option<ReferenceId>> {
    let Some(entry) = &site.entry.initial else {
        return Some(None);
    };
    let operator = &site.entry.name.value;
    let schema = entry.schema.as_ref().unwrap_or(wanted);
    if !columns::fit_by_place(wanted, schema) {
        let kind = ProblemKind::InitialState {
            operator: operator.clone(),
            wanted: wanted.clone(),
            found: schema.clone(),
        };
        let problem = problems.report(kind, entry.at);
        let found = columns::all(schema);
        problem.help(
            columns::first_difference(wanted, &found).unwrap_or_else(|| {
                "leave `schema` out: the columns are those of the key and the state".to_owned()
            }),
        );
        return None;
    }
    let role = "initial".to_owned();
    references::add(entry, role, schema.clone(), false, site, problems).map(Some)
}

/// Checks that there is a place for state (spec 6.1, 7.5, 8.6).
pub(crate) fn check_checkpoint(
    what: &str,
    at: SourceSpan,
    site: Site<'_>,
    problems: &mut Problems,
) -> bool {
    if !site.whole.has_checkpoint {
        let what = what.to_owned();
        let problem = problems.report(ProblemKind::NoCheckpoint { what }, at);
        problem.help("say where state is kept: write checkpoint = \"checkpoints\" at the top");
    }
    site.whole.has_checkpoint
}

/// How often state is checkpointed, in batch intervals (spec 8.3, 8.6); none if that is not right.
pub(crate) fn checkpoint_interval(
    verb: Option<StatefulVerb>,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<NonZeroU64> {
    let every = site.slides.every?;
    let slide = slides::times(site.whole.interval?.as_duration(), every);
    let Some(asked) = &site.entry.checkpoint_interval else {
        let slides = match verb {
            Some(StatefulVerb::MapWithState) => SLIDES,
            _ => slides_in(CHECKPOINT, slide),
        };
        return Some(every.saturating_mul(slides));
    };
    if let Some(slides) = slides::intervals(asked.value, slide) {
        return Some(every.saturating_mul(slides));
    }
    let kind = ProblemKind::CheckpointInterval {
        operator: site.entry.name.value.clone(),
        interval: asked.value,
        slide,
    };
    let fits = slides::times(slide, slides_in(asked.value, slide));
    let problem = problems.report(kind, asked.at);
    problem.help(format!("the next that fits is {}", slides::text(fits)));
    None
}

/// How many slides it takes to last so long, at least one.
fn slides_in(duration: Duration, slide: Duration) -> NonZeroU64 {
    let slides = duration.as_millis().div_ceil(slide.as_millis().max(1));
    let slides = u64::try_from(slides).ok().and_then(NonZeroU64::new);
    slides.unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_the_first_multiple_of_the_slide_that_is_ten_seconds() {
        // spec 8.3: slide in ms, slides between checkpoints
        let cases = [
            (1_000, 10),
            (3_000, 4),
            (10_000, 1),
            (11_000, 1),
            (1, 10_000),
        ];
        for (slide, expected) in cases {
            let slides = slides_in(CHECKPOINT, Duration::from_millis(slide));
            assert_eq!(slides.get(), expected, "{slide} ms");
        }
    }
}
