//! `wasi:cli`: no arguments, the variables that are granted, and streams to the task's log.

use wasmtime::component::{LinkerInstance, Resource};

use super::{
    Absent, Refusal, Store,
    streams::{InputStream, OutputStream},
    world,
};
use crate::plugin::host::Host;

/// Defines a function of the package; false if there is none of this name.
pub(super) fn define(linker: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "get-environment" => linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
            Ok((world(&mut store)?.grants.variables.clone(),))
        })?,
        "get-arguments" => {
            linker.func_wrap(name, |_: Store<'_>, (): ()| Ok((Vec::<String>::new(),)))?;
        }
        "initial-cwd" => {
            linker.func_wrap(name, |_: Store<'_>, (): ()| Ok((None::<String>,)))?;
        }
        "exit" => {
            linker.func_wrap(name, |_: Store<'_>, (_,): (Result<(), ()>,)| -> Never {
                Err(Refusal::Exited.into())
            })?;
        }
        "exit-with-code" => {
            linker.func_wrap(name, |_: Store<'_>, (_,): (u8,)| -> Never {
                Err(Refusal::Exited.into())
            })?;
        }
        "get-stdin" => linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
            Ok((world(&mut store)?.push(InputStream::Empty)?,))
        })?,
        "get-stdout" => linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
            Ok((world(&mut store)?.push(OutputStream::Stdout)?,))
        })?,
        "get-stderr" => linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
            Ok((world(&mut store)?.push(OutputStream::Stderr)?,))
        })?,
        "get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr" => {
            linker.func_wrap(name, |_: Store<'_>, (): ()| Ok((None::<Resource<Absent>>,)))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

type Never = wasmtime::Result<()>;
