//! Verbs over a window: how its rows become one, and what takes out what leaves.

use miette::SourceSpan;

use super::{
    aggregate::{self, Rows},
    call, columns, combine,
    functions::Wanted,
    operator::{Meaning, Site},
    rows, slides, state,
};
use crate::{
    model::{Kind, Role, Schema},
    topology::{
        Call, Inverse, Reducer, StdFunction, Verb, WindowReduce,
        manifest::{FunctionOwner, FunctionRef, InverseEntry},
        problem::{ProblemKind, Problems},
    },
};

/// `"std:subtract"`: the inverse of a sum.
const SUBTRACT: &str = "subtract";

/// Checks a `reduce-by-window`: every column is a value.
pub(crate) fn reduce(reference: &FunctionRef, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let wanted = Wanted::ReduceByWindow;
    let Some(input) = site.input else {
        aggregate::find_only(reference, wanted, site, problems);
        return (None, None);
    };
    let rows = Rows {
        keys: None,
        values: columns::all(input),
    };
    let (reduce, output) = window_reduce(reference, wanted, &rows, site, problems);
    let verb = reduce.zip(site.slides.window);
    let verb = verb.map(|(reduce, window)| Verb::ReduceByWindow { window, reduce });
    (verb, output)
}

/// Checks a `reduce-by-key-and-window`.
pub(crate) fn reduce_by_key(
    reference: &FunctionRef,
    site: Site<'_>,
    problems: &mut Problems,
) -> Meaning {
    let wanted = Wanted::ReduceByKeyAndWindow;
    let Some((rows, keys)) = aggregate::pairs(site, problems) else {
        aggregate::find_only(reference, wanted, site, problems);
        return (None, None);
    };
    let (reduce, output) = window_reduce(reference, wanted, &rows, site, problems);
    let verb = reduce
        .zip(site.slides.window)
        .map(|(reduce, window)| Verb::ReduceByKeyAndWindow {
            window,
            reduce,
            keys,
            partitions: site.partitions,
        });
    (verb, output)
}

/// Checks a `count-by-window`, which takes out what leaves (spec 7.6).
pub(crate) fn count(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let fits = takes_out(site, site.at, problems);
    let window = site.slides.window.filter(|_| fits);
    (window.map(Verb::CountByWindow), Some(rows::count()))
}

/// Checks a `count-by-value-and-window`, which takes out what leaves (spec 7.6).
pub(crate) fn count_by_value(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let fits = takes_out(site, site.at, problems);
    let window = site.slides.window.filter(|_| fits);
    let partitions = site.partitions;
    let verb = window.map(|window| Verb::CountByValueAndWindow { window, partitions });
    (verb, rows::count_by_value(site, problems))
}

fn window_reduce(
    reference: &FunctionRef,
    wanted: Wanted,
    rows: &Rows<'_>,
    site: Site<'_>,
    problems: &mut Problems,
) -> (Option<WindowReduce>, Option<Schema>) {
    let Some((reducer, fields)) = aggregate::reducer(reference, wanted, site, rows, problems)
    else {
        return (None, None);
    };
    let Some(output) = aggregate::schema(fields, site, problems) else {
        return (None, None);
    };
    let keys = rows.keys.as_ref().map_or(0, Vec::len);
    let inverse = match &site.entry.window.inverse {
        None => Some(None),
        Some(entry) => {
            let fits = takes_out(site, entry.at, problems);
            let result = Rows::of_result(&output, keys);
            inverse(
                &entry.value,
                entry.at,
                reference,
                &reducer,
                &result,
                site,
                problems,
            )
            .filter(|_| fits)
            .map(Some)
        }
    };
    let filter = match &site.entry.window.filter {
        None => Some(None),
        Some(reference) => filter(reference, &output, site, problems).map(Some),
    };
    let reduce = inverse.zip(filter).map(|(inverse, filter)| WindowReduce {
        reducer,
        inverse,
        filter,
    });
    (reduce, Some(output))
}

/// Checks what every window needs that takes out what leaves: a checkpoint (spec 7.5), and no gaps
/// between windows.
fn takes_out(site: Site<'_>, at: SourceSpan, problems: &mut Problems) -> bool {
    let what = match &site.entry.window.inverse {
        Some(_) => format!("`{}` with an inverse", site.verb),
        None => format!("`{}`", site.verb),
    };
    let has_checkpoint = state::check_checkpoint(&what, at, site, problems);
    state::checkpoint_interval(None, site, problems);
    let (Some(window), Some(every)) = (site.slides.window, site.slides.every) else {
        return false;
    };
    if every <= window.length {
        return has_checkpoint;
    }
    if let Some(interval) = site.whole.interval {
        let interval = interval.as_duration();
        let kind = ProblemKind::SlideOverLength {
            operator: site.entry.name.value.clone(),
            verb: what,
            slide: slides::times(interval, every),
            length: slides::times(interval, window.length),
        };
        let at = site
            .entry
            .window
            .slide
            .as_ref()
            .map_or(at, |slide| slide.at);
        problems
            .report(kind, at)
            .help("make the window at least as long as its slide, or reduce without an inverse");
    }
    false
}

