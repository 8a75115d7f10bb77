//! What is wrong with a topology, for the person who wrote it.
//!
//! Every problem has its place in the text, and where it can it says what to write instead.

mod kind;
mod nearest;

pub use kind::ProblemKind;
pub(crate) use nearest::{choices, list, suggest};

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceSpan};

/// Problems shown, at most: whoever has more starts with these.
const MOST_SHOWN: usize = 100;

/// A topology that cannot run. Holds every problem, not just the first, in order of place; of
/// very many, the first hundred.
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[error("{} in {}", counted(*.found), .text.name())]
pub struct InvalidTopology {
    #[source_code]
    text: NamedSource<String>,
    #[related]
    problems: Vec<Problem>,
    found: usize,
}

fn counted(found: usize) -> String {
    match found {
        1 => "1 problem".to_owned(),
        n if n > MOST_SHOWN => format!("{n} problems, of which {MOST_SHOWN} are shown,"),
        n => format!("{n} problems"),
    }
}

impl InvalidTopology {
    pub(crate) fn new(file: &str, text: String, problems: Problems) -> Self {
        let mut problems = problems.0;
        problems.sort_by_key(|problem| problem.at.offset());
        let found = problems.len();
        problems.truncate(MOST_SHOWN);
        Self {
            text: NamedSource::new(file, text).with_language("TOML"),
            problems,
            found,
        }
    }

    /// What is wrong, in order of place; at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// One thing wrong with a topology, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Where in the text, in bytes.
    pub at: SourceSpan,
    /// A second place that has to do with it, and what it has.
    pub related: Option<(SourceSpan, &'static str)>,
    /// What to write instead, or which names there are.
    pub help: Option<String>,
}

impl Problem {
    /// Says what to write instead.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Shows a second place.
    pub(crate) fn see(&mut self, at: SourceSpan, label: &'static str) -> &mut Self {
        self.related = Some((at, label));
        self
    }
}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.kind.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = LabeledSpan::new_primary_with_span(Some(self.kind.label().into()), self.at);
        let second = self
            .related
            .map(|(at, label)| LabeledSpan::new_with_span(Some(label.to_owned()), at));
        Some(Box::new(std::iter::once(first).chain(second)))
    }
}

/// The problems found so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub(crate) fn report(&mut self, kind: ProblemKind, at: SourceSpan) -> &mut Problem {
        let problem = Problem {
            kind,
            at,
            related: None,
            help: None,
        };
        let last = self.0.len();
        self.0.push(problem);
        &mut self.0[last]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
