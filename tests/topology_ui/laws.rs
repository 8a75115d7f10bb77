//! What holds for any text.

use std::fmt::Write as _;

use proptest::prelude::*;
use rsrt::topology::{NodeId, OperatorId, compile};

use super::{catalog::Plugins, defaults, report};

const VALID: &str = include_str!("../topology/valid/word-count.toml");
const EVERY_VERB: &str = include_str!("../topology/valid/every-verb.toml");

const HEAD: &str = r#"
name = "chains"
batch-interval = "1s"
[source.numbers]
type = "queue"
schema = "int64"
[sink.out]
input = "numbers"
type = "null"
"#;

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

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let depth = 100_000;
        let text = format!("x = {}{}", open.repeat(depth), close.repeat(depth));
        assert!(compile("topo.toml", &text, &Plugins::default(), &defaults()).is_err());
    }
}

#[test]
fn of_very_many_problems_the_first_hundred_are_shown() {
    let operators = (0..1_000).map(|n| format!("[operator.o{n}]\ninput = \"i{n}\"\ncount = true"));
    let text = operators.collect::<Vec<_>>().join("\n");
    let refused = compile("topo.toml", &text, &Plugins::default(), &defaults());
    let invalid = refused.unwrap_err();
    assert_eq!(invalid.problems().len(), 100);
    let all = "1003 problems, of which 100 are shown, in topo.toml";
    assert_eq!(invalid.to_string(), all);
}

/// Operators in random order of definition, each reading one other or the source.
fn chains() -> impl Strategy<Value = (Vec<usize>, Vec<prop::sample::Index>)> {
    (1_usize..20).prop_flat_map(|n| {
        let order = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
        (
            order,
            prop::collection::vec(any::<prop::sample::Index>(), n),
        )
    })
}

proptest! {
    #[test]
    fn operators_come_after_what_they_read_and_else_as_defined((order, reads) in chains()) {
        let mut text = HEAD.to_owned();
        for &n in &order {
            let input = match reads[n].index(n + 1).checked_sub(1) {
                Some(earlier) => format!("o{earlier}"),
                None => "numbers".to_owned(),
            };
            writeln!(text, "[operator.o{n}]\ninput = \"{input}\"\nlimit = 1").unwrap();
        }
        let topology = compile("topo.toml", &text, &Plugins::default(), &defaults()).unwrap();
        let operators = &topology.operators;
        let defined_at = |at: usize| {
            let name = operators[at].name.as_str();
            order.iter().position(|n| name == format!("o{n}")).unwrap()
        };
        for (at, operator) in operators.iter().enumerate() {
            let NodeId::Operator(OperatorId(input)) = operator.inputs[0].node else {
                continue;
            };
            prop_assert!(input < at);
        }
        for (at, operator) in operators.iter().enumerate().skip(1) {
            // Whoever comes earlier than it is defined must have waited for the one before it.
            let waited = operator.inputs[0].node == NodeId::Operator(OperatorId(at - 1));
            prop_assert!(waited || defined_at(at - 1) < defined_at(at));
        }
    }

    #[test]
    fn any_text_compiles_or_is_refused_with_a_reason(text in "\\PC*") {
        compiles_or_says_why(&text);
    }

    #[test]
    fn any_change_of_a_topology_compiles_or_is_refused_with_a_reason(text in mutated()) {
        compiles_or_says_why(&text);
    }
}
