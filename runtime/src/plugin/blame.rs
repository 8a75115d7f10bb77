//! Who is to blame for a call that did not return.

use wasmtime::{Trap, WasmBacktrace};

use super::{
    fault::{PluginFault, printable},
    host::{Host, Interrupt, Refused},
    instance::LONGEST_MESSAGE,
    wasi::Refusal,
};

/// Who is to blame for an instance that did not start: the plugin, if it trapped, was stopped, or
/// wants more memory than it may have.
pub(super) fn blame_start(error: &wasmtime::Error, host: &Host) -> PluginFault {
    if error.is::<Trap>() || error.is::<Interrupt>() || error.is::<Refusal>() {
        return blame(error, host);
    }
    if let Some(refused) = host.memory_refused {
        return out_of_memory(refused, host);
    }
    PluginFault::Host(format!("{error:#}"))
}

fn out_of_memory(refused: Refused, host: &Host) -> PluginFault {
    let last_error = host.last_error.clone();
    match refused {
        Refused::ByItsLimit => PluginFault::OutOfMemory {
            limit: host.limits.memory,
            last_error,
        },
        Refused::ByOthers => PluginFault::NoMemoryLeft { last_error },
    }
}

/// Who is to blame for a call that did not return.
pub(super) fn blame(error: &wasmtime::Error, host: &Host) -> PluginFault {
    match error.downcast_ref::<Interrupt>() {
        Some(Interrupt::Aborted) => return PluginFault::Aborted,
        Some(Interrupt::OutOfTime) => {
            return PluginFault::OutOfTime {
                limit: host.limits.cpu_time,
            };
        }
        Some(Interrupt::NoValue(error)) => return PluginFault::Host(error.to_string()),
        Some(Interrupt::NoTask) => {
            return PluginFault::BadOutput(
                "host.current-task was called where there is no task".into(),
            );
        }
        None => {}
    }
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return trapped(refusal.to_string(), error, host);
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        let why = format!("{error:#}");
        // What is left is the engine refusing what it was handed: a string that is not UTF-8, a
        // pointer out of bounds, more bytes than a transfer may have.
        return if why.contains("fuel allocated for hostcalls has been exhausted") {
            PluginFault::OutputTooLarge {
                limit: host.limits.output,
            }
        } else {
            PluginFault::BadOutput(printable(&why, LONGEST_MESSAGE))
        };
    };
    if *trap == Trap::OutOfFuel {
        return PluginFault::OutOfFuel {
            limit: host.limits.fuel.unwrap_or(0),
        };
    }
    if let Some(refused) = host.memory_refused {
        return out_of_memory(refused, host);
    }
    trapped(trap.to_string(), error, host)
}

fn trapped(reason: String, error: &wasmtime::Error, host: &Host) -> PluginFault {
    let frames = error.downcast_ref::<WasmBacktrace>().map(|trace| {
        let frames = trace.frames().iter().take(16);
        frames
            .map(|frame| {
                let name = frame
                    .func_name()
                    .map(|n| format!("{:#}", rustc_demangle::demangle(n)));
                let name = name.unwrap_or_else(|| format!("function {}", frame.func_index()));
                printable(&name, 200)
            })
            .collect::<Vec<_>>()
    });
    PluginFault::Trapped {
        reason: printable(&reason, LONGEST_MESSAGE),
        last_error: host.last_error.clone(),
        backtrace: frames.unwrap_or_default(),
    }
}
