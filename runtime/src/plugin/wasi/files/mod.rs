//! `wasi:filesystem`: the directories that are granted, and nothing outside of them.

mod descriptor;
mod error;
mod listing;
mod open_file;
mod stat;

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};

use self::{
    descriptor::{DescriptorFlags, OpenFlags, PathFlags},
    listing::Entry,
    stat::{Kind, MetadataHash, Stat},
};
use super::{
    Store,
    clocks::Datetime,
    streams::{Failure, InputStream, OutputStream},
    world,
};
use crate::plugin::host::Host;

pub(super) use descriptor::Descriptor;
pub(super) use error::ErrorCode;
pub(super) use listing::Listing;
pub(super) use open_file::{OpenFile, append, read_at, write_at};

/// Bytes that one call reads, at most.
const MOST: u64 = 1 << 20;

/// `types.new-timestamp`.
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(variant)]
enum NewTimestamp {
    #[component(name = "no-change")]
    NoChange,
    #[component(name = "now")]
    Now,
    #[component(name = "timestamp")]
    Timestamp(Datetime),
}

/// `types.advice`.
#[expect(dead_code, reason = "variants are made by lifting")]
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum Advice {
    #[component(name = "normal")]
    Normal,
    #[component(name = "sequential")]
    Sequential,
    #[component(name = "random")]
    Random,
    #[component(name = "will-need")]
    WillNeed,
    #[component(name = "dont-need")]
    DontNeed,
    #[component(name = "no-reuse")]
    NoReuse,
}

type Handle = Resource<Descriptor>;
type Answer<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

/// Defines a function of the package; false if there is none of this name. Links are not made and
/// times not set: to a program that looks into the directory later they would say what is not so.
pub(super) fn define(linker: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "get-directories" => linker.func_wrap(name, get_directories)?,
        "filesystem-error-code" => {
            linker.func_wrap(name, |mut store: Store<'_>, (it,): (Resource<Failure>,)| {
                Ok((Some(world(&mut store)?.table.get(&it)?.0),))
            })?;
        }
        "[method]directory-entry-stream.read-directory-entry" => {
            linker.func_wrap(name, read_entry)?;
        }
        _ => match name.strip_prefix("[method]descriptor.") {
            Some(method) => return define_content(linker, name, method),
            None => return Ok(false),
        },
    }
    Ok(true)
}

/// What concerns one file.
fn define_content(
    linker: &mut LinkerInstance<'_, Host>,
    name: &str,
    method: &str,
) -> wasmtime::Result<bool> {
    match method {
        "read-via-stream" => linker.func_wrap(name, read_via_stream)?,
        "write-via-stream" => {
            linker.func_wrap(name, |store: Store<'_>, (it, position): (Handle, u64)| {
                write_via_stream(store, &it, Some(position))
            })?;
        }
        "append-via-stream" => {
            linker.func_wrap(name, |store: Store<'_>, (it,): (Handle,)| {
                write_via_stream(store, &it, None)
            })?;
        }
        "advise" => {
            linker.func_wrap(name, |_: Store<'_>, _: (Handle, u64, u64, Advice)| {
                Ok((Ok::<_, ErrorCode>(()),))
            })?;
        }
        "get-flags" => linker.func_wrap(name, |mut store: Store<'_>, (it,): (Handle,)| {
            with(&mut store, &it, |it| Ok::<DescriptorFlags, _>(it.flags()))
        })?,
        "get-type" => linker.func_wrap(name, |mut store: Store<'_>, (it,): (Handle,)| {
            with(&mut store, &it, |it| Ok::<Kind, _>(it.kind()))
        })?,
        "set-size" => {
            linker.func_wrap(name, |mut store: Store<'_>, (it, size): (Handle, u64)| {
                with(&mut store, &it, |it| {
                    Ok(it.writable()?.file.set_len(size)?)
                })
            })?;
        }
        "set-times" => {
            linker.func_wrap(
                name,
                |_: Store<'_>, _: (Handle, NewTimestamp, NewTimestamp)| Ok(UNSUPPORTED),
            )?;
        }
        "read" => linker.func_wrap(name, read)?,
        "write" => {
            linker.func_wrap(
                name,
                |mut store: Store<'_>, (it, bytes, position): (Handle, Vec<u8>, u64)| {
                    with(&mut store, &it, |it| {
                        write_at(it.writable()?, &bytes, position)?;
                        Ok(bytes.len() as u64)
                    })
                },
            )?;
        }
        "read-directory" => linker.func_wrap(name, read_directory)?,
        "sync" | "sync-data" => {
            linker.func_wrap(name, |mut store: Store<'_>, (it,): (Handle,)| {
                with(&mut store, &it, |it| match it {
                    Descriptor::File { file, .. } => Ok(file.file.sync_all()?),
                    Descriptor::Directory(_) => Ok(()),
                })
            })?;
        }
        "stat" => linker.func_wrap(name, |mut store: Store<'_>, (it,): (Handle,)| {
            with(&mut store, &it, |it| Ok(Stat::from(it.metadata()?)))
        })?,
        "is-same-object" => linker.func_wrap(name, is_same)?,
        "metadata-hash" => {
            linker.func_wrap(name, |mut store: Store<'_>, (it,): (Handle,)| {
                with(&mut store, &it, |it| Ok(MetadataHash::from(it.metadata()?)))
            })?;
        }
        _ => return define_at(linker, name, method),
    }
    Ok(true)
}

