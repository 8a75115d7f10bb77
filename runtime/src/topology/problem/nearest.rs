//! Which name was meant.

/// A longer word is no slip of a known name, and comparing it would take long.
const LONGEST: usize = 64;
/// Names compared and listed, at most: a topology may have thousands, all of them unknown.
const MOST_COMPARED: usize = 500;
const MOST_LISTED: usize = 40;

/// The candidate that `word` is most likely a slip of.
fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let length = word.chars().count();
    // Something must be left of the name that was meant.
    let most = (length / 3).max(1).min(length.saturating_sub(1));
    candidates
        .into_iter()
        .take(MOST_COMPARED)
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
        None => choices(what, candidates),
    }
}

/// Help that lists what there is.
pub(crate) fn choices<'a>(what: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let mut candidates: Vec<&str> = candidates.into_iter().collect();
    let more = candidates.len().saturating_sub(MOST_LISTED);
    candidates.truncate(MOST_LISTED);
    match (candidates.is_empty(), more) {
        (true, _) => format!("{what}: none"),
        (_, 0) => format!("{what}: {}", list(candidates)),
        _ => format!("{what}: {} and {more} more", list(candidates)),
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
            ("x", None),
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
        assert_eq!(suggest("x", "streams", []), "streams: none");
        let many: Vec<_> = (0..42).map(|n| n.to_string()).collect();
        let help = choices("streams", many.iter().map(String::as_str));
        assert!(help.ends_with(" 38, 39 and 2 more"), "{help}");
    }
}
