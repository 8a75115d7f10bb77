//! How often a stream has a batch.

use std::{num::NonZeroU64, time::Duration};

use super::{operator::Site, streams::Ports};
use crate::{
    model::BatchInterval,
    topology::{
        manifest::{OperatorEntry, Spanned, VerbEntry},
        problem::{ProblemKind, Problems},
    },
};

/// The slide of an operator's inputs, in batch intervals; reports if they differ (spec 5.2).
pub(crate) fn common(
    entry: &OperatorEntry,
    inputs: &[Ports],
    interval: Option<BatchInterval>,
    problems: &mut Problems,
) -> NonZeroU64 {
    let every = |ports: &Ports| ports.every.unwrap_or(NonZeroU64::MIN);
    let first = inputs.first().map_or(NonZeroU64::MIN, every);
    let others = entry.inputs.iter().zip(inputs);
    for (name, ports) in others.skip(1) {
        let (Some(interval), Some(verb)) = (interval, &entry.verb) else {
            break;
        };
        if every(ports) != first {
            let kind = ProblemKind::Slides {
                verb: verb.value.name(),
                first: entry
                    .inputs
                    .first()
                    .map(|i| i.value.clone())
                    .unwrap_or_default(),
                first_slide: duration(first, interval),
                other: name.value.clone(),
                other_slide: duration(every(ports), interval),
            };
            let problem = problems.report(kind, name.at);
            problem.help("give both the same slide, with a `window` of the faster one");
        }
    }
    first
}

/// The slide of an operator, in batch intervals: that of its input, unless it is a window of its
/// own.
pub(crate) fn of(site: Site<'_>, verb: &VerbEntry, problems: &mut Problems) -> NonZeroU64 {
    let slide = site.entry.window.slide.as_ref();
    match slide.filter(|_| verb.has_window()) {
        Some(slide) => multiple(site, "slide duration", slide, problems).unwrap_or(site.of),
        None => site.of,
    }
}

/// A duration in batch intervals; it must be a multiple of the slide of the input (spec 7.1).
pub(crate) fn multiple(
    site: Site<'_>,
    what: &'static str,
    given: &Spanned<Duration>,
    problems: &mut Problems,
) -> Option<NonZeroU64> {
    let interval = site.around.interval?;
    let parent = duration(site.of, interval);
    let (given_ms, parent_ms) = (given.value.as_millis(), parent.as_millis());
    if !given_ms.is_multiple_of(parent_ms) {
        let kind = ProblemKind::NotMultiple {
            what,
            found: given.value,
            parent,
        };
        let below = given_ms / parent_ms * parent_ms;
        let nearest = if below == 0 { parent_ms } else { below };
        let problem = problems.report(kind, given.at);
        problem.help(format!(
            "write \"{nearest}ms\", or another multiple of {parent_ms} ms"
        ));
        return None;
    }
    let intervals = given_ms / interval.as_duration().as_millis();
    NonZeroU64::new(u64::try_from(intervals).ok()?)
}

fn duration(every: NonZeroU64, interval: BatchInterval) -> Duration {
    let every = u32::try_from(every.get()).unwrap_or(u32::MAX);
    interval.as_duration().saturating_mul(every)
}
