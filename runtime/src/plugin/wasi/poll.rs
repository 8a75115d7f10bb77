//! `wasi:io/poll`: waiting, which takes no time here.

use wasmtime::component::{LinkerInstance, Resource};

use super::{Store, world, world::World};
use crate::plugin::host::Host;

/// What can be waited for. Files and streams never keep anyone waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pollable {
    Now,
    /// When the task's clock shows so many nanoseconds.
    At(u64),
}

impl Pollable {
    fn is_ready(self, now: u64) -> bool {
        match self {
            Self::Now => true,
            Self::At(time) => time <= now,
        }
    }
}

/// Defines a function of the interface; false if there is none of this name.
pub(super) fn define(linker: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "[method]pollable.ready" => linker.func_wrap(name, ready)?,
        "[method]pollable.block" => linker.func_wrap(name, block)?,
        "poll" => linker.func_wrap(name, poll)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn ready(mut store: Store<'_>, (it,): (Resource<Pollable>,)) -> wasmtime::Result<(bool,)> {
    let world = world(&mut store)?;
    Ok((world.table.get(&it)?.is_ready(world.now),))
}

fn block(mut store: Store<'_>, (it,): (Resource<Pollable>,)) -> wasmtime::Result<()> {
    wait(world(&mut store)?, &[it]).map(|_| ())
}

fn poll(mut store: Store<'_>, (all,): (Vec<Resource<Pollable>>,)) -> wasmtime::Result<(Vec<u32>,)> {
    Ok((wait(world(&mut store)?, &all)?,))
}

/// Which of them are ready. If none is, the task's clock jumps to the first that will be: whoever
/// sleeps until a time finds that it has come, no thread waits, and each run sees the same.
fn wait(world: &mut World, all: &[Resource<Pollable>]) -> wasmtime::Result<Vec<u32>> {
    if all.is_empty() {
        wasmtime::bail!("it waits for nothing");
    }
    let table = &world.table;
    let all = all.iter().map(|it| table.get(it).copied());
    let all = all.collect::<Result<Vec<_>, _>>()?;
    if !all.iter().any(|it| it.is_ready(world.now)) {
        let times = all.iter().filter_map(|it| match it {
            Pollable::Now => None,
            Pollable::At(time) => Some(*time),
        });
        world.now = times.min().unwrap_or(world.now);
    }
    let now = world.now;
    let ready = (0..).zip(&all).filter(|(_, it)| it.is_ready(now));
    Ok(ready.map(|(at, _)| at).collect())
}
