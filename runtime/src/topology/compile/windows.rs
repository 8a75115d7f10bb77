//! Verbs over windows (spec 7).

use super::{
    aggregate::{self, Rows},
    call, columns,
    functions::Wanted,
    operator::{Meaning, Site},
    pairs, rows, slides,
};
use crate::{
    model::{Field, Role, Schema},
    topology::{
        Call, Inverse, Reducer, StdFunction, Verb, Window, WindowReduce,
        manifest::{FunctionOwner, FunctionRef, InverseEntry},
        problem::{ProblemKind, Problems},
    },
};

/// The window that `length` and `slide` describe.
pub(crate) fn window(site: Site<'_>, problems: &mut Problems) -> Option<Window> {
    let length = site.entry.window.length.as_ref()?;
    let length = slides::multiple(site, "window duration", length, problems)?;
    Some(Window {
        length,
        of: site.of,
    })
}

/// Checks `count-by-window`: the inverse form of adding ones (spec 7.6).
pub(crate) fn count(site: Site<'_>, problems: &mut Problems) -> Meaning {
    check_checkpoint("`count-by-window`", site, problems);
    check_gaps(site, problems);
    let window = window(site, problems);
    (window.map(Verb::CountByWindow), Some(rows::count()))
}

/// Checks `count-by-value-and-window`.
pub(crate) fn count_by_value(site: Site<'_>, problems: &mut Problems) -> Meaning {
    check_checkpoint("`count-by-value-and-window`", site, problems);
    check_gaps(site, problems);
    let partitions = site.partitions;
    let window = window(site, problems);
    let output = rows::count_by_value(site, problems);
    let verb = window.map(|window| Verb::CountByValueAndWindow { window, partitions });
    (verb, output)
}

/// Checks `group-by-key-and-window`.
pub(crate) fn group_by_key(site: Site<'_>, problems: &mut Problems) -> Meaning {
    let window = window(site, problems);
    let Some((keys, rows)) = pairs::parted(site, problems) else {
        return (None, None);
    };
    let partitions = site.partitions;
    let output = pairs::grouped(&rows, site, problems);
    let verb = window.map(|window| Verb::GroupByKeyAndWindow {
        window,
        keys,
        partitions,
    });
    (verb, output)
}

/// Checks `reduce-by-window`: every column is a value.
pub(crate) fn reduce(reference: &FunctionRef, site: Site<'_>, problems: &mut Problems) -> Meaning {
    let window = window(site, problems);
    let Some(input) = site.input else {
        aggregate::find_only(reference, Wanted::Aggregate(site.verb), site, problems);
        return (None, None);
    };
    let rows = Rows {
        keys: None,
        values: columns::all(input),
    };
    let Some((reduce, output)) = reduced(reference, &rows, site, problems) else {
        return (None, None);
    };
    let verb = window.map(|window| Verb::ReduceByWindow { window, reduce });
    (verb, Some(output))
}

/// Checks `reduce-by-key-and-window`.
pub(crate) fn reduce_by_key(
    reference: &FunctionRef,
    site: Site<'_>,
    problems: &mut Problems,
) -> Meaning {
    let window = window(site, problems);
    let Some((keys, rows)) = pairs::parted(site, problems) else {
        aggregate::find_only(reference, Wanted::Aggregate(site.verb), site, problems);
        return (None, None);
    };
    let Some((reduce, output)) = reduced(reference, &rows, site, problems) else {
        return (None, None);
    };
    let partitions = site.partitions;
    let verb = window.map(|window| Verb::ReduceByKeyAndWindow {
        window,
        reduce,
        keys,
        partitions,
    });
    (verb, Some(output))
}

/// How the rows of a window become one, and the columns of what comes out.
fn reduced(
    reference: &FunctionRef,
    rows: &Rows<'_>,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<(WindowReduce, Schema)> {
    let wanted = Wanted::Aggregate(site.verb);
    let (reducer, fields) = aggregate::reducer(reference, wanted, site, rows, problems)?;
    if let Reducer::Plugin {
        associative: false, ..
    } = &reducer
    {
        let kind = ProblemKind::NotAssociative {
            function: reference.name.clone(),
            verb: site.verb,
        };
        let problem = problems.report(kind, reference.at);
        problem.help(
            "declare it associative if f(f(a, b), c) = f(a, f(b, c)); else collect the values with `group-by-key-and-window` and `map-values`",
        );
        return None;
    }
    let keys = rows.keys.as_ref().map_or(0, Vec::len);
    let output = aggregate::schema(fields, site, problems)?;
    let inverse = match &site.entry.window.inverse {
        None => None,
        Some(entry) => {
            check_checkpoint("a window with an inverse", site, problems);
            check_gaps(site, problems);
            let inverse = &entry.value;
            Some(self::inverse(
                inverse, reference, &reducer, &output, keys, site, problems,
            )?)
        }
    };
    let filter = match (&site.entry.window.filter, &inverse) {
        (None, _) => None,
        (Some(filter), None) => {
            let kind = ProblemKind::BadValue {
                key: "filter".to_owned(),
                why: "drops keys from a window with an inverse, and this one has none".to_owned(),
            };
            let problem = problems.report(kind, filter.at);
            problem.help("give it one, or put a `filter` operator after it");
            return None;
        }
        (Some(filter), Some(_)) => Some(self::filter(filter, &output, site, problems)?),
    };
    let reduce = WindowReduce {
        reducer,
        inverse,
        filter,
    };
    Some((reduce, output))
}

