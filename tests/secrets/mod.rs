//! Secrets: where they may stand, what keeps them, and that they come out nowhere.

mod places;
mod runs;
mod stores;

/// A value that is nowhere else.
const VALUE: &str = "zq7-hunter22-XkV";
