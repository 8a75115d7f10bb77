//! Operators that go on with the state of one of another name.

use std::collections::BTreeMap;

use crate::topology::{
    manifest::OperatorEntry,
    problem::{ProblemKind, Problems},
};

/// Checks that nobody else has, or wants, what was remembered under the old name.
pub(crate) fn check(operators: &[OperatorEntry], problems: &mut Problems) {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for operator in operators {
        let Some(old) = &operator.renamed_from else {
            continue;
        };
        let name = operator.name.value.as_str();
        let why = if operators.iter().any(|other| other.name.value == old.value) {
            format!("names `{}`, which is still there", old.value)
        } else if let Some(other) = taken.insert(&old.value, name) {
            format!("names `{}`, whose state `{other}` takes already", old.value)
        } else {
            continue;
        };
        let key = "renamed-from".to_owned();
        let problem = problems.report(ProblemKind::BadValue { key, why }, old.at);
        problem.help("write the name that this operator had in the version before");
    }
}
