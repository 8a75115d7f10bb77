//! The text of a topology.

use std::{fs, path::Path, sync::LazyLock};

use proptest::{collection::vec, prelude::*, sample::Index};
use rsrt::topology::{Assignment, assign, compile};

use super::{cases, changed, changes};
use crate::topology_ui::{catalog::Plugins, defaults, report};

/// Every topology of these tests, right or wrong.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/topology");
    let folders = ["valid", "invalid"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let mut files: Vec<_> = folders
        .into_iter()
        .flatten()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    assert!(files.len() > 30);
    files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
});

/// A topology with lines of others in it, in any order.
fn mixed() -> impl Strategy<Value = String> {
    let line = (
        any::<Index>(),
        any::<Index>(),
        any::<Index>(),
        any::<bool>(),
    );
    (any::<Index>(), vec(line, 1..8)).prop_map(|(base, lines)| {
        let mut text: Vec<&str> = base.get(&TEXTS).lines().collect();
        for (file, line, at, replaces) in lines {
            let other: Vec<&str> = file.get(&TEXTS).lines().collect();
            let (Some(line), false) = (line_of(&other, line), text.is_empty()) else {
                continue;
            };
            let at = at.index(text.len());
            match replaces {
                true => text[at] = line,
                false => text.insert(at, line),
            }
        }
        text.join("\n")
    })
}

fn line_of<'t>(lines: &[&'t str], index: Index) -> Option<&'t str> {
    (!lines.is_empty()).then(|| *index.get(lines))
}

/// Compiling ends; what is wrong has a place inside the text, and can be shown.
fn is_right_or_says_where(text: &str) {
    let Err(invalid) = compile("topo.toml", text, &Plugins::default(), &defaults()) else {
        return;
    };
    assert!(!invalid.problems().is_empty(), "{text}");
    for problem in invalid.problems() {
        let related = problem.related.map(|(at, _)| at);
        for at in [Some(problem.at), related].into_iter().flatten() {
            let (start, end) = (at.offset(), at.offset() + at.len());
            assert!(
                text.get(start..end).is_some(),
                "{problem:?} is not in {text:?}"
            );
        }
        assert!(!problem.to_string().is_empty());
    }
    assert!(report(&invalid).contains("topo.toml"), "{text}");
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn lines_of_topologies_mixed(text in mixed()) {
        is_right_or_says_where(&text);
    }

    #[test]
    fn bytes_of_a_topology_changed(base in any::<Index>(), changes in changes(6)) {
        let bytes = changed(base.get(&TEXTS).clone().into_bytes(), &changes);
        is_right_or_says_where(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn values_set_from_outside(base in any::<Index>(), given in "[a-z.\\-\"]{0,12}=[ -~]{0,16}") {
        if let Ok(assignment) = given.parse::<Assignment>()
            && let Ok(text) = assign(base.get::<String>(&TEXTS), &[assignment])
        {
            is_right_or_says_where(&text);
        }
    }
}
