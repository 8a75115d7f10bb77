//! What holds for any text.

use proptest::prelude::*;
use rsrt::topology::compile;

use super::{catalog::Plugins, defaults, report};

const VALID: &str = include_str!("../topology/valid/word-count.toml");
const EVERY_VERB: &str = include_str!("../topology/valid/every-verb.toml");

/// Compiling ends, and what is refused is refused with a reason that can be shown.
fn compiles_or_says_why(text: &str) {
    if let Err(invalid) = compile("topo.toml", text, &Plugins::default(), &defaults()) {
        assert!(!invalid.problems().is_empty(), "{text}");
        for problem in invalid.problems() {
            let end = problem.at.offset() + problem.at.len();
            assert!(end <= text.len(), "{problem:?} is outside of {text:?}");
        }
        assert!(report(&invalid).contains("topo.toml"), "{text}");
    }
}

/// A topology with some lines dropped, doubled or moved, and one stretch of text replaced.
fn mutated() -> impl Strategy<Value = String> {
    let base = prop_oneof![Just(VALID), Just(EVERY_VERB)];
    let lines = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
    let words = prop::sample::select(vec![
        "",
        "0",
        "-1",
        "true",
        "\"x\"",
        "[]",
        "{}",
        "[[a]]",
        "a.b",
        "=",
        "\"",
        "words",
        "é",
        "\n",
        "1979-05-27",
        "1e400",
        "[\"a\", 1]",
        "\u{0}",
    ]);
    (
        base,
        lines,
        any::<prop::sample::Index>(),
        0_usize..12,
        words,
    )
        .prop_map(|(base, lines, at, length, word)| {
            let mut kept: Vec<&str> = base.lines().collect();
            for pair in lines.chunks(2) {
                let from = pair[0].index(kept.len());
                let line = kept[from];
                match pair.get(1) {
                    None => drop(kept.remove(from)),
                    Some(to) => kept.insert(to.index(kept.len()), line),
                }
            }
            let mut text = kept.join("\n");
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            if text.is_char_boundary(start) && text.is_char_boundary(end) {
                text.replace_range(start..end, word);
            }
            text
        })
}

proptest! {
    #[test]
    fn any_text_compiles_or_is_refused_with_a_reason(text in "\\PC*") {
        compiles_or_says_why(&text);
    }

    #[test]
    fn any_change_of_a_topology_compiles_or_is_refused_with_a_reason(text in mutated()) {
        compiles_or_says_why(&text);
    }
}
