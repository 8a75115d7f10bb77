//! Why a call into the world ended the call of the plugin.

/// The plugin asked for what it cannot have. It counts as its own trap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::plugin) enum Refusal {
    #[error("it called `{0}`, which is not granted")]
    NotGranted(String),
    #[error("it ended itself with wasi:cli/exit")]
    Exited,
    #[error("it asked for {0} random bytes at once")]
    TooRandom(u64),
    #[error("it holds too many files, streams and timers at once")]
    TooMany,
}
