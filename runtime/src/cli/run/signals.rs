//! Ctrl-C and SIGTERM: the first stops gracefully, the second aborts.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::{Failure, console::Console};
use crate::stream::Stop;

/// Stops the stream when the process is told to end.
pub(super) fn stop_on_signals(stop: Stop, console: Console) -> Result<(), Failure> {
    let asked = AtomicBool::new(false);
    let on_signal = move || {
        if asked.swap(true, Ordering::SeqCst) {
            console.write("aborting: what is in flight is given up\n");
            stop.abort();
        } else {
            console.write("stopping after the batches in flight; Ctrl-C again aborts\n");
            stop.graceful();
        }
    };
    ctrlc::set_handler(on_signal)
        .map_err(|error| Failure::run(format!("signals cannot be handled: {error}")))
}
