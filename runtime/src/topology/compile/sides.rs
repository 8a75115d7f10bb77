//! What a function wants whole before its first chunk: a second stream, or a file.

use miette::SourceSpan;

use super::{columns, functions::Found, operator::Site};
use crate::{
    model::{Function, Kind, Role, Schema, TransformFunction},
    topology::{
        Format, ReferenceId, Side, SideFrom,
        manifest::DataSetEntry,
        problem::{ProblemKind, Problems, suggest},
    },
};

/// Where each side of a function comes from: the files that `reference` names, and the second
/// stream for the one that is left.
pub(crate) fn check(
    found: &Found<'_>,
    transform: &TransformFunction,
    at: SourceSpan,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Vec<Side>> {
    let named = |name: &str| {
        let mut sets = site.entry.data_sets.iter().enumerate();
        sets.find(|(_, set)| set.side.as_deref() == Some(name))
    };
    let sides = transform.sides.iter().map(|side| side.name.as_str());
    for set in &site.entry.data_sets {
        let name = set.side.as_deref().unwrap_or_default();
        if sides.clone().all(|side| side != name) {
            let kind = ProblemKind::Sides {
                function: found.function.name.clone(),
                wanted: format!("no data set `{name}`"),
            };
            let help = suggest(name, "it wants", sides.clone());
            problems.report(kind, set.at).help(help);
            return None;
        }
    }
    let mut second = site.has_second;
    let mut checked = Vec::with_capacity(transform.sides.len());
    for side in &transform.sides {
        let (from, schema) = if let Some((number, set)) = named(&side.name) {
            let from = SideFrom::Reference(ReferenceId(site.first_data_set + number));
            (from, Some(data_set_schema(set, side.input.as_ref())))
        } else if std::mem::take(&mut second) {
            (SideFrom::SecondInput, site.second.cloned())
        } else {
            let name = &side.name;
            let kind = ProblemKind::Sides {
                function: found.function.name.clone(),
                wanted: format!("`{name}`: rows that it gets whole before the others"),
            };
            let problem = problems.report(kind, at);
            problem.help(format!(
                "name a file, as in reference = {{ {name} = \"{name}.csv\" }}, or a second stream, with `transform-with` and `with`"
            ));
            return None;
        };
        let schema = schema?;
        let all = columns::all(&schema);
        let Some(columns) = columns::select(side.input.as_ref(), &all) else {
            let kind = ProblemKind::TypeMismatch {
                function: found.function.name.clone(),
                part: "the second stream",
                wanted: side.input.clone()?,
                found: columns::describe(&all),
            };
            problems.report(kind, at);
            return None;
        };
        checked.push(Side {
            from,
            input: columns.iter().map(|column| column.index).collect(),
        });
    }
    if second {
        let kind = ProblemKind::Sides {
            function: found.function.name.clone(),
            wanted: "no second stream".to_owned(),
        };
        let problem = problems.report(kind, at);
        problem.help("read one stream, or call a function that declares a side");
        return None;
    }
    Some(checked)
}

/// The columns of a file: what the function wants, or lines of text.
pub(crate) fn data_set_schema(set: &DataSetEntry, wanted: Option<&Schema>) -> Schema {
    match (&set.decoder.format, wanted) {
        (Format::Text | Format::Binary, _) | (_, None) => Schema::plain(Kind::Utf8),
        (_, Some(wanted)) => wanted.clone(),
    }
}

/// The sides that a function declares.
pub(crate) fn of_function(function: &Function) -> &[crate::model::Side] {
    match &function.role {
        Role::Transform(transform) => &transform.sides,
        _ => &[],
    }
}
