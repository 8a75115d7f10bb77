//! Named points at which a test may kill the process, as a crash would. Nothing unless the feature
//! `failpoints` is on, which no release has.

/// The process may die here: `FAILPOINTS="disk-sync-after=7*off->return"` kills it when it comes
/// here for the eighth time.
#[inline]
pub(crate) fn reached(point: &str) {
    #[cfg(test)]
    record::add(point);
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

/// Which points a thread came to, in order: tests of what no test can take away, such as power.
#[cfg(test)]
pub(crate) mod record {
    use std::cell::RefCell;

    thread_local! {
        static POINTS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    }

    pub(super) fn add(point: &str) {
        POINTS.with_borrow_mut(|points| {
            if let Some(points) = points {
                points.push(point.to_owned());
            }
        });
    }

    /// Those of this step, without the ones before something: what has been done, in order.
    pub(crate) fn of(step: impl FnOnce()) -> Vec<String> {
        POINTS.set(Some(Vec::new()));
        step();
        let points = POINTS.take().unwrap_or_default().into_iter();
        let done = points.filter_map(|point| Some(point.strip_suffix("-after")?.to_owned()));
        done.collect()
    }
}
