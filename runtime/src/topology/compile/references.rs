//! What a function is fed before its first chunk: the other stream, or data from files.

use super::{columns, functions::Found, operator::Site};
use crate::{
    model::{self, Schema, TransformFunction},
    topology::{
        Reference, ReferenceId, Side, SideFrom,
        manifest::{DataSetEntry, FunctionRef},
        problem::{ProblemKind, Problems, choices, suggest},
    },
};

/// Adds a data set to the topology. Its schema is known.
pub(crate) fn add(
    entry: &DataSetEntry,
    role: String,
    schema: Schema,
    follows_changes: bool,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<ReferenceId> {
    if !entry.can_hold(&schema, problems) {
        return None;
    }
    let mut references = site.whole.references.borrow_mut();
    references.push(Reference {
        operator: site.entry.name.value.parse().ok()?,
        role,
        path: site.whole.base_dir.join(&entry.path).into(),
        decoder: entry.decoder.clone(),
        schema,
        follows_changes,
    });
    Some(ReferenceId(references.len() - 1))
}

/// The sides of a call; none if one is missing or does not fit, which is reported. With a second
/// input that is the first side.
pub(crate) fn sides(
    found: &Found<'_>,
    function: &TransformFunction,
    reference: &FunctionRef,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Vec<Side>> {
    let has_second = site.entry.inputs.len() > 1;
    let mut complete = true;
    if has_second && function.sides.is_empty() {
        let kind = ProblemKind::UnfitFunction {
            function: found.function.name.clone(),
            why: "does not take a second stream".to_owned(),
        };
        let problem = problems.report(kind, reference.at);
        problem.help("it declares no side; call it with `transform` and one input");
        return None;
    }
    let declared = || function.sides.iter().map(|side| side.name.as_str());
    for (name, _) in site.entry.references.as_ref()? {
        let is_first = has_second && declared().next() == Some(name.value.as_str());
        if is_first || !declared().any(|side| side == name.value) {
            let kind = ProblemKind::UnfitFunction {
                function: found.function.name.clone(),
                why: match is_first {
                    true => format!("gets the second stream as `{}`, so no data set", name.value),
                    false => format!("takes no data set `{}`", name.value),
                },
            };
            let help = match is_first {
                true => "leave it out".to_owned(),
                false => suggest(&name.value, "it takes", declared()),
            };
            problems.report(kind, name.at).help(help);
            complete = false;
        }
    }
    let mut sides = Vec::with_capacity(function.sides.len());
    for (at, side) in function.sides.iter().enumerate() {
        let filled = if at == 0 && has_second {
            second(found, side, reference, site, problems)
        } else {
            data_set(found, side, reference, site, problems)
        };
        sides.push(filled);
    }
    let sides: Option<Vec<_>> = sides.into_iter().collect();
    sides.filter(|_| complete)
}

/// The side that is the second input.
fn second(
    found: &Found<'_>,
    side: &model::Side,
    reference: &FunctionRef,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Side> {
    let input = fitting(found, side, site.second?, reference, problems)?;
    Some(Side {
        from: SideFrom::SecondInput,
        input,
    })
}

/// The side that is a data set.
fn data_set(
    found: &Found<'_>,
    side: &model::Side,
    reference: &FunctionRef,
    site: Site<'_>,
    problems: &mut Problems,
) -> Option<Side> {
    let mut entries = site.entry.references.iter().flatten();
    let Some((name, entry)) = entries.find(|(name, _)| name.value == side.name) else {
        let kind = ProblemKind::UnfitFunction {
            function: found.function.name.clone(),
            why: format!("needs the data set `{}`", side.name),
        };
        let help = format!("write reference = {{ {} = \"file.csv\" }}", side.name);
        problems.report(kind, reference.at).help(help);
        return None;
    };
    let Some(schema) = entry.schema.as_ref().or(side.input.as_ref()) else {
        let key = "schema";
        let of = format!(
            "reference `{}` of operator `{}`",
            side.name, site.entry.name.value
        );
        let problem = problems.report(ProblemKind::MissingKey { key, of }, entry.at);
        problem.help(choices(
            "the function takes any columns, so say which there are; types",
            model::Kind::ALL.map(model::Kind::name),
        ));
        return None;
    };
    let input = fitting(found, side, schema, reference, problems)?;
    let side = &name.value;
    let role = format!("reference {side}");
    let id = add(entry, role, schema.clone(), true, site, problems)?;
    Some(Side {
        from: SideFrom::Reference(id),
        input,
    })
}

/// Which columns of `schema` the side gets.
fn fitting(
    found: &Found<'_>,
    side: &model::Side,
    schema: &Schema,
    reference: &FunctionRef,
    problems: &mut Problems,
) -> Option<Vec<usize>> {
    let all = columns::all(schema);
    if let Some(selected) = columns::select(side.input.as_ref(), &all) {
        return Some(selected.iter().map(|column| column.index).collect());
    }
    let wanted = side.input.as_ref()?;
    let kind = ProblemKind::UnfitFunction {
        function: found.function.name.clone(),
        why: format!(
            "takes ({wanted}) as `{}`, but that is ({schema})",
            side.name
        ),
    };
    let problem = problems.report(kind, reference.at);
    problem.help(columns::first_difference(wanted, &all).unwrap_or_else(|| {
        "name the columns as the function does, or bring them into its form first".to_owned()
    }));
    None
}
