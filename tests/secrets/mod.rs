//! Secrets: where they may stand, what keeps them, and that they come out nowhere.

mod places;
mod runs;
pub(crate) mod stores;

/// A value that is nowhere else.
pub(crate) const VALUE: &str = "zq7-hunter22-XkV";
