//! Who else wants the core, and what else is shared.

/// Asked every few milliseconds of a running call. It may block, to let someone else run.
pub trait Preempt: Send + Sync {
    /// A few milliseconds have passed.
    fn tick(&self) -> Tick;

    /// The guest wants to log a line; false: not in this second.
    fn may_log(&self) -> bool {
        true
    }

    /// The task is one of a shadow: what its guest says is told as such.
    fn is_shadow(&self) -> bool {
        false
    }

    /// An instance that has so many bytes of memory wants to have this many; false: others have
    /// what there is.
    fn grow(&self, _from: usize, _to: usize) -> bool {
        true
    }

    /// What instances had that are gone now.
    fn shrink(&self, _by: usize) {}
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
