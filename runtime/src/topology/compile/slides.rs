//! How often an operator has a batch, and which batches its window holds.

use std::{num::NonZeroU64, time::Duration};

use super::operator::{Input, Whole};
use crate::topology::{
    Window,
    manifest::{OperatorEntry, Spanned},
    problem::{ProblemKind, Problems},
};

/// An operator's slide and window, in batch intervals. Each none if not known, which has been
/// reported; the window also if there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slides {
    pub(crate) every: Option<NonZeroU64>,
    pub(crate) window: Option<Window>,
}

/// Checks that inputs have the same slide (spec 5.2), and that a window's length and slide are
/// multiples of it (spec 7.1).
pub(crate) fn check(
    entry: &OperatorEntry,
    inputs: &[Input],
    whole: &Whole<'_>,
    problems: &mut Problems,
) -> Slides {
    check_alike(entry, inputs, whole, problems);
    let of = inputs.iter().find_map(|input| input.every);
    let (Some(of), true) = (of, has_window(entry)) else {
        return Slides {
            every: of,
            window: None,
        };
    };
    let multiple = |what, duration: Option<&Spanned<Duration>>, problems: &mut Problems| {
        multiple_of(of, what, duration?, entry, whole, problems)
    };
    let length = multiple("window duration", entry.window.length.as_ref(), problems);
    let every = match &entry.window.slide {
        None => Some(of),
        Some(slide) => multiple("slide duration", Some(slide), problems),
    };
    Slides {
        every,
        window: length.map(|length| Window { length, of }),
    }
}

fn has_window(entry: &OperatorEntry) -> bool {
    matches!(&entry.verb, Some(verb) if verb.value.has_window())
}

fn check_alike(
    entry: &OperatorEntry,
    inputs: &[Input],
    whole: &Whole<'_>,
    problems: &mut Problems,
) {
    let (Some(verb), Some(interval)) = (&entry.verb, whole.interval) else {
        return;
    };
    let mut known = entry.inputs.iter().zip(inputs);
    let first = known.find_map(|(name, input)| Some((name, input.every?)));
    let Some((first, first_every)) = first else {
        return;
    };
    for (other, input) in known {
        if let Some(every) = input.every
            && every != first_every
        {
            let slide = |every: NonZeroU64| times(interval.as_duration(), every);
            let kind = ProblemKind::Slides {
                verb: verb.value.name(),
                first: first.value.clone(),
                first_slide: slide(first_every),
                other: other.value.clone(),
                other_slide: slide(every),
            };
            problems
                .report(kind, other.at)
                .see(first.at, "unlike this one")
                .help("give both the same slide, with a `window` before the one that has batches more often");
        }
    }
}

/// How many batch intervals `duration` is; reports one that is no multiple of the parent's slide.
fn multiple_of(
    of: NonZeroU64,
    what: &'static str,
    duration: &Spanned<Duration>,
    entry: &OperatorEntry,
    whole: &Whole<'_>,
    problems: &mut Problems,
) -> Option<NonZeroU64> {
    let interval = whole.interval?.as_duration();
    let slide = times(interval, of);
    if let Some(intervals) = intervals(duration.value, slide) {
        return intervals.checked_mul(of);
    }
    let parent = entry.inputs.first().map_or("", |input| &input.value);
    let kind = ProblemKind::NoMultiple {
        what,
        operator: entry.name.value.clone(),
        duration: duration.value,
        parent: parent.to_owned(),
        slide,
    };
    let whole_slides = duration.value.as_nanos().div_ceil(slide.as_nanos().max(1));
    let next = u32::try_from(whole_slides)
        .ok()
        .and_then(|n| slide.checked_mul(n));
    let problem = problems.report(kind, duration.at);
    if let Some(next) = next {
        problem.help(format!("the next that fits is {}", text(next)));
    }
    None
}

/// How many times `unit` is in `duration`; none if there is a remainder.
pub(crate) fn intervals(duration: Duration, unit: Duration) -> Option<NonZeroU64> {
    let (duration, unit) = (duration.as_millis(), unit.as_millis());
    if unit == 0 || duration % unit != 0 {
        return None;
    }
    NonZeroU64::new(u64::try_from(duration / unit).ok()?)
}

/// So many times this long, or as long as there is.
pub(crate) fn times(unit: Duration, count: NonZeroU64) -> Duration {
    let millis = u64::try_from(unit.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.saturating_mul(count.get()))
}

/// As topologies write it.
pub(crate) fn text(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1_000) {
        format!("\"{}s\"", millis / 1_000)
    } else {
        format!("\"{millis}ms\"")
    }
}