/// What takes values out of the window again.
fn inverse(
    entry: &InverseEntry,
    of: &FunctionRef,
    reducer: &Reducer,
    output: &Schema,
    keys: usize,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Inverse> {
    let subtracts = matches!(reducer, Reducer::Std(StdFunction::Sum | StdFunction::Count));
    let reference = match entry {
        InverseEntry::Own if subtracts => return Some(Inverse::Subtract),
        InverseEntry::Function(inverse) if inverse.owner == FunctionOwner::Std => {
            if subtracts && inverse.name == "subtract" {
                return Some(Inverse::Subtract);
            }
            let kind = ProblemKind::StdFunction {
                function: inverse.name.clone(),
                why: "takes nothing out of a window again".to_owned(),
            };
            let problem = problems.report(kind, inverse.at);
            problem.help("`std:subtract` does, for `std:sum` and `std:count`");
            return None;
        }
        InverseEntry::Function(inverse) => inverse.clone(),
        InverseEntry::Own => {
            let wanted = Wanted::Aggregate(site.verb);
            let own = match of.owner {
                FunctionOwner::Std => None,
                _ => match &site.functions.find(of, wanted, problems)?.function.role {
                    Role::Aggregate(aggregate) => aggregate.inverse.clone(),
                    _ => None,
                },
            };
            let Some(name) = own else {
                let kind = ProblemKind::NoCounterpart {
                    function: of.name.clone(),
                    what: "inverse",
                };
                let problem = problems.report(kind, of.at);
                problem.help("name one, as in inverse = \"subtract\", or leave `inverse` out");
                return None;
            };
            FunctionRef { name, ..of.clone() }
        }
    };
    let reduced = Rows {
        keys: Some(columns::at(output, &(0..keys).collect::<Vec<_>>())),
        values: columns::all(output).split_off(keys),
    };
    let wanted = Wanted::Aggregate(site.verb);
    let (inverse, fields) = aggregate::reducer(&reference, wanted, site, &reduced, problems)?;
    let types =
        |fields: &[Field]| -> Vec<_> { fields.iter().map(|f| (f.kind, f.listed)).collect() };
    if types(&fields) != types(output.fields()) {
        let kind = ProblemKind::Refused {
            function: reference.name.clone(),
            reason: format!("as an inverse it must put out what is in the window, ({output})"),
        };
        problems.report(kind, reference.at);
        return None;
    }
    match inverse {
        Reducer::Plugin { call, keys, .. } => Some(Inverse::Plugin { call, keys }),
        Reducer::Std(_) => None, // refused above
    }
}

fn filter(
    reference: &FunctionRef,
    output: &Schema,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Call> {
    let found = site.functions.find(reference, Wanted::Filter, problems)?;
    let all = columns::all(output);
    let wanted = found.function.input.as_ref();
    let part = "the window's rows";
    let selected = call::columns_for(&found, wanted, &all, part, reference.at, problems)?;
    Some(call::call(&found, &selected))
}

/// The inverse form reads what it put out before, which must outlive a restart (spec 7.5, 7.7).
fn check_checkpoint(what: &str, site: Site<'_>, problems: &mut Problems) {
    if !site.around.has_checkpoint {
        super::stateful::report_no_checkpoint(what, site.at, problems);
    }
}

/// Batches between two windows would be taken for entering and leaving ones (spec 7.5).
fn check_gaps(site: Site<'_>, problems: &mut Problems) {
    let window = &site.entry.window;
    if let (Some(length), Some(slide)) = (&window.length, &window.slide)
        && slide.value > length.value
    {
        let kind = ProblemKind::BadValue {
            key: "slide".to_owned(),
            why: format!(
                "({:?}) is longer than the window ({:?}), and batches in between would count",
                slide.value, length.value
            ),
        };
        let problem = problems.report(kind, slide.at);
        problem.help("make the slide at most as long as the window, or leave the inverse out");
    }
}
