//! A panic's message reaches the topology's log before the trap.

use std::{any::Any, cell::Cell};

use crate::log::{Level, log};

thread_local!(static SPEAKS: Cell<bool> = const { Cell::new(false) });

/// From now on, in the sandbox, a panic logs its message and place and then traps. Natively, panics
/// stay as they are.
pub(crate) fn speak() {
    if cfg!(target_arch = "wasm32") && !SPEAKS.replace(true) {
        std::panic::set_hook(Box::new(|panic| {
            let message = text(panic.payload());
            let place = panic
                .location()
                .map(|at| format!(", at {}:{}", at.file(), at.line()));
            let place = place.unwrap_or_default();
            log(Level::Error, &format!("panicked: {message}{place}"));
        }));
    }
}

fn text(payload: &dyn Any) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
