//! Rows that a function cannot handle.

use std::fmt::Display;

/// Why a row is rejected. It goes to the operator's `rejected` output; the batch goes on.
///
/// Made of any error or text, so `?` works in functions that return `Result<_, Reject>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    reason: String,
}

impl Reject {
    /// The reason, for people.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn into_reason(self) -> String {
        self.reason
    }
}

// `Reject` itself is not `Display`: that keeps this from meeting `impl From<T> for T`.
impl<E: Display> From<E> for Reject {
    fn from(reason: E) -> Self {
        Self {
            reason: reason.to_string(),
        }
    }
}

/// A reason to reject a row: `return Err(reject("no amount"))`.
pub fn reject(reason: impl Display) -> Reject {
    Reject::from(reason)
}
