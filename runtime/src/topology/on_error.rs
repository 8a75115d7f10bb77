//! What a fault of an operator's function means.

/// What happens when an operator's function fails on rows, and would fail on them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The batch fails.
    #[default]
    Fail,
    /// The rows to blame are left out and counted.
    Skip,
    /// The rows to blame are left out, and kept in the checkpoint.
    DeadLetter,
}

impl OnError {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fail, Self::Skip, Self::DeadLetter];

    /// As a topology writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::DeadLetter => "dead-letter",
        }
    }

    /// The rest of the batch goes on without the rows to blame.
    pub fn goes_on(self) -> bool {
        self != Self::Fail
    }
}
