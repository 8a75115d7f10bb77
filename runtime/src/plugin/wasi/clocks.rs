//! `wasi:clocks`: both show the task's batch time, and what the plugin has slept since.

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};

use super::{Store, poll::Pollable, world};
use crate::plugin::host::Host;

const NANOS: u64 = 1_000_000_000;

/// `wall-clock.datetime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Datetime {
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
}

impl Datetime {
    /// So long after 1970 began.
    pub(super) fn after_epoch(nanos: u64) -> Self {
        Self {
            seconds: nanos / NANOS,
            nanoseconds: u32::try_from(nanos % NANOS).unwrap_or(0),
        }
    }
}

/// Defines a function of an interface; false if there is none of this name.
pub(super) fn define(
    linker: &mut LinkerInstance<'_, Host>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<bool> {
    match (interface, name) {
        ("wall-clock", "now") => linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
            Ok((Datetime::after_epoch(world(&mut store)?.now),))
        })?,
        ("wall-clock", "resolution") => linker.func_wrap(name, |_: Store<'_>, (): ()| {
            Ok((Datetime::after_epoch(1_000_000),))
        })?,
        ("monotonic-clock", "now") => {
            linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
                Ok((world(&mut store)?.now,))
            })?;
        }
        ("monotonic-clock", "resolution") => {
            linker.func_wrap(name, |_: Store<'_>, (): ()| Ok((1_u64,)))?;
        }
        ("monotonic-clock", "subscribe-instant") => {
            linker.func_wrap(name, |mut store: Store<'_>, (when,): (u64,)| {
                Ok((world(&mut store)?.push(Pollable::At(when))?,))
            })?;
        }
        ("monotonic-clock", "subscribe-duration") => {
            linker.func_wrap(name, |mut store: Store<'_>, (length,): (u64,)| {
                let world = world(&mut store)?;
                let when = world.now.saturating_add(length);
                Ok((world.push(Pollable::At(when))?,))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
