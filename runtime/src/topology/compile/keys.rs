//! Which columns of a stream are its key.

use super::operator::Site;
use crate::{
    model::Schema,
    topology::{
        manifest::Spanned,
        problem::{Problem, ProblemKind, Problems, suggest},
    },
};

/// The key columns: those that `key` names, in its order, else those of a stream of pairs.
pub(crate) fn key_columns(
    site: Site<'_>,
    input: &Schema,
    problems: &mut Problems,
) -> Option<Vec<usize>> {
    let Some(names) = &site.entry.key else {
        let keys = input.shape().key_columns();
        if keys.is_none() {
            let kind = ProblemKind::NoKey {
                verb: site.verb,
                found: input.clone(),
            };
            let column = input.fields().first().map_or("", |f| f.name.as_str());
            let is_single = input.fields().len() == 1 && !site.verb.starts_with("reduce");
            let help = match is_single {
                true => {
                    "make pairs of it first, with a `map` that puts out key and value".to_owned()
                }
                false => format!("say which columns are the key, as in key = [\"{column}\"]"),
            };
            problems.report(kind, site.at).help(help);
        }
        return keys;
    };
    named(names, input, problems)
}

/// Whether the stream has these columns.
pub(crate) fn has_all(names: &[Spanned<String>], input: &Schema) -> bool {
    let mut names = names.iter();
    names.all(|name| !columns_called(&name.value, input).is_empty())
}

fn named(names: &[Spanned<String>], input: &Schema, problems: &mut Problems) -> Option<Vec<usize>> {
    let mut keys = Vec::new();
    let mut complete = !names.is_empty(); // else they could not be read
    for name in names {
        let columns = columns_called(&name.value, input);
        if columns.is_empty() {
            report_unknown(name, input, problems);
            complete = false;
        } else if columns.iter().any(|column| keys.contains(column)) {
            let key = name.value.clone();
            let why = "is named twice".to_owned();
            problems.report(ProblemKind::BadValue { key, why }, name.at);
            complete = false;
        } else {
            keys.extend(columns);
        }
    }
    complete.then_some(keys)
}

/// The column of this name, or the columns below it: `key` is also `key.0` and `key.1`.
fn columns_called(name: &str, input: &Schema) -> Vec<usize> {
    let fields = input.fields().iter().enumerate();
    let columns = fields.filter(|(_, field)| {
        let below = field.name.strip_prefix(name);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    columns.map(|(index, _)| index).collect()
}

/// Reports a column that the stream does not have.
pub(crate) fn report_unknown<'p>(
    name: &Spanned<String>,
    input: &Schema,
    problems: &'p mut Problems,
) -> &'p mut Problem {
    let columns = input.fields().iter().map(|field| field.name.as_str());
    let help = suggest(&name.value, "its columns are", columns);
    let column = name.value.clone();
    let problem = problems.report(ProblemKind::UnknownColumn { column }, name.at);
    problem.help(help)
}