/// What concerns a path below a directory.
fn define_at(
    linker: &mut LinkerInstance<'_, Host>,
    name: &str,
    method: &str,
) -> wasmtime::Result<bool> {
    match method {
        "open-at" => linker.func_wrap(name, open_at)?,
        "create-directory-at" => {
            linker.func_wrap(
                name,
                |mut store: Store<'_>, (it, path): (Handle, String)| {
                    with(&mut store, &it, |it| {
                        Ok(it.changeable()?.create_dir(&path)?)
                    })
                },
            )?;
        }
        "remove-directory-at" => {
            linker.func_wrap(
                name,
                |mut store: Store<'_>, (it, path): (Handle, String)| {
                    with(&mut store, &it, |it| {
                        Ok(it.changeable()?.remove_dir(&path)?)
                    })
                },
            )?;
        }
        "unlink-file-at" => {
            linker.func_wrap(
                name,
                |mut store: Store<'_>, (it, path): (Handle, String)| {
                    with(&mut store, &it, |it| {
                        Ok(it.changeable()?.remove_file(&path)?)
                    })
                },
            )?;
        }
        "rename-at" => linker.func_wrap(name, rename_at)?,
        "readlink-at" => linker.func_wrap(name, read_link)?,
        "stat-at" => linker.func_wrap(
            name,
            |mut store: Store<'_>, (it, follow, path): (Handle, PathFlags, String)| {
                with(&mut store, &it, |it| {
                    Ok(Stat::from(it.directory()?.metadata(&path, follow)?))
                })
            },
        )?,
        "metadata-hash-at" => linker.func_wrap(
            name,
            |mut store: Store<'_>, (it, follow, path): (Handle, PathFlags, String)| {
                with(&mut store, &it, |it| {
                    Ok(MetadataHash::from(it.directory()?.metadata(&path, follow)?))
                })
            },
        )?,
        "set-times-at" => {
            type Times = (Handle, PathFlags, String, NewTimestamp, NewTimestamp);
            linker.func_wrap(name, |_: Store<'_>, _: Times| Ok(UNSUPPORTED))?;
        }
        "link-at" => {
            type Link = (Handle, PathFlags, String, Handle, String);
            linker.func_wrap(name, |_: Store<'_>, _: Link| Ok(UNSUPPORTED))?;
        }
        "symlink-at" => {
            linker.func_wrap(name, |_: Store<'_>, _: (Handle, String, String)| {
                Ok(UNSUPPORTED)
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

const UNSUPPORTED: (Result<(), ErrorCode>,) = (Err(ErrorCode::Unsupported),);

/// Asks something of what the plugin holds.
fn with<T>(
    store: &mut Store<'_>,
    it: &Handle,
    ask: impl FnOnce(&Descriptor) -> Result<T, ErrorCode>,
) -> Answer<T> {
    Ok((ask(world(store)?.table.get(it)?),))
}

fn get_directories(mut store: Store<'_>, (): ()) -> wasmtime::Result<(Vec<(Handle, String)>,)> {
    let world = world(&mut store)?;
    let grants = world.grants.clone();
    let directories = grants.directories.iter().map(|granted| {
        let directory = Descriptor::granted(granted.directory.clone(), granted.access);
        Ok((world.push(directory)?, granted.name.clone()))
    });
    Ok((directories.collect::<wasmtime::Result<_>>()?,))
}

fn read(
    mut store: Store<'_>,
    (it, length, position): (Handle, u64, u64),
) -> Answer<(Vec<u8>, bool)> {
    with(&mut store, &it, |it| {
        let bytes = read_at(it.readable()?, length.min(MOST), position)?;
        let ended = bytes.is_empty() && length > 0;
        Ok((bytes, ended))
    })
}

fn read_via_stream(
    mut store: Store<'_>,
    (it, position): (Handle, u64),
) -> Answer<Resource<InputStream>> {
    let world = world(&mut store)?;
    let stream = match world.table.get(&it)?.readable() {
        Ok(file) => InputStream::File {
            file: file.clone(),
            position,
        },
        Err(code) => return Ok((Err(code),)),
    };
    Ok((Ok(world.push(stream)?),))
}

fn write_via_stream(
    mut store: Store<'_>,
    it: &Handle,
    position: Option<u64>,
) -> Answer<Resource<OutputStream>> {
    let world = world(&mut store)?;
    let stream = match world.table.get(it)?.writable() {
        Ok(file) => OutputStream::File {
            file: file.clone(),
            position,
        },
        Err(code) => return Ok((Err(code),)),
    };
    Ok((Ok(world.push(stream)?),))
}

fn read_directory(mut store: Store<'_>, (it,): (Handle,)) -> Answer<Resource<Listing>> {
    let world = world(&mut store)?;
    let slot = world.slot().ok_or(ErrorCode::Quota);
    let directory = world.table.get(&it)?.directory();
    match directory.and_then(|it| Listing::of(&it.directory, slot?)) {
        Ok(listing) => Ok((Ok(world.push(listing)?),)),
        Err(code) => Ok((Err(code),)),
    }
}

fn read_entry(mut store: Store<'_>, (it,): (Resource<Listing>,)) -> Answer<Option<Entry>> {
    Ok((Ok(world(&mut store)?.table.get_mut(&it)?.next()),))
}

fn is_same(mut store: Store<'_>, (it, other): (Handle, Handle)) -> wasmtime::Result<(bool,)> {
    let table = &world(&mut store)?.table;
    let same = table.get(&it)?.is_same(table.get(&other)?);
    Ok((same.unwrap_or(false),))
}

type Opening = (Handle, PathFlags, String, OpenFlags, DescriptorFlags);

fn open_at(mut store: Store<'_>, (it, follow, path, how, wanted): Opening) -> Answer<Handle> {
    let world = world(&mut store)?;
    let Some(slot) = world.slot() else {
        return Ok((Err(ErrorCode::Quota),));
    };
    let directory = world.table.get(&it)?.directory();
    match directory.and_then(|it| it.open(&path, follow, how, wanted, slot)) {
        Ok(opened) => Ok((Ok(world.push(opened)?),)),
        Err(code) => Ok((Err(code),)),
    }
}

fn rename_at(
    mut store: Store<'_>,
    (it, path, other, new_path): (Handle, String, Handle, String),
) -> Answer<()> {
    let table = &world(&mut store)?.table;
    let (from, to) = (table.get(&it)?, table.get(&other)?);
    let renamed = from
        .changeable()
        .and_then(|from| Ok(from.rename(&path, to.changeable()?, &new_path)?));
    Ok((renamed,))
}

fn read_link(mut store: Store<'_>, (it, path): (Handle, String)) -> Answer<String> {
    with(&mut store, &it, |it| {
        let target = it.directory()?.directory.read_link(&path)?;
        let target = target.into_os_string().into_string();
        target.map_err(|_| ErrorCode::IllegalByteSequence)
    })
}
