//! Who else wants the core.

/// Asked every few milliseconds of a running call. It may block, to let someone else run.
pub trait Preempt: Send + Sync {
    /// A few milliseconds have passed.
    fn tick(&self) -> Tick;
}

/// What the call does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// It goes on.
    Continue,
    /// It ends with [`PluginFault::Aborted`](super::PluginFault::Aborted).
    Abort,
}

/// Nobody else wants the core.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unhurried;

impl Preempt for Unhurried {
    fn tick(&self) -> Tick {
        Tick::Continue
    }
}