fn inverse(
    entry: &InverseEntry,
    at: SourceSpan,
    reducing: &FunctionRef,
    reducer: &Reducer,
    result: &Rows<'_>,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Inverse> {
    let function = match (entry, reducer) {
        (InverseEntry::Own, Reducer::Std(function)) => {
            return subtract(Some(*function), result, at, problems);
        }
        (InverseEntry::Own, Reducer::Plugin { .. }) => {
            let found = site
                .functions
                .find(reducing, Wanted::ReduceByKey, problems)?;
            let Role::Aggregate(aggregate) = &found.function.role else {
                return None;
            };
            let Some(name) = &aggregate.inverse else {
                let kind = ProblemKind::UnfitFunction {
                    function: found.function.name.clone(),
                    why: "does not say what its inverse is".to_owned(),
                };
                let help = "name a function, as in inverse = \"subtract\", or leave `inverse` out";
                problems.report(kind, at).help(help);
                return None;
            };
            combine::of_same_plugin(&found, reducing, name, site, problems)?
        }
        (InverseEntry::Function(function), _) if function.owner == FunctionOwner::Std => {
            if function.name != SUBTRACT {
                let (function, why) = (function.name.clone(), "takes nothing out".to_owned());
                let problem = problems.report(ProblemKind::StdFunction { function, why }, at);
                problem.help("the built-in inverse is \"std:subtract\"");
                return None;
            }
            let std = match reducer {
                Reducer::Std(function) => Some(*function),
                Reducer::Plugin { .. } => None,
            };
            return subtract(std, result, at, problems);
        }
        (InverseEntry::Function(function), _) => {
            site.functions
                .find(function, Wanted::ReduceByKey, problems)?
        }
    };
    let Role::Aggregate(aggregate) = &function.function.role else {
        return None;
    };
    let wanted = Wanted::ReduceByKeyAndWindow;
    let (reducer, _) = aggregate::plugin_reducer(&function, wanted, result, at, problems)?;
    let values = result.values.iter().map(|value| value.field);
    if !columns::same_kinds(aggregate.output.fields().iter(), values) {
        let kind = ProblemKind::UnfitFunction {
            function: function.function.name.clone(),
            why: format!(
                "puts out ({}), so it does not take values out of ({})",
                aggregate.output,
                columns::describe(&result.values)
            ),
        };
        let problem = problems.report(kind, at);
        problem.help(
            "an inverse gets the value so far and what leaves, and puts out the value that is left",
        );
        return None;
    }
    match reducer {
        Reducer::Plugin { call, keys, .. } => Some(Inverse::Plugin { call, keys }),
        Reducer::Std(_) => None,
    }
}

/// Subtraction takes a number out of a sum or count.
fn subtract(
    reduced_by: Option<StdFunction>,
    result: &Rows<'_>,
    at: SourceSpan,
    problems: &mut Problems,
) -> Option<Inverse> {
    let is_sum = matches!(
        reduced_by,
        None | Some(StdFunction::Sum | StdFunction::Count)
    );
    let is_number = matches!(
        result.values.as_slice(),
        [value] if matches!(value.field.kind, Kind::Int64 | Kind::Float64) && !value.field.listed
    );
    if is_sum && is_number {
        return Some(Inverse::Subtract);
    }
    let kind = match reduced_by {
        Some(function) => ProblemKind::StdFunction {
            function: function.name().to_owned(),
            why: "has no inverse".to_owned(),
        },
        None => ProblemKind::StdFunction {
            function: SUBTRACT.to_owned(),
            why: format!(
                "subtracts int64 or float64, but the value is ({})",
                columns::describe(&result.values)
            ),
        },
    };
    let problem = problems.report(kind, at);
    problem
        .help("leave `inverse` out: without it the cost of a batch does not grow with the window");
    None
}

/// What keeps a result, over key and value; only where something is taken out (spec 7.5).
fn filter(
    reference: &FunctionRef,
    output: &Schema,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Call> {
    let found = site.functions.find(reference, Wanted::Filter, problems)?;
    let at = reference.at;
    if site.entry.window.inverse.is_none() {
        let key = "filter".to_owned();
        let why = "drops keys from a window with an inverse, but there is no `inverse`".to_owned();
        let problem = problems.report(ProblemKind::BadValue { key, why }, at);
        problem.help("without an inverse keys vanish by themselves; filter rows with a `filter` operator after this one");
        return None;
    }
    let all = columns::all(output);
    let wanted = found.function.input.as_ref();
    let part = "the result";
    let selected = call::columns_for(&found, wanted, &all, part, at, problems)?;
    if let Some(Err(reason)) = call::resolve(site, &found, &selected) {
        let function = found.function.name.clone();
        problems.report(ProblemKind::Refused { function, reason }, at);
        return None;
    }
    Some(call::call(&found, &selected))
}
