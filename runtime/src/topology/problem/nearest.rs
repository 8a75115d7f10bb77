//! Which name was meant.

/// A longer word is no slip of a known name, and comparing it would take long.
const LONGEST: usize = 64;

/// The candidate that `word` is most likely a slip of.
fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let most = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Help for an unknown name: the one that was probably meant, else all there are.
pub(crate) fn suggest<'a>(
    word: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match nearest(word, candidates.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if candidates.is_empty() => format!("there are no {what}"),
        None => format!("{what}: {}", list(candidates)),
    }
}

/// Names as a sentence lists them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_another_word_does_not() {
        // word, what was meant
        let cases = [
            ("flatmap", Some("flat-map")),
            ("fitler", Some("filter")),
            ("map", Some("map")),
            ("mpa", Some("map")),
            ("join", None),
            ("", None),
        ];
        for (word, meant) in cases {
            assert_eq!(
                nearest(word, ["map", "flat-map", "filter"]),
                meant,
                "{word}"
            );
        }
        assert_eq!(nearest(&"m".repeat(65), ["map"]), None);
    }

    #[test]
    fn help_names_what_there_is() {
        assert_eq!(
            suggest("lined", "streams", ["lines"]),
            "did you mean `lines`?"
        );
        assert_eq!(
            suggest("x", "streams", ["lines", "words"]),
            "streams: lines, words"
        );
        assert_eq!(suggest("x", "streams", []), "there are no streams");
    }
}
