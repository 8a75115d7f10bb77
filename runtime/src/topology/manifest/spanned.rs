//! A value and its place in the text.

use miette::SourceSpan;

/// What a person wrote, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) at: SourceSpan,
}

impl<T> Spanned<T> {
    pub(crate) fn new(value: T, at: SourceSpan) -> Self {
        Self { value, at }
    }
}
