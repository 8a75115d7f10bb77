//! `wasi:io/streams` and `wasi:io/error`: bytes in and out.

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};

use super::{
    Store,
    files::{self, ErrorCode, OpenFile},
    poll::Pollable,
    world,
};
use crate::plugin::{abi::Level, host::Host};

/// Bytes that one call moves, at most.
const MOST: u64 = 1 << 20;

/// Where bytes come from.
#[derive(Debug)]
pub(super) enum InputStream {
    Empty,
    File { file: OpenFile, position: u64 },
}

/// Where bytes go.
#[derive(Debug)]
pub(super) enum OutputStream {
    Stdout,
    Stderr,
    File {
        file: OpenFile,
        /// None: to the end, wherever that is by then.
        position: Option<u64>,
    },
}

/// `error.error`: why a stream failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure(pub(super) ErrorCode);

/// `streams.stream-error`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Resource<Failure>),
    #[component(name = "closed")]
    Closed,
}

type Answer<T> = wasmtime::Result<(Result<T, StreamError>,)>;

/// Defines a function of both interfaces; false if there is none of this name.
pub(super) fn define(linker: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "[method]error.to-debug-string" => linker.func_wrap(name, describe)?,
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            linker.func_wrap(name, read)?;
        }
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => {
            linker.func_wrap(name, skip)?;
        }
        "[method]input-stream.subscribe" => {
            linker.func_wrap(name, subscribe::<InputStream>)?;
        }
        "[method]output-stream.check-write" => {
            linker.func_wrap(name, |_: Store<'_>, (_,): (Resource<OutputStream>,)| {
                Ok((Ok::<_, StreamError>(MOST),))
            })?;
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            linker.func_wrap(name, write)?;
        }
        "[method]output-stream.write-zeroes"
        | "[method]output-stream.blocking-write-zeroes-and-flush" => {
            linker.func_wrap(name, write_zeroes)?;
        }
        // What is written is written at once.
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            linker.func_wrap(name, |_: Store<'_>, (_,): (Resource<OutputStream>,)| {
                Ok((Ok::<_, StreamError>(()),))
            })?;
        }
        "[method]output-stream.subscribe" => {
            linker.func_wrap(name, subscribe::<OutputStream>)?;
        }
        "[method]output-stream.splice" | "[method]output-stream.blocking-splice" => {
            linker.func_wrap(name, splice)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn describe(mut store: Store<'_>, (it,): (Resource<Failure>,)) -> wasmtime::Result<(String,)> {
    Ok((format!("{:?}", world(&mut store)?.table.get(&it)?.0),))
}

/// Nothing here keeps anyone waiting.
fn subscribe<T: 'static>(
    mut store: Store<'_>,
    (_,): (Resource<T>,),
) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((world(&mut store)?.push(Pollable::Now)?,))
}

fn read(mut store: Store<'_>, (stream, length): (Resource<InputStream>, u64)) -> Answer<Vec<u8>> {
    Ok((next(&mut store, &stream, length)?,))
}

fn skip(mut store: Store<'_>, (stream, length): (Resource<InputStream>, u64)) -> Answer<u64> {
    let skipped = next(&mut store, &stream, length)?;
    Ok((skipped.map(|bytes| bytes.len() as u64),))
}

fn write(mut store: Store<'_>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)) -> Answer<()> {
    Ok((put(&mut store, &stream, &bytes)?,))
}

fn write_zeroes(
    mut store: Store<'_>,
    (stream, length): (Resource<OutputStream>, u64),
) -> Answer<()> {
    let zeroes = vec![0; usize::try_from(length.min(MOST))?];
    let mut left = length;
    while left > 0 {
        let piece = usize::try_from(left.min(MOST))?;
        if let Err(failed) = put(&mut store, &stream, &zeroes[..piece])? {
            return Ok((Err(failed),));
        }
        left -= piece as u64;
        store.data().tick()?; // a host call is not interrupted by itself
    }
    Ok((Ok(()),))
}

fn splice(
    mut store: Store<'_>,
    (to, from, length): (Resource<OutputStream>, Resource<InputStream>, u64),
) -> Answer<u64> {
    let bytes = match next(&mut store, &from, length)? {
        Ok(bytes) => bytes,
        Err(failed) => return Ok((Err(failed),)),
    };
    let written = put(&mut store, &to, &bytes)?;
    Ok((written.map(|()| bytes.len() as u64),))
}

fn next(
    store: &mut Store<'_>,
    stream: &Resource<InputStream>,
    length: u64,
) -> wasmtime::Result<Result<Vec<u8>, StreamError>> {
    let world = world(store)?;
    let (file, position) = match world.table.get_mut(stream)? {
        InputStream::Empty => return Ok(Err(StreamError::Closed)),
        InputStream::File { file, position } => (file, position),
    };
    let code = match files::read_at(file, length.min(MOST), *position) {
        Ok(bytes) if bytes.is_empty() && length > 0 => return Ok(Err(StreamError::Closed)),
        Ok(bytes) => {
            *position += bytes.len() as u64;
            return Ok(Ok(bytes));
        }
        Err(code) => code,
    };
    Ok(Err(StreamError::Failed(world.push(Failure(code))?)))
}

fn put(
    store: &mut Store<'_>,
    stream: &Resource<OutputStream>,
    bytes: &[u8],
) -> wasmtime::Result<Result<(), StreamError>> {
    let world = world(store)?;
    let written = match world.table.get_mut(stream)? {
        OutputStream::Stdout => {
            let lines = world.print(bytes);
            store.data_mut().log_all(Level::Info, &lines);
            return Ok(Ok(()));
        }
        OutputStream::Stderr => {
            let lines = world.print_error(bytes);
            store.data_mut().log_all(Level::Error, &lines);
            return Ok(Ok(()));
        }
        OutputStream::File { file, position } => match position {
            None => files::append(file, bytes),
            Some(at) => files::write_at(file, bytes, *at).map(|()| *at += bytes.len() as u64),
        },
    };
    match written {
        Ok(()) => Ok(Ok(())),
        Err(code) => Ok(Err(StreamError::Failed(world.push(Failure(code))?))),
    }
}
