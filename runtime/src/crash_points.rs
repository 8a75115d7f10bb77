//! Named points at which a test may kill the process, as a crash would. Nothing unless the feature
//! `failpoints` is on, which no release has.

/// The process may die here: `FAILPOINTS="disk-sync-after=7*off->return"` kills it when it comes
/// here for the eighth time.
#[inline]
pub(crate) fn reached(point: &str) {
    #[cfg(feature = "failpoints")]
    if fail::eval(point, |_| ()).is_some() {
        let this = rustix::process::getpid();
        // Not an exit: nothing may be flushed or unlocked by hand.
        let _ = rustix::process::kill_process(this, rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
    #[cfg(not(feature = "failpoints"))]
    let _ = point;
}

/// Both sides of a step that others must be able to rely on.
pub(crate) fn around<T>(before: &str, after: &str, step: impl FnOnce() -> T) -> T {
    reached(before);
    let done = step();
    reached(after);
    done
}

/// Reads which points kill, from the environment; keep the result as long as the process lives.
#[cfg(feature = "failpoints")]
pub(crate) fn set_up() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}
