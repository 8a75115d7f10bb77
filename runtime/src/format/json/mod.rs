//! Rows as JSON; the table is in the [module above](super).

mod lines;
mod read;
mod write;

pub(super) use lines::LineParser;
pub use read::{RowError, rows_from_json};
pub use write::{RowJson, rows_to_json};

#[cfg(test)]
mod tests;
