//! Why something becomes of a part of a topology.

use std::fmt;

/// Why something becomes of a part of a topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A plugin that it calls is another build; none: the default one.
    Code(Option<String>),
    /// A value that can be told.
    Changed {
        /// Which.
        what: &'static str,
        /// As it was.
        before: String,
        /// As it is.
        now: String,
    },
    /// Something that is too long to be told.
    Differs(&'static str),
    /// What it is.
    Is(&'static str),
    /// What follows.
    Note(&'static str),
}

impl Reason {
    pub(super) fn changed(what: &'static str, before: impl ToString, now: impl ToString) -> Self {
        Self::Changed {
            what,
            before: before.to_string(),
            now: now.to_string(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(None) => f.write_str("the default plugin is another build"),
            Self::Code(Some(plugin)) => write!(f, "plugin `{plugin}` is another build"),
            Self::Changed { what, before, now } => {
                write!(f, "{what} was `{before}` and is `{now}`")
            }
            Self::Differs(what) => write!(f, "{what}: not as before"),
            Self::Is(what) => write!(f, "it is {what}"),
            Self::Note(note) => f.write_str(note),
        }
    }
}
